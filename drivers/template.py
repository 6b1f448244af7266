"""A line, payload or URL with holes that an effect fills: `{"brightness": $level}`, `$r,$g,$b`, `PWM $level`.

The holes are those of Python's string.Template (`$name` or `${name}`, `$$` for a dollar sign):
$level      the intensity on the device's own scale      $intensity    0-100
$r $g $b    the colour, 0-255 each, scaled by intensity  $hex          the same as rrggbb
$duration_ms, $duration_s   how long, 0 = until stopped  $effect_type, $device, $id
$param_NAME the published parameter NAME, "" where it is absent
"""

import json
import re
import string
from typing import Any

from drivers.driver import Effect

NAMES = frozenset(
    ["level", "intensity", "r", "g", "b", "hex", "duration_ms", "duration_s", "effect_type", "device", "id"]
)
CONSTANT = frozenset({"device"})  # what is known without an effect

Scale = tuple[float, float]


class Template:
    """One text with holes. Raises ValueError for a hole that nothing fills."""

    def __init__(self, text: str, *, names: frozenset[str] = NAMES) -> None:
        self._template = string.Template(text)
        if not self._template.is_valid():
            raise ValueError(f"{text!r}: a lone $; write $$ for a dollar sign")
        for name in self._template.get_identifiers():
            if name not in names and not (names is NAMES and name.startswith("param_")):
                raise ValueError(f"{text!r}: ${name} is not known here; known are ${', $'.join(sorted(names))}")
        # a published text must not break out of the JSON that the author wrote around the hole
        self._json = text.lstrip()[:1] in ("{", "[")

    def fill(self, values: dict[str, Any]) -> str:
        """The text with its holes filled from `values` (see `values`)."""
        return self._template.substitute(_Texts(values, self._json))


class _Texts(dict[str, str]):
    """The values as text; an unknown name is a parameter that the publisher did not send."""

    def __init__(self, values: dict[str, Any], as_json: bool) -> None:
        super().__init__({name: _text(value, as_json) for name, value in values.items()})

    def __missing__(self, _name: str) -> str:
        return ""


def values(effect: Effect, device: str, scale: Scale) -> dict[str, Any]:
    """What an effect fills in. `scale`: the device's own numbers for 0 and 100 %; whole ones give whole levels."""
    low, high = scale
    level = low + (high - low) * float(effect.intensity) / 100
    red, green, blue = (round(part * float(effect.intensity) / 100) for part in effect.rgb())
    return {
        "level": round(level) if float(low).is_integer() and float(high).is_integer() else round(level, 4),
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


def _text(value: Any, as_json: bool) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if not isinstance(value, str):
        return json.dumps(value)
    return json.dumps(value)[1:-1] if as_json else "".join(c for c in value if c.isprintable())
