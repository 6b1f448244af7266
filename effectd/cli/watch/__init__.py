"""`effectd watch`: the room in the terminal."""
