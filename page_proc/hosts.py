"""Checks Host and Origin headers, against DNS rebinding and requests from other sites; pure.

A foreign DNS name that points at this machine is not a name of this machine: a browser led here by it would take the
page for a part of the foreign site.
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
        return False  # `null`: a page without origin
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)
