"""The readiness gate: what it says, whose it is, and who is believed ready."""
