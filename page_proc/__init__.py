"""The program `page`: the room in a browser, and an HTTP API."""
