"""Where in a document something stands: line and column, both from 1."""

import json
import re
from functools import partial

_SPACE = re.compile(r"\s*")
_raw = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode  # str: a number of a million digits costs nothing


def place(text: str, at: int) -> tuple[int, int]:
    """Of the character `at`."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def byte_place(data: bytes, at: int) -> tuple[int, int]:
    """Of the byte `at`; the column counts characters."""
    line = data[data.rfind(b"\n", 0, at) + 1 : at]
    return data.count(b"\n", 0, at) + 1, len(line.decode(errors="replace")) + 1


def items(text: str, key: str) -> list[int]:
    """Where each element of the list `key` of an object begins; for a document that is known to be JSON."""
    skip = partial(_SPACE.match, text)
    found: list[int] = []
    at = _end(skip(0)) + 1
    while text[(at := _end(skip(at)))] == '"':
        name, at = _raw(text, at)
        at = _end(skip(_end(skip(at)) + 1))
        if name != key or text[at] != "[":
            at = _raw(text, at)[1]
        else:  # of a repeated key the last one counts
            found, at = elements(text, at + 1)
            at += 1
        at = _end(skip(at))
        at += text[at] == ","
    return found


def elements(text: str, at: int) -> tuple[list[int], int]:
    """Where each element of a list begins that begins at `at`, behind its bracket; and where the list ends."""
    skip = partial(_SPACE.match, text)
    found: list[int] = []
    at = _end(skip(at))
    while at < len(text) and text[at] != "]":
        found.append(at)
        at = _end(skip(_raw(text, at)[1]))
        at = _end(skip(at + (text[at : at + 1] == ",")))
    return found, at


def _end(match: re.Match[str] | None) -> int:
    assert match is not None  # \s* always matches
    return match.end()
