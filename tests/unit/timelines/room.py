"""Timelines over the devices of a room, with a clock that the test moves."""

from typing import Any

import pytest

from dispatcher_proc import routing
from dispatcher_proc import score as scores
from dispatcher_proc.conductor import Conductor
from dispatcher_proc.score import Score
from dispatcher_proc.show import Show
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages.effect import Effect
from effectd.testing import FakeLoop
from effectd.timeline.document import Timeline, last_end

CONFIG = """
devices:
  left: {kind: virtual, effects: [light], location: left}
  right: {kind: virtual, effects: [light], location: right}
  fan: {kind: virtual, effects: [wind], limits: {max_on_ms: 90000}}
  smell: {kind: virtual, effects: [scent]}
  seat: {kind: virtual, effects: [vibration], delay_ms: 300}
  near: {kind: virtual, effects: [fog]}
  far: {kind: virtual, effects: [fog], delay_ms: {up: 2000, down: 800}}
effects:
  light: {labels: {low: 25, "off": 0}}
  wind: {labels: {low: 25, medium: 50, high: 100}}
  scent: {}
  vibration: {duration_ms: 700}
  fog: {}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: Any) -> Config:
    home = tmp_path_factory.mktemp("home")
    (home / "config.yaml").write_text(CONFIG)
    return reader.load(home)


def built(timeline: Timeline, config: Config) -> Score:
    steps = scores.build(timeline, config)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Score = end.value
            return found


def timeline(*effects: dict[str, Any], duration: int | None = None) -> Timeline:
    found = tuple(Effect(id="", **effect) for effect in effects)
    return Timeline("JSON", "", last_end(found) if duration is None else duration, found, (), duration is not None)


class Device:
    """What an actuator does: the newest of at least the priority, until its time is up; intensity 0 ends anything."""

    def __init__(self) -> None:
        self.on: Effect | None = None
        self.until = 0.0

    def take(self, effect: Effect, now: float) -> None:
        if self.on is not None and self.until <= now + 1e-6:
            self.on = None
        if effect.intensity and self.on is not None and self.on.priority > effect.priority:
            return
        self.on, self.until = (effect, now + (effect.duration or 90_000)) if effect.intensity else (None, 0.0)

    def level(self, now: float) -> float:
        return float(self.on.intensity) if self.on is not None and self.until > now + 1e-3 else 0.0


class Room:
    """The real conductor, and devices that obey."""

    def __init__(self, config: Config) -> None:
        self.config, self.loop = config, FakeLoop()
        self.devices = {name: Device() for name in config.devices}
        self.sent: list[tuple[int, str, Effect]] = []  # ms, device, effect as it gets it
        self.ids: list[str] = []
        self.began = self.now()
        self.conductor = Conductor(self.loop, self.submit, self.present, lambda _show: None)

    def now(self) -> float:
        return self.loop.time() * 1000

    def submit(self, effect: Effect, _show: Show | None = None) -> None:
        self.ids.append(effect.id)
        for name, resolved in routing.plan(effect, self.config).devices.items():
            self.sent.append((round(self.now() - self.began), name, resolved))
            self.devices[name].take(resolved, self.now())

    def present(self, device: str) -> list[str]:
        on = self.devices[device].on
        return [] if on is None else [on.id]

    def kill(self, ms: float) -> Show:
        """The dispatcher dies, and its successor comes after this time; the devices go on by themselves."""
        old, noted = self.conductor.shows["film"], self.now()
        position = old.position(noted)
        self.loop.clear()
        self.loop.advance(ms / 1000)
        for device in self.devices.values():
            device.on = device.on if device.until > self.now() else None
        latest = self.conductor.runs.latest
        self.conductor = Conductor(self.loop, self.submit, lambda _device: [], lambda _show: None)
        self.conductor.runs.used(latest)
        assert old.score is not None
        self.conductor.load("film", old.score)
        if old.status == "playing":
            self.conductor.go_on("film", old.run, position, self.now() - noted, old.index, loop=False)
        elif old.status == "paused":
            self.conductor.seek("film", position)
        self.after(0)
        return self.conductor.shows["film"]

    def levels(self) -> dict[str, float]:
        return {name: level for name, each in self.devices.items() if (level := each.level(self.now()))}

    def load(self, name: str, *effects: dict[str, Any], duration: int | None = None) -> Show:
        self.conductor.load(name, built(timeline(*effects, duration=duration), self.config))
        return self.conductor.shows[name]

    def after(self, ms: float) -> dict[str, float]:
        self.loop.advance(ms / 1000)
        return self.levels()


@pytest.fixture
def room(config: Config) -> Room:
    return Room(config)


def wind(at: int, duration: int, intensity: float = 100, priority: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "effect_type": "wind",
        "timestamp": at,
        "duration": duration,
        "intensity": intensity,
        "priority": priority,
        **more,
    }


def light(at: int, duration: int, intensity: float = 100, location: str = "everywhere", **more: Any) -> dict[str, Any]:
    return wind(at, duration, intensity, **more) | {"effect_type": "light", "location": location}
