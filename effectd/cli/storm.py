"""The demo's score: a short storm over light, wind, vibration and scent."""

from typing import Any, NamedTuple


class Cue(NamedTuple):
    """`at`: seconds from the beginning. `fields`: the payload of the effect, without its id."""

    at: float
    effect_type: str
    fields: dict[str, Any]


def _cue(at: float, effect_type: str, intensity: float, duration: int, location: str = "", **parameters: Any) -> Cue:
    fields: dict[str, Any] = {"intensity": intensity, "duration": duration}
    if location:
        fields["location"] = location
    if parameters:
        fields["parameters"] = parameters
    return Cue(at, effect_type, fields)


TYPES = ("light", "wind", "vibration", "scent")

SCORE = (
    _cue(0.0, "scent", 40, 5000, scent="rain"),
    _cue(0.3, "wind", 15, 1500),
    _cue(0.9, "light", 40, 150, "left:*:back", color="#8fa8ff"),  # far away
    _cue(1.4, "vibration", 20, 600),
    _cue(1.6, "wind", 40, 1500),
    _cue(2.2, "light", 70, 150, "center:*:midway", color="#c8d8ff"),
    _cue(2.5, "vibration", 50, 700),
    _cue(2.7, "wind", 70, 1500),
    _cue(3.3, "light", 100, 200, "right:top:front", color="#ffffff"),  # overhead
    _cue(3.4, "vibration", 100, 900),
    _cue(3.6, "wind", 100, 1500),
    _cue(4.0, "light", 80, 150, "centerright:top", color="#c060ff"),
    _cue(4.4, "light", 90, 150, "centerleft:top", color="#ff60a0"),
    _cue(4.6, "vibration", 40, 700),
    _cue(4.9, "wind", 50, 1200),
    _cue(5.3, "light", 60, 20000, color="#ff8c30"),  # the sun, which goes on through what follows
    _cue(5.5, "wind", 20, 5000),  # it passes, or would
)
STORM_S = 6.0
AFTERWARDS = Cue(0.0, "wind", {"intensity": 80, "duration": 500})  # the first effect of the driver that was killed
AFTERWARDS_S = 0.6  # until that has ended by itself
SUNSET = Cue(0.0, "light", {"intensity": 0})
