"""Homes on one broker see each other: a shared topic_root would mix them, an empty one would hold the others'."""

import json
import socket

from effectd.config.reader import Config, home_id


def topic(config: Config) -> str:
    """Where this home tells that it lives here (retained)."""
    return config.topics.home(home_id(config.home))


def announcement(config: Config) -> bytes:
    told = {"root": config.topic_root, "host": socket.gethostname(), "home": str(config.home)}
    return json.dumps(told).encode()


def clash(config: Config, payload: bytes) -> str:
    """Why this home cannot live beside the one that has told `payload`, with the cure; "" where it can."""
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
        f"this one has {root!r}: give this home a topic_root of its own in config.yaml, then supervisorctl restart all"
    )
