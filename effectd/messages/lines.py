"""Formats a message as one line of JSON, for `effectd watch --json` and the page's events; pure."""

import base64
import json
from typing import Any

from effectd.messages import answers
from effectd.messages.payload import value_of


def as_line(topic: str, payload: bytes) -> str:
    """`{"at","topic","payload"}`: the payload as JSON if it parses, else text, else `payload_base64`."""
    line: dict[str, Any] = {"at": answers.unix_ms(), "topic": topic}
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(payload).decode()
    else:
        line["payload"] = value_of(text)
    return json.dumps(line)
