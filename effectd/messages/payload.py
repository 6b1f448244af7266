"""What a payload says that anybody may have published; pure."""

import json
from typing import Any

import msgspec


def fields_of(payload: bytes) -> dict[str, Any]:
    """The payload as a JSON object; {} if it is anything else."""
    try:
        value = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def value_of(text: str) -> Any:
    """The text as a JSON value if it parses, else itself."""
    try:
        return json.loads(text, parse_constant=lambda word: word)  # NaN is not JSON
    except (ValueError, RecursionError):
        return text
