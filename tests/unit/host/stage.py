"""The real Host with a driver that keeps what it was called with; what it says is kept by a FakeLink."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.host import Host
from effectd.config import reader
from effectd.driver import Driver, Options
from effectd.messages.effect import Deadline, Effect, boot_id, to_set
from effectd.program.process import Process
from effectd.testing import FakeLink
from tests.unit.real_loop import RealLoop

HOME = "devices: {{fan: {{kind: virtual, effects: [wind], limits: {{{limits}}}}}}}\neffects: {{wind: }}\n"


class Fan(Driver):
    """Remembers every call with its time. `held` blocks a call until it is set; `errors` are raised, one a call."""

    def __init__(self, config_: reader.Config) -> None:
        super().__init__("fan", Options(), config_.broker.address)
        self.calls: list[str] = []
        self.times: list[float] = []
        self.effects_: list[Effect] = []
        self.held: dict[str, threading.Event] = {}
        self.errors: dict[str, list[Exception]] = {}
        self.threads: set[int] = set()
        self.inside = 0
        self.most_inside = 0

    def open(self) -> None:
        self._call("open")

    def apply(self, effect: Effect) -> None:
        self.effects_.append(effect)
        self._call(f"apply {effect.id}")

    def off(self) -> None:
        self._call("off")

    def close(self) -> None:
        self._call("close")

    def hold(self, call: str) -> threading.Event:
        self.held[call] = threading.Event()
        return self.held[call]

    def _call(self, what: str) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.threads.add(threading.get_ident())
        self.times.append(time.monotonic())
        self.calls.append(what)
        try:
            if held := self.held.get(what):
                held.wait(20)
            if errors := self.errors.get(what):
                raise errors.pop(0)
        finally:
            self.inside -= 1


class Stage:
    """A home with one device, its host, and the test's hands on both ends."""

    def __init__(self, home: Path, loop: RealLoop, limits: str, prepare: Callable[[Fan], None]) -> None:
        (home / "config.yaml").write_text(HOME.format(limits=limits))
        self.loop, self.wire, self.seq = loop, FakeLink(), 0
        self.process = Process("fan", home)
        self.process.config = reader.load(home)
        self.process.gate.open(wait=False)
        self.process.gate.attach(loop)
        self.fan = Fan(self.process.config)
        prepare(self.fan)
        self.host = Host(self.process, loop, self.fan)
        self.member = self.host._members["fan"]
        self.member.reporter.link = self.wire
        self.host._broker._links = [self.wire]

    def start(self) -> "Stage":
        self.until_calls("open", "off")
        self.loop.until(lambda: self.state)
        self.fan.calls.clear()
        self.fan.times.clear()
        self.wire.published.clear()
        return self

    def close(self) -> None:
        for held in self.fan.held.values():
            held.set()
        self.fan.errors.clear()
        self.loop.until(lambda: not self.host._worker.busy)
        self.host._watcher.close()
        self.process.gate.close()
        self.process.gate._lock.release()

    def payload(self, effect_id: str, *, ttl_ms: int = 5000, seq: int | None = None, **fields: Any) -> bytes:
        if seq is None:
            self.seq += 1
        deadline = Deadline(boot_id(), int(self.loop.time() * 1000) + ttl_ms)
        fields = {"id": effect_id, "effect_type": "wind", "intensity": 60, "duration": 5000, **fields}
        return to_set(Effect(**{"deadline": deadline, "seq": self.seq if seq is None else seq, **fields}))

    def set(self, effect_id: str, **fields: Any) -> bytes:
        payload = self.payload(effect_id, **fields)
        self.send("devices/fan/set", payload)
        return payload

    def send(self, topic: str, payload: bytes = b"", *, retained: bool = False) -> None:
        self.member.message(topic, payload, retained)

    def resume(self) -> None:
        """The dispatcher has ended what it held, and answers the fence of the last stop."""
        *_, token = (
            payload for topic, payload, _, _ in self.wire.published if topic == "devices/fan/fence" and payload
        )
        self.send("devices/fan/resume", token)

    def on(self, word: str) -> list[Any]:
        found = [payload for topic, payload, _, _ in self.wire.published if topic == f"devices/fan/{word}"]
        return found if word == "availability" else [json.loads(payload) for payload in found]

    def ack(self, effect_id: str) -> str:
        """The word that the effect was acked with; "" while there is none. More than one is a failure."""
        words = [ack["status"] for ack in self.on("ack") if ack["id"] == effect_id]
        assert len(words) <= 1
        return words[0] if words else ""

    def reason(self, effect_id: str) -> str:
        return next(ack["reason"] for ack in self.on("ack") if ack["id"] == effect_id)

    @property
    def state(self) -> dict[str, Any]:
        return (self.on("state") or [{}])[-1]

    @property
    def gate(self) -> str:
        return self.process.gate.line.state

    @property
    def ended(self) -> bool:
        return self.loop._stopping

    def until_calls(self, *calls: str) -> None:
        self.loop.until(lambda: self.fan.calls[-len(calls) :] == list(calls))

    def until_acked(self, effect_id: str, word: str) -> None:
        self.loop.until(lambda: self.ack(effect_id))
        assert self.ack(effect_id) == word


@pytest.fixture
def new(home: Path, loop: RealLoop) -> Iterator[Callable[..., Stage]]:
    stages = list[Stage]()

    def new(limits: str = "max_rate_hz: 1000", prepare: Callable[[Fan], None] = lambda _fan: None) -> Stage:
        stages.append(Stage(home, loop, limits, prepare))
        return stages[-1]

    yield new
    for stage in stages:
        stage.close()


@pytest.fixture
def stage(new: Callable[..., Stage]) -> Stage:
    return new().start()
