"""What Python_PlaySEM's two kinds of documents have in common: the names of its types, and its defaults.

As in playsem/effect_metadata.py at its version 2a82452.
"""

from typing import Any

DURATION_MS = 1000
TYPES = {
    "lighteffect": "light",
    "windeffect": "wind",
    "vibrationeffect": "vibration",
    "tactileeffect": "vibration",
    "scenteffect": "scent",
    "olfactoryeffect": "scent",
    "temperatureeffect": "temperature",
    "thermaleffect": "temperature",
}


def effect_type(given: str) -> str:
    """Our name of a type, which there is written in any case of letters."""
    lower = given.strip().lower()
    return TYPES.get(lower, lower)[:64]


def ours(fields: dict[str, Any]) -> dict[str, Any]:
    """An effect of its JSON as one of ours: a duration of 0, its default, says nothing there; here it means: hold."""
    if not fields.get("duration"):
        fields = {key: value for key, value in fields.items() if key != "duration"}
    if isinstance(given := fields.get("effect_type"), str):
        fields = fields | {"effect_type": effect_type(given)}
    return fields
