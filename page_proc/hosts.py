"""By which names the page may be called, and which pages may call it: against DNS rebinding and other sites; pure.

A name that somebody's DNS points at this machine is no name of this machine; a browser that was led here by it would
take the page for a part of that somebody's site.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit


def name_of(host: str) -> str:
    """The name or address of a Host header, without its port, in small letters; "" for none, or nonsense."""
    if not re.fullmatch(r"[A-Za-z0-9._:%\[\]-]+", host):
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def may_be_called(name: str, own: Collection[str]) -> bool:
    """`own`: this machine's names, and those of the configuration."""
    if not name:
        return False
    if name == "localhost" or name in own:
        return True
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_own_page(origin: str, host: str) -> bool:
    """Whether the page with this Origin is the one that was served at this Host."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False  # `null`: a page without an origin
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)
