"""Detects other homes on the same broker: two with the same topic_root would mix, an empty root contains all others."""

import json
import socket

from effectd.config.reader import Config, home_id


def topic(config: Config) -> str:
    """Where this home announces itself (retained)."""
    return config.topics.home(home_id(config.home))


def announcement(config: Config) -> bytes:
    announced = {"root": config.topic_root, "host": socket.gethostname(), "home": str(config.home)}
    return json.dumps(announced).encode()


def clash(config: Config, payload: bytes) -> str:
    """Why this home cannot share the broker with the one that announced `payload`, and the cure; "" if it can."""
    try:
        other = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return ""
    if not isinstance(other, dict):
        return ""
    root, theirs = config.topic_root, str(other.get("root", ""))
    if root != theirs and root:
        return ""
    where = f"{other.get('host')}:{other.get('home')}"
    return (
        f"the home {where} lives on {config.broker.address} under topic_root {theirs!r}, "
        f"this one has {root!r}: give this home a topic_root of its own in config.yaml, then effectd up"
    )
