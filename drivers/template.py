r"""A line, payload or URL with holes that an effect fills: `{"brightness": $level}`, `$r,$g,$b`, `PWM $level\n`.

The holes are those of Python's string.Template (`$name` or `${name}`, `$$` for a dollar sign):
$level      the intensity on the device's own scale      $intensity    0-100
$r $g $b    the colour, 0-255 each, scaled by intensity  $hex          the same as rrggbb
$duration_ms, $duration_s   how long, 0 = until stopped  $effect_type, $device, $id
$param_NAME the published parameter NAME, "" where it is absent

A published value can never break out of the text that the author wrote around the hole.
"""

import html
import json
import re
import string
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from effectd.driver import Effect

NAMES = frozenset(
    ["level", "intensity", "r", "g", "b", "hex", "duration_ms", "duration_s", "effect_type", "device", "id"]
)
CONSTANT = frozenset({"device"})  # holes that need no effect

Scale = tuple[float, float]
Quote = Callable[[Any], str]


def plain(value: Any) -> str:
    """On one line, without control characters that a terminal or a line protocol would act on."""
    text = value if isinstance(value, str) else json.dumps(_number(value))
    return "".join(c for c in text if c.isprintable())


def in_url(value: Any) -> str:
    """Within one segment of a path, or one value of a query or form; dots alone would climb out of a path."""
    text = quote(plain(value), safe="")
    return text if text.strip(".") else ""


def in_xml(value: Any) -> str:
    return html.escape(plain(value))


def in_json_string(value: Any) -> str:
    """Between two quotes that the author wrote."""
    return json.dumps(value if isinstance(value, str) else _json(value))[1:-1]


def _json(value: Any) -> str:
    """A JSON value of its own; an absent parameter is null."""
    return "null" if value is ABSENT else json.dumps(_number(value))


def _number(value: Any) -> Any:
    """60.0 becomes 60, as devices expect."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


class _Absent(str):
    """A parameter that the publisher did not send."""


ABSENT = _Absent()


class Template:
    """One text with holes. Raises ValueError for a hole that nothing fills.

    `quote` makes text of a value; without it what begins like JSON or XML is quoted so, and all else is plain.
    """

    def __init__(self, text: str, *, names: frozenset[str] = NAMES, quote: Quote | None = None) -> None:
        template = string.Template(text)
        if not template.is_valid():
            raise ValueError(f"{text!r}: a lone $; write $$ for a dollar sign")
        for name in template.get_identifiers():
            if name not in names and not (names is NAMES and name.startswith("param_")):
                raise ValueError(f"{text!r}: ${name} is not known here; known are ${', $'.join(sorted(names))}")
        self._parts = list(_parts(text, quote))

    @property
    def parameters(self) -> set[str]:
        """The published parameters that it uses."""
        names = {name for _literal, name, _quote in self._parts}
        own = {name.removeprefix("param_") for name in names if name.startswith("param_")}
        return own | ({"color", "rgb"} if names & {"r", "g", "b", "hex"} else set())

    def fill(self, values: dict[str, Any]) -> str:
        """The text with its holes filled from `values` (see `values`)."""
        return "".join(
            literal + (quote(values.get(name, ABSENT)) if quote else "") for literal, name, quote in self._parts
        )


def _parts(text: str, quote: Quote | None) -> Iterator[tuple[str, str, Quote | None]]:
    """Each literal with the hole after it, and how that hole is quoted."""
    first = text.lstrip()[:1]
    as_json = quote is None and first in ("{", "[")
    other = quote or (in_xml if first == "<" else plain)
    literal, end, quotes = "", 0, 0
    for found in string.Template.pattern.finditer(text):
        literal += text[end : found.start()]
        end = found.end()
        if found["escaped"]:
            literal += "$"
            continue
        quotes += sum(mark == '"' for mark in re.findall(r'\\.|"', literal))
        as_value = (in_json_string if quotes % 2 else _json) if as_json else other
        yield literal, found["named"] or found["braced"], as_value
        literal = ""
    yield literal + text[end:], "", None


def unescaped(text: str) -> str:
    r"""The text with its \n, \r, \t, \0, \\ and \xNN replaced; `encoded` makes the bytes."""

    def meant(found: re.Match[str]) -> str:
        word = found[1]
        if len(word) == 3:
            code = int(word[1:], 16)
            return chr(code if code < 0x80 else 0xDC00 + code)
        if word not in _ESCAPES:
            raise ValueError(rf"{text!r}: \{word} means nothing here; allowed are \n \r \t \0 \\ \xNN")
        return _ESCAPES[word]

    return re.sub(r"\\(x[0-9A-Fa-f]{2}|.|$)", meant, text, flags=re.DOTALL)


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}


def encoded(text: str) -> bytes:
    r"""UTF-8, in which each \xNN of `unescaped` is that one byte."""
    return text.encode(errors="surrogateescape")


def values(effect: Effect, device: str, scale: Scale) -> dict[str, Any]:
    """The values that an effect fills in."""
    red, green, blue = effect.dimmed()
    return {
        "level": level(float(effect.intensity), scale),
        "intensity": effect.intensity,
        "r": red,
        "g": green,
        "b": blue,
        "hex": f"{red:02x}{green:02x}{blue:02x}",
        "duration_ms": effect.duration or 0,
        "duration_s": (effect.duration or 0) / 1000,
        "effect_type": effect.effect_type,
        "device": device,
        "id": effect.id,
        **{f"param_{key}": value for key, value in effect.parameters.items() if re.fullmatch(r"\w+", key)},
    }


def level(intensity: float, scale: Scale) -> float:
    """The device's own number on `scale`, its numbers for 0 and 100 %; whole ones give whole levels.

    Above off it is at least one step away from the number for 0 %: a lamp that is on is not at 0.
    """
    low, high = scale
    whole = float(low).is_integer() and float(high).is_integer()
    there = low + (high - low) * intensity / 100
    found = round(there) if whole else round(there, 4)
    if intensity > 0 and found == low and low != high:
        step = 1 if whole else 0.0001
        found = found + step if high > low else found - step
    return found
