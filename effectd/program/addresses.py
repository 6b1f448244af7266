"""Resolves `broker.host` and `page.host` to the addresses to listen on."""

import socket


def addresses(host: str) -> list[str] | None:
    """What to listen on; None: everything. Loopback means both addresses, because `localhost` may mean either."""
    if host == "*":
        return None
    if host == "127.0.0.1":
        try:
            with socket.socket(socket.AF_INET6) as trial:
                trial.bind(("::1", 0))
        except OSError:  # a machine without IPv6
            return [host]
        return [host, "::1"]
    return [host.strip("[]")]
