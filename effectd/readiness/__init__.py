"""Who is ready: a gate of one's own, and a view of the gates of others."""
