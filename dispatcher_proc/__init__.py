"""The dispatcher: accepts effects from any client, resolves them for devices, and reports the outcome of each."""
