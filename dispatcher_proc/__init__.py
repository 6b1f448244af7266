"""The dispatcher: takes effects from any client, resolves them for devices, and tells what became of each."""
