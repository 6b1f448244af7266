"""What one Effect of MPEG-V says, in ms and percent; every assumption is reported.

`duration` and `fade` count ticks of si:timeScale (the schema gives no unit; PlaySEM SER reads seconds). An intensity is
the percent of its range. `activate` false, or absent where nothing else says that something begins, is an off.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from effectd.messages import location
from effectd.messages.effect import Effect
from effectd.timeline import media_time
from effectd.timeline.color_terms import color
from effectd.timeline.document import LENGTH_MS, Problem, Problems
from effectd.timeline.element import Element

TYPES = {  # ISO/IEC 23005-3, SEV
    "LightType": "light",
    "FlashType": "flash",
    "TemperatureType": "temperature",
    "WindType": "wind",
    "VibrationType": "vibration",
    "SprayingType": "spraying",
    "ScentType": "scent",
    "FogType": "fog",
    "ColorCorrectionType": "color-correction",
    "RigidBodyMotionType": "rigid-body-motion",
    "PassiveKinestheticMotionType": "passive-kinesthetic-motion",
    "PassiveKinestheticForceType": "passive-kinesthetic-force",
    "ActiveKinestheticType": "active-kinesthetic",
    "TactileType": "tactile",
}
TIMES = ("pts", "ptsDelta", "absTime")  # MPEG-21 DIA, XSI
MOTIONS = ("MoveToward", "TrajectorySamples", "Incline", "Shake", "Wave", "Spin", "Turn", "Collide")
_BASE = {  # what every effect may have, and what is only bookkeeping
    *("activate", "active", "duration", "fade", "priority", "intensity-value", "intensity-range", "location", "pts"),
    *("autoExtraction", "id", "type", "alt", "adaptType", "adaptRange", "anchorElement", "puMode", "ptsDelta"),
    *("absTime", "absTimeScheme", "encodeAsRAP", "timeScale", "uri", "color", "scent", "sprayingType", "frequency"),
}
_TERM = re.compile(r"urn:mpeg:mpeg-v:(?:2010:)?01-SI-[A-Za-z]+CS-NS:", re.IGNORECASE)
_LEAST_MS = 50  # a shorter duration was probably meant in seconds
FLASH_HZ = 3.0
_DETAILS = 200  # values kept of what stands below an effect


class Entry(Struct, gc=False):
    """An effect that begins, or an off (intensity 0), with where it stands; `open`: it names no end.

    Not the element itself: 40,000 of them, with their attributes, are 20 MB.
    """

    effect: Effect
    line: int
    column: int
    name: str
    off: bool = False
    open: bool = False


class SemEffect:
    """An Effect element with what its groups say of it, and what stands below it."""

    def __init__(self, element: Element, inherited: dict[str, str]) -> None:
        self.element = element
        if any(name in element.attributes for name in TIMES):  # its own time, of whatever kind, not its group's
            inherited = {name: value for name, value in inherited.items() if name not in TIMES}
        self._given = inherited | element.attributes
        self._own = element.attributes
        self._details: dict[str, Any] = {}

    def detail(self, below: Element) -> None:
        """An element within it: the kind of a motion, or values of tactile and kinesthetic effects."""
        if below.name in MOTIONS:
            self._details.setdefault("motion", re.sub(r"(?<!^)([A-Z])", r"-\1", below.name).lower())
        for name, value in below.attributes.items():
            if len(self._details) < _DETAILS:
                self._details.setdefault(name, _value(value))

    def referred_to(self, reference: Element, inherited: dict[str, str]) -> "SemEffect":
        """The same effect at a ReferenceEffect, whose attributes overrule."""
        given = {key: value for key, value in reference.attributes.items() if key not in ("uri", "id")}
        again = SemEffect(reference, inherited | self._given | given)
        again._own, again._details = self._own | given, self._details
        return again

    def entries(self, scale: float, problems: Problems) -> list[Entry]:
        """One entry, or none where the type is not MPEG-V's."""
        reader = _Reader(self.element, self._given, scale, problems)
        effect_type = reader.type(self._own.get("type", ""))
        if not effect_type:
            return []
        at, on = reader.start(), reader.is_on()
        place, priority = reader.place(), reader.priority()
        fade = reader.ticks("fade") or 0
        if not on:
            off = Effect(id="", effect_type=effect_type, intensity=0, duration=0, location=place, timestamp=at)
            off = msgspec.structs.replace(off, fade=fade, priority=priority)
            return [self._entry(off, off=True)]
        duration = reader.ticks("duration")
        if duration is not None and 0 < duration < _LEAST_MS:
            reader.say(f"duration: {duration} ms at this si:timeScale (SER reads seconds)", f"{duration} ms")
        if duration and fade > duration:
            reader.say(f"fade: {fade} ms is longer than the duration of {duration} ms", f"{duration} ms")
            fade = duration
        if "autoExtraction" in self._given:
            reader.say("autoExtraction: effects are not taken from the film itself", "its other values")
        effect = Effect(
            id="",
            effect_type=effect_type,
            intensity=reader.intensity(),
            duration=duration or 0,
            fade=fade,
            location=place,
            priority=priority,
            timestamp=at,
            parameters=reader.parameters(effect_type) | self._details | _further(self._own),
        )
        return [self._entry(effect, open_=not duration)]

    def _entry(self, effect: Effect, *, off: bool = False, open_: bool = False) -> Entry:
        return Entry(effect, self.element.line, self.element.column, self.element.name, off, open_)


class _Reader:
    """The values of one effect; what is wrong with them goes to `problems`."""

    def __init__(self, element: Element, given: dict[str, str], scale: float, problems: Problems) -> None:
        self._element, self._given, self._scale, self._problems = element, given, scale, problems

    def say(self, problem: str, assumed: str) -> None:
        element = self._element
        self._problems.add(Problem(element.line, element.column, element.name, problem, assumed))

    def type(self, given: str) -> str:
        prefix, _, name = given.rpartition(":")
        if name not in TYPES:
            why = f"xsi:type: {given[:64]!r} is none of MPEG-V's types ({', '.join(TYPES)})"
            self.say(why if given else "xsi:type is missing; it says which effect this is", "left out")
            return ""
        if prefix and prefix not in self._element.prefixes:
            need = f'xsi:type: the prefix {prefix!r} is not declared: xmlns:{prefix}="urn:mpeg:mpeg-v:2010:01-SEV-NS"'
            self.say(need, TYPES[name])
        return TYPES[name]

    def start(self) -> int:
        if "pts" in self._given:
            at = self.ticks("pts")
            return 0 if at is None else at
        if "absTime" in self._given:
            return self._absolute(self._given["absTime"])
        problem = "si:ptsDelta is not read; only si:pts and si:absTime are" if "ptsDelta" in self._given else ""
        self.say(problem or "no si:pts, so no time", "0")
        return 0

    def _absolute(self, given: str) -> int:
        """ms of a media time of MPEG-7, counted from zero of the film."""
        scheme = self._given.get("absTimeScheme", media_time.SCHEME)
        ms = media_time.milliseconds(given) if scheme == media_time.SCHEME else None
        if ms is None:
            not_read = f"{given[:40]!r} of the scheme {scheme[:40]!r} is not read"
            self.say(f"si:absTime: {not_read}; Thh:mm:ss:nFm of mp7t is", "0")
        return ms or 0

    def ticks(self, name: str) -> int | None:
        """ms; None where it is absent or no time."""
        if name not in self._given:
            return None
        number = _number(self._given[name])
        ms = None if number is None else number * 1000 / self._scale
        if ms is None or not 0 <= ms <= LENGTH_MS:
            self.say(f"{name}: {self._given[name][:40]!r} is no time of at most {LENGTH_MS} ms", "none")
            return None
        return round(ms)

    def is_on(self) -> bool:
        given = self._given.get("activate")
        if given is None and "active" in self._given:
            given = self._given["active"]
            self.say("active: the attribute is called activate", f"activate={given[:8]}")
        if given is None:
            begins = "intensity-value" in self._given or "duration" in self._given
            if begins:
                self.say("no activate", "true, as it has an intensity or a duration")
            return begins
        if given.strip().lower() not in ("true", "1", "false", "0"):
            self.say(f"activate: {given[:40]!r} is neither true nor false", "false")
        return given.strip().lower() in ("true", "1")

    def place(self) -> str:
        given = self._given.get("location", "everywhere")
        text = _TERM.sub("", _unprefixed(given, self._element.prefixes))
        try:
            location.parse(text)
        except ValueError as error:
            self.say(f"location: {error}", "everywhere")
            return "everywhere"
        return text.lower() if text.strip("*: ") else "everywhere"

    def priority(self) -> int:
        given = self._given.get("priority")
        if given is None:
            return 5
        number = _number(given)
        if number is None or not 0 <= number <= 9:
            assumed = 5 if number is None else round(min(max(number, 0), 9))
            self.say(f"priority: {given[:40]!r}; 0 to 9 is possible", str(assumed))
            return assumed
        return round(number)

    def intensity(self) -> float:
        """Percent of the range."""
        given, limits = self._given.get("intensity-value"), self._given.get("intensity-range", "").split()
        low, high = 0.0, 100.0
        ends = [_number(each) for each in limits]
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] < ends[1]:
            low, high = ends[0], ends[1]
        elif limits:
            wrong = " ".join(limits)[:40]
            self.say(f"intensity-range: {wrong!r} is not two rising numbers", "0 100")
        elif given is not None:
            self.say("no intensity-range (SER drops such an effect)", "0 100")
        if given is None:
            return 100.0
        value = _number(given)
        if value is None:
            self.say(f"intensity-value: {given[:40]!r} is no number", "100 %")
            return 100.0
        percent = round((value - low) / (high - low) * 100, 4)
        if not 0 <= percent <= 100:
            percent = min(max(percent, 0.0), 100.0)
            self.say(f"intensity-value: {given[:40]} is outside {low:g} to {high:g}", f"{percent:g} %")
        return percent

    def parameters(self, effect_type: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        prefixes = self._element.prefixes
        if "color" in self._given:
            term = _TERM.sub("", _unprefixed(self._given["color"].strip(), prefixes))
            if re.fullmatch("#[0-9A-Fa-f]{6}", term):
                found["color"] = term
            elif named := color(term):
                found["color"] = named
            else:
                self.say(f"color: {term[:40]!r} is neither #RRGGBB nor a colour known here", "white")
        for name, key in (("scent", "scent"), ("sprayingType", "spraying")):
            if name in self._given:
                found[key] = _TERM.sub("", _unprefixed(self._given[name].strip(), prefixes))[:200]
        if effect_type == "temperature" and (degrees := _number(self._given.get("intensity-value", ""))) is not None:
            found["temperature"] = degrees
        if "frequency" in self._given:
            hertz = _number(self._given["frequency"])
            if hertz is None:
                self.say(f"frequency: {self._given['frequency'][:40]!r} is no number", "none")
            else:
                found["frequency"] = hertz
                if effect_type == "flash" and hertz > FLASH_HZ:
                    why = f"frequency: {hertz:g} Hz; a device's flash limit is {FLASH_HZ:g} Hz unless set otherwise"
                    self.say(why, f"{hertz:g} Hz asked for")
        return found


def _further(own: dict[str, str]) -> dict[str, Any]:
    """Attributes that only one type has, as numbers where they are."""
    return {name: _value(value) for name, value in own.items() if name not in _BASE}


def _unprefixed(value: str, prefixes: dict[str, str]) -> str:
    """A term that is written with a declared prefix in place of the URN."""
    head, colon, rest = value.partition(":")
    return rest if colon and head and prefixes.get(head, "").startswith("urn:mpeg:mpeg-v:") else value


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # neither infinite nor no number


def _value(text: str) -> Any:
    number = _number(text)
    return text[:1000] if number is None else number
