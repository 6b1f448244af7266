"""Python_PlaySEM's own XML: Effect elements without a namespace; values in attributes or child elements, in ms."""

import re
from collections.abc import Generator
from typing import Any

from effectd.messages import location
from effectd.messages.effect import Effect, rgb_of
from effectd.timeline import playsem
from effectd.timeline.document import (
    EFFECTS,
    LENGTH_MS,
    Problem,
    Problems,
    Reading,
    TimelineRefused,
    made,
    too_many,
)
from effectd.timeline.element import Element

_EFFECT, _HOLDERS = "effect", ("sensoryeffect", "sensoryeffects")
_NAMES = {  # of an attribute or a child element, in any case of letters -> what it is
    **dict.fromkeys(("type", "effecttype"), "type"),
    **dict.fromkeys(("timestamp", "time"), "timestamp"),
    **dict.fromkeys(("intensity", "magnitude"), "intensity"),
    **dict.fromkeys(("temperature", "temp"), "temperature"),
    **{name: name for name in ("duration", "location", "color", "scent", "direction", "title")},
    **{"r": "red", "red": "red", "g": "green", "green": "green", "b": "blue", "blue": "blue"},
}


class PlaySem:
    """The handler of such a document."""

    def __init__(self, root: Element) -> None:
        self._root, self._problems = root, Problems()
        self._title, self._length = "", root.attributes.get("duration", "")
        self._effects: list[Effect] = []
        self._open: list[tuple[Element, dict[str, str]]] = []  # elements that may be an effect, with their values

    def start(self, element: Element) -> None:
        if element is self._root:
            self._title = _lower(element).get("title", "")[:200]
        elif element.name.lower() == _EFFECT or element.name.lower() in _HOLDERS:
            self._open.append((element, _lower(element)))

    def end(self, name: str, text: str) -> None:
        lower = name.lower()
        if lower == _EFFECT or lower in _HOLDERS:
            if self._open:
                self._close(*self._open.pop())
        elif self._open:
            if lower in _NAMES and text.strip():
                self._open[-1][1].setdefault(_NAMES[lower], text.strip())
        elif lower == "title" and not self._title:
            self._title = text.strip()[:200]

    def between(self) -> Generator[None, None, None]:
        """Nothing is left to do of what was read."""
        yield from ()

    def finish(self) -> Reading:
        yield
        if not self._effects and not self._problems:
            why = "no effect found: this is neither MPEG-V's SEM (its namespaces are missing) nor Python_PlaySEM's XML"
            raise TimelineRefused(Problem(self._root.line, self._root.column, self._root.name[:64], why))
        length = min(int(self._length), LENGTH_MS) if re.fullmatch("[0-9]{1,12}", self._length) else None
        return (yield from made("Python_PlaySEM XML", self._effects, self._problems, title=self._title, length=length))

    def _close(self, element: Element, values: dict[str, str]) -> None:
        if "type" not in values:
            if element.name.lower() == _EFFECT:
                self._say(element, "no type", "left out")
            return
        parameters: dict[str, Any] = {key: values[key] for key in ("color", "scent", "direction") if key in values}
        if all(name in values for name in ("red", "green", "blue")):
            parameters["rgb"] = [round(self._number(element, values, name, 0)) for name in ("red", "green", "blue")]
        if "temperature" in values:
            parameters["temperature"] = self._number(element, values, "temperature", 0)
        if rgb_of(parameters) is None and ("color" in parameters or "rgb" in parameters):
            wrong = "color" if "rgb" not in parameters else "rgb"
            self._say(element, f"{wrong}: {str(parameters.pop(wrong))[:40]!r} is no colour", "none")
        place = values.get("location", "everywhere")
        try:
            location.parse(place)
        except ValueError as error:
            self._say(element, f"location: {error}", "everywhere")
            place = "everywhere"
        intensity = self._number(element, values, "intensity", 100)
        if not 0 <= intensity <= 100:
            self._say(element, f"intensity: {intensity:g}; 0 to 100 is possible", f"{min(max(intensity, 0), 100):g}")
        self._effects.append(
            Effect(
                id="",
                effect_type=playsem.effect_type(values["type"]),
                timestamp=self._ms(element, values, "timestamp", 0),
                duration=self._ms(element, values, "duration", playsem.DURATION_MS) or playsem.DURATION_MS,
                intensity=min(max(intensity, 0), 100),
                location=place,
                parameters=parameters,
            )
        )
        if len(self._effects) > EFFECTS:
            raise too_many()

    def _ms(self, element: Element, values: dict[str, str], name: str, default: int) -> int:
        given = round(self._number(element, values, name, default))
        if 0 <= given <= LENGTH_MS:
            return given
        self._say(element, f"{name}: {given} ms; 0 to {LENGTH_MS} is possible", str(default))
        return default

    def _number(self, element: Element, values: dict[str, str], name: str, default: float) -> float:
        if name not in values:
            return default
        try:
            number = float(values[name])
            if abs(number) < 1e12:  # neither infinite nor no number
                return number
        except ValueError:
            pass
        self._say(element, f"{name}: {values[name][:40]!r} is no number", f"{default:g}")
        return default

    def _say(self, element: Element, problem: str, assumed: str) -> None:
        self._problems.add(Problem(element.line, element.column, element.name[:64], problem, assumed))


def _lower(element: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in element.attributes.items():
        if name.lower() in _NAMES:
            found.setdefault(_NAMES[name.lower()], value.strip())
    return found
