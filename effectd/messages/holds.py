"""Holds, stops that stay in force: who holds what, and why; pure.

A hold keeps people safe, so it is never refused: a payload that is not JSON is taken as the reason, an unreadable
target as everything.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

NAME_BYTES = 200
_REASON = 200  # characters


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`target`: ids of devices and names of zones; None = everything. `since`: Unix ms."""

    name: str
    reason: str = ""
    target: tuple[str, ...] | None = None
    since: int = 0

    def concerns(self, device: str, zones: Collection[str]) -> bool:
        return self.target is None or device in self.target or not set(zones).isdisjoint(self.target)

    def __str__(self) -> str:
        return f"held by {self.name}: {self.reason}" if self.reason else f"held by {self.name}"

    def in_full(self) -> str:
        """With its target, if that is not everything."""
        return f"{self} (only {', '.join(self.target)})" if self.target is not None else str(self)


def why(holds: Iterable[Hold], device: str, zones: Collection[str]) -> str:
    """Who holds the device, and why: `held by <name>: <reason>`, the oldest hold first; "" = no one."""
    return "; ".join(str(hold) for hold in holds if hold.concerns(device, zones))


def named(name: Any) -> bool:
    """Whether a hold may have this name: one level of a topic."""
    return (
        isinstance(name, str) and 0 < len(name.encode(errors="replace")) <= NAME_BYTES and not set(name) & set("/+#\0")
    )


def decode(name: str, payload: bytes, now_ms: int) -> Hold | None:
    """The hold in a payload of `holds/<name>`; None: it is released."""
    if not payload:
        return None
    text = payload.decode(errors="replace")
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        value = text
    if not isinstance(value, dict):
        return Hold(name=name, reason=_line(value if isinstance(value, str) else text), since=now_ms)
    reason = value.get("reason")
    reason = reason if isinstance(reason, str) else "" if reason is None else text
    return Hold(name=name, reason=_line(reason), target=_target(value.get("target")), since=now_ms)


def encode(reason: str, target: Collection[str] | None) -> bytes:
    """The payload of `holds/<name>`."""
    return msgspec.json.encode({"reason": reason} | ({"target": list(target)} if target else {}))


def from_request(request: dict[str, Any]) -> bytes:
    """The same, from a request at a gate."""
    return msgspec.json.encode({key: request[key] for key in ("reason", "target") if request.get(key) is not None})


def _target(value: Any) -> tuple[str, ...] | None:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        return None
    return tuple(names)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_REASON]
