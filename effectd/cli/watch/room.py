"""A model of the room built from its messages: the state of each device and program, and recent failures.

No input or output: messages and a clock come in, `draw` reads the result. Clients may publish anything, so a field is
used only if it is as the contract says, and everything here is bounded.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from effectd.cli import page_url, style
from effectd.cli.watch.playing import Playing
from effectd.config import programs
from effectd.config.reader import Config
from effectd.messages import answers, location
from effectd.messages.holds import Hold
from effectd.messages.payload import fields_of
from effectd.messages.topics import DEVICE_ID

_MOST = 256  # devices, and programs, beyond those of the configuration
_ASKED = 64  # effects a device that are remembered for their duration: a state may come 50 ms after its `set`
_TROUBLES = 100
_RATE_S = 2.0  # over which effects per second are averaged
_PRESENT = {b"online": True, b"offline": False}
_NAME = 64  # characters of a published word that are kept


@dataclass(slots=True)
class Device:
    """One actuator. Moments are seconds of the room's clock."""

    name: str
    kind: str = ""
    program: str = ""  # which program drives it: its own, or its bus's
    effects: tuple[str, ...] = ()
    where: str = ""
    place: location.Place = location.EVERYWHERE
    silent: bool = False  # a microcontroller that only knows `set`: what was asked is all that can be known
    online: bool | None = None  # None: not known
    on: bool = False
    effect_type: str = ""
    intensity: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)
    look: str = ""  # the parameters in words
    effect_id: str = ""
    ends: float | None = None  # None: not known, or held
    held: bool = False
    why: str = ""  # why it is kept off, by its own state: held, or out of its budget
    latency_ms: float | None = None  # of the last effect that reached it
    changed: float = 0.0
    ran: float = 0.0  # seconds at full intensity until `changed`
    began: tuple[str, float] = ("", 0.0)  # the effect and its start: a state said again does not start it again
    asked: OrderedDict[str, int] = field(default_factory=OrderedDict)  # effect id -> duration, ms

    def running(self, now: float) -> bool:
        """Whether the actuator is felt now, as far as can be known."""
        over = self.silent and self.ends is not None and now >= self.ends
        return self.on and self.intensity > 0 and self.online is not False and not over

    def run(self, now: float) -> float:
        """Seconds at full intensity so far: how far a fan has turned, without a jump where its speed changes."""
        return self.ran + (now - self.changed) * self.intensity / 100 if self.running(now) else self.ran

    def left(self, now: float) -> float | None:
        """Seconds until it goes off without help, if that is known."""
        return max(0.0, self.ends - now) if self.on and self.ends is not None else None

    def ask(self, effect_id: str, duration: int) -> None:
        """Remember how long an effect is to last: its state will not say."""
        self.asked[effect_id] = duration
        self.asked.move_to_end(effect_id)
        if len(self.asked) > _ASKED:
            self.asked.popitem(last=False)
        if effect_id == self.began[0] and effect_id != self.effect_id:
            self.began = "", 0.0

    def do(self, now: float, fields: dict[str, Any]) -> None:
        """From now on it does what `fields` say; {} = nothing."""
        self.ran, self.changed = self.run(now), now
        self.on = fields.get("on") is True
        self.intensity = min(max(style.number(fields.get("intensity")) or 0.0, 0.0), 100.0) if self.on else 0.0
        self.why = "" if self.on else text(fields.get("reason"), 400)
        self.effect_type = text(fields.get("effect_type")) if self.on else ""
        self.effect_id = text(fields.get("effect_id")) if self.on else ""
        parameters = fields.get("parameters")
        self.parameters = parameters if self.on and isinstance(parameters, dict) else {}
        self.look = style.clean(style.details(self.parameters).strip())
        if self.on and (not self.effect_id or self.effect_id != self.began[0]):
            self.began = self.effect_id, now
        duration = self.asked.get(self.effect_id)
        self.held = duration == 0
        self.ends = self.began[1] + duration / 1000 if duration else None


@dataclass(slots=True)
class Program:
    """One program by the last line of its gate. `since`: seconds of the room's clock; "" = no word yet."""

    name: str
    state: str = ""
    since: float | None = None
    reason: str = ""
    generation: str = ""
    config: str = ""  # the hash of what it works by
    stale: tuple[str, ...] = ()  # keys of config.yaml that are not in force


@dataclass(slots=True, frozen=True)
class Trouble:
    """An effect that was not done, or a message that was none. `at`: Unix ms."""

    at: int
    word: str
    what: str
    reason: str
    effect_id: str


class Room:
    """`take` each message; `lost` and `connected` as the connection goes. `away`: why there is none, "" while it is."""

    def __init__(
        self, config: Config, clock: Callable[[], float] = time.monotonic, wall: Callable[[], int] = answers.unix_ms
    ) -> None:
        self.now, self.wall = clock, wall
        self.home, self.address, self.page = str(config.home), str(config.broker.address), page_url.of(config)
        self.away = "connecting"
        self.devices: dict[str, Device] = {}
        for name, known in config.devices.items():
            device = self.devices[name] = Device(
                name, known.kind, known.bus or name, known.effects, silent=not known.acks
            )
            _settle(device, known.location)
        self.programs = {name: Program(name) for name in config.programs}
        self.playing = Playing()
        self.holds: tuple[Hold, ...] = ()  # that stand
        self.trouble_count = 0
        self._troubles: OrderedDict[str, Trouble] = OrderedDict()  # by effect id, else by a number
        self._topics = config.topics
        self._effects: deque[float] = deque(maxlen=100_000)
        self._most_devices, self._most_programs = len(self.devices) + _MOST, len(self.programs) + _MOST
        topics = config.topics
        # what `take` understands; never `#`: on a shared broker that may be a lot
        self.subscriptions = (
            *(topics.effects, topics.stop_all, topics.every_stop, topics.receipt("+"), topics.dead_letter("+")),
            *(topics.set("+"), topics.state("+"), topics.availability("+"), topics.config("+"), topics.system("+")),
            *(topics.timeline("+", "state"), topics.holds),
        )

    @property
    def troubles(self) -> list[Trouble]:
        """The newest first."""
        return list(reversed(self._troubles.values()))

    @property
    def announced(self) -> bool:
        """Whether the states of the programs are published now: the dispatcher does it."""
        dispatcher = self.programs.get(programs.DISPATCHER)
        return not self.away and (dispatcher is None or dispatcher.state != "gone")

    def rate(self) -> float:
        """Effects per second, lately."""
        while self._effects and self._effects[0] <= self.now() - _RATE_S:
            self._effects.popleft()
        return len(self._effects) / _RATE_S

    def connected(self) -> None:
        self.away = ""

    def lost(self, why: str) -> None:
        """What was known is not known any more: the broker may come back empty."""
        self.away = style.clean(why)
        for device in self.devices.values():
            device.do(self.now(), {})
            device.online = None
        self.playing.clear()
        self.holds = ()
        for program in self.programs.values():
            program.state, program.since, program.reason, program.stale = "", None, "", ()

    def take(self, topic: str, payload: bytes, retained: bool) -> None:
        """One message as it arrived."""
        fields = fields_of(payload)
        match self._topics.split(topic):
            case ["effects", _, *_] if not retained:
                self._effects.append(self.now())
            case ["devices", name, "set"] if not retained and (device := self._device(name)):
                self._set(device, fields)
            case ["devices", name, "state"] if fields and (device := self._device(name)):
                device.do(self.now(), fields)
            case ["devices", name, "availability"] if payload in _PRESENT and (device := self._device(name)):
                device.ran, device.changed = device.run(self.now()), self.now()
                device.online = _PRESENT[payload]
            case ["devices", name, "config"] if payload and (device := self._device(name)):
                self._config(device, fields)
            case ["devices", name, "stop"] if not retained and name in self.devices:
                self._trouble(None, "stop", name, "asked for", "")
            case ["stop-all"] if not retained:
                self._trouble(None, "stop", "everything", "asked for", "")
            case ["receipts", effect_id] if not retained:
                self._receipt(text(effect_id), fields)
            case ["dead-letters", word] if not retained:
                self._dead_letter(text(word), fields, text(fields.get("id")))
            case ["timelines", name, "state"] if DEVICE_ID.fullmatch(name):
                self.playing.hear(name, fields, self.now())
            case ["system", "holds"]:
                self.holds = _holds(payload)
            case ["system", name, "state"] if DEVICE_ID.fullmatch(name):
                self._system(name, fields)

    def _device(self, name: str) -> Device | None:
        if name not in self.devices and DEVICE_ID.fullmatch(name) and len(self.devices) < self._most_devices:
            self.devices[name] = Device(name, program=name)
        return self.devices.get(name)

    def _set(self, device: Device, fields: dict[str, Any]) -> None:
        duration, effect_id = style.number(fields.get("duration")), text(fields.get("id"))
        if duration is None or duration < 0:
            return
        device.ask(effect_id, int(duration))
        if device.silent:
            device.do(self.now(), fields | {"on": bool(style.number(fields.get("intensity"))), "effect_id": effect_id})

    def _config(self, device: Device, fields: dict[str, Any]) -> None:
        device.kind = text(fields.get("kind")) or device.kind
        device.program = text(fields.get("bus")) or device.program
        effects = fields.get("effects")
        if isinstance(effects, list):
            device.effects = tuple(text(effect) for effect in effects[:16] if text(effect)) or device.effects
        _settle(device, text(fields.get("location"), 200))

    def _receipt(self, effect_id: str, fields: dict[str, Any]) -> None:
        status, devices = text(fields.get("status")), fields.get("devices")
        latency = style.number(fields.get("latency_ms"))
        if isinstance(devices, dict) and latency is not None and latency >= 0:
            for name, word in devices.items():
                if word == "done" and name in self.devices:
                    self.devices[name].latency_ms = latency
        if status in answers.FINAL and status != "done":
            self._trouble(
                effect_id, status, text(fields.get("effect_type")), text(fields.get("reason"), 400), effect_id
            )

    def _dead_letter(self, word: str, fields: dict[str, Any], effect_id: str) -> None:
        if effect_id not in self._troubles:  # else its receipt has said so already
            topic = text(fields.get("topic"))
            self._trouble(effect_id or None, word, topic, text(fields.get("detail"), 400), effect_id)

    def _trouble(self, key: str | None, word: str, what: str, reason: str, effect_id: str) -> None:
        if key is None or key not in self._troubles:  # a receipt may be repeated
            self.trouble_count += 1
        self._troubles[key or f"#{self.trouble_count}"] = Trouble(self.wall(), word, what, reason, effect_id)
        if len(self._troubles) > _TROUBLES:
            self._troubles.popitem(last=False)

    def _system(self, name: str, fields: dict[str, Any]) -> None:
        state = text(fields.get("state"), 16)
        if not state or (name not in self.programs and len(self.programs) >= self._most_programs):
            return
        program = self.programs.setdefault(name, Program(name))
        at, now = style.number(fields.get("at")), self.now()
        if at is not None:
            since = now - max(0.0, (self.wall() - at) / 1000)
        else:  # a last will has no time of its own
            since = program.since if program.state == state and program.since is not None else now
        program.state, program.reason, program.since = state, text(fields.get("reason"), 400), since
        program.generation, program.config = text(fields.get("generation")), text(fields.get("config"))


def text(value: Any, limit: int = _NAME) -> str:
    """A published text, safe for a terminal; "" if it is not text."""
    return style.clean(value, limit) if isinstance(value, str) else ""


def _holds(payload: bytes) -> tuple[Hold, ...]:
    try:
        return msgspec.json.decode(payload, type=tuple[Hold, ...])
    except (ValueError, RecursionError):
        return ()


def _settle(device: Device, where: str) -> None:
    try:
        device.place, device.where = location.parse(where), style.clean(where)
    except ValueError:
        pass  # not a location of ours: it stays where it was
