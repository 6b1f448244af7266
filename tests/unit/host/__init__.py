"""The life of one device: the real Host drives a real driver on its own thread."""
