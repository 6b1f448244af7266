"""The host of a bus: one connection for several devices, at most so many calls a second, and each device for itself."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.host import Host
from effectd.config import reader
from effectd.driver import Bus, Effect, Options
from effectd.messages.effect import Deadline, boot_id, to_set
from effectd.messages.effect import Effect as Sent
from effectd.program.process import Process
from effectd.testing import FakeLink
from tests.unit.real_loop import RealLoop

pytestmark = pytest.mark.usefixtures("no_inotify")

HOME = """
buses: {stage: {kind: virtual}}
devices:
  fan: {bus: stage, effects: [wind], range: [20, 100], limits: {max_apply_ms: 1000}}
  lamp: {bus: stage, effects: [light]}
  other: {kind: virtual, effects: [wind]}
effects: {wind: , light: }
"""


class Stage(Bus):
    """Remembers what it was to show, and when. `errors` are raised, one a call; `held` blocks each call."""

    def __init__(self, refresh_hz: float, repeat_s: float, config: reader.Config) -> None:
        super().__init__("stage", Options(), config.broker.address, {"fan": Options(), "lamp": Options()})
        self.refresh_hz, self.repeat_s = refresh_hz, repeat_s  # type: ignore[misc]
        self.shown: list[dict[str, float]] = []
        self.times: list[float] = []
        self.opened = 0
        self.errors: list[Exception] = []
        self.held: threading.Event | None = None

    def open(self) -> None:
        self.opened += 1

    def show(self, levels: dict[str, Effect | None]) -> None:
        self.times.append(time.monotonic())
        self.shown.append({name: float(level.intensity) if level else 0.0 for name, level in levels.items()})
        if self.held is not None:
            self.held.wait(20)
        if self.errors:
            raise self.errors.pop(0)


class Rig:
    def __init__(self, home: Path, loop: RealLoop, *, refresh_hz: float = 1000, repeat_s: float = 0) -> None:
        (home / "config.yaml").write_text(HOME)
        self.loop, self.seq = loop, 0
        self.process = Process("stage", home)
        self.process.config = reader.load(home)
        self.process.gate.open(wait=False)
        self.process.gate.attach(loop)
        self.bus = Stage(refresh_hz, repeat_s, self.process.config)
        self.host = Host(self.process, loop, self.bus)
        self.wires = {name: FakeLink() for name in self.host._members}
        for name, member in self.host._members.items():
            member.reporter.link = self.wires[name]
        self.host._broker._links = list(self.wires.values())
        self.loop.until(lambda: self.bus.shown)
        self.loop.until(lambda: not self.host._worker.busy)

    def set(self, device: str, effect_id: str, intensity: float = 60, duration: int = 60_000) -> None:
        self.seq += 1
        deadline = Deadline(boot_id(), int(self.loop.time() * 1000) + 5000)
        kind = "wind" if device == "fan" else "light"
        sent = Sent(
            id=effect_id, effect_type=kind, intensity=intensity, duration=duration, deadline=deadline, seq=self.seq
        )
        self.host._members[device].message(f"devices/{device}/set", to_set(sent), False)

    def on(self, device: str, what: str) -> list[Any]:
        found = [p for topic, p, _, _ in self.wires[device].published if topic == f"devices/{device}/{what}"]
        return [json.loads(p) if p[:1] in b'{"' else p for p in found]

    def until(self, condition: Callable[[], object]) -> None:
        self.loop.until(condition)

    def close(self) -> None:
        if self.bus.held is not None:
            self.bus.held.set()
        self.loop.until(lambda: not self.host._worker.busy)
        self.host._watcher.close()
        self.process.gate.close()
        self.process.gate._lock.release()


@pytest.fixture
def rig(home: Path) -> Iterator[Callable[..., Rig]]:
    loop, made = RealLoop(), list[Rig]()

    def make(**options: float) -> Rig:
        made.append(Rig(home, loop, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
    loop.close()


def test_both_go_off_first_and_then_each_call_has_what_all_are_to_do(rig):
    stage = rig()
    assert (stage.bus.opened, stage.bus.shown) == (1, [{"fan": 0.0, "lamp": 0.0}])
    stage.set("fan", "e1", 50)
    stage.until(lambda: stage.on("fan", "ack"))
    stage.set("lamp", "e2", 30)
    stage.until(lambda: stage.on("lamp", "ack"))
    assert stage.bus.shown[1:] == [{"fan": 60.0, "lamp": 0.0}, {"fan": 60.0, "lamp": 30.0}]  # the fan in its own range
    assert [(ack["id"], ack["status"]) for ack in stage.on("fan", "ack") + stage.on("lamp", "ack")] == [
        ("e1", "done"),
        ("e2", "done"),
    ]
    stage.until(lambda: stage.on("fan", "state")[-1].get("intensity") == 50)


def test_one_that_ends_leaves_the_other_on(rig):
    stage = rig()
    stage.set("fan", "e1", 50)
    stage.set("lamp", "e2", 30, duration=150)
    stage.until(lambda: stage.on("lamp", "state") and stage.on("lamp", "state")[-1]["on"])
    stage.until(lambda: not stage.on("lamp", "state")[-1]["on"])
    assert stage.bus.shown[-1] == {"fan": 60.0, "lamp": 0.0}
    assert stage.on("fan", "state")[-1]["on"]


def test_it_is_called_no_more_often_than_its_refresh_rate_and_the_last_level_of_each_is_shown(rig):
    stage = rig(refresh_hz=20)
    for n in range(1, 40):
        stage.set("fan", f"f{n}", n)
        stage.set("lamp", f"l{n}", n)
        stage.loop.turn(wait=False)
    stage.until(lambda: stage.bus.shown[-1] == {"fan": 20 + 80 * 0.39, "lamp": 39.0})
    pauses = [later - sooner for sooner, later in zip(stage.bus.times, stage.bus.times[1:], strict=False)]
    assert min(pauses) >= 0.04  # 0.05 s apart as they start, as the machine lets us see it
    acks = {ack["id"]: ack["status"] for name in ("fan", "lamp") for ack in stage.on(name, "ack")}
    assert len(acks) == 78
    assert set(acks.values()) == {"done", "superseded"}


def test_what_does_not_change_is_shown_again_where_the_bus_asks_for_it(rig):
    stage = rig(repeat_s=0.02)
    stage.set("lamp", "e1", 30)
    stage.until(lambda: stage.bus.shown[-3:] == [{"fan": 0.0, "lamp": 30.0}] * 3)
    assert len(stage.on("lamp", "ack")) == 1


def test_a_failure_is_everybodys_both_are_offline_and_come_back_off(rig):
    stage = rig()
    stage.set("lamp", "e1", 30)
    stage.until(lambda: stage.on("lamp", "ack"))
    stage.bus.errors.append(OSError("cable"))
    stage.set("fan", "e2", 50)
    stage.until(lambda: stage.on("fan", "ack"))
    assert (stage.on("fan", "ack")[-1]["status"], stage.on("fan", "ack")[-1]["reason"]) == ("failed", "cable")
    stage.until(lambda: stage.bus.shown[-1] == {"fan": 0.0, "lamp": 0.0})
    stage.until(lambda: all(stage.on(name, "availability")[-2:] == [b"offline", b"online"] for name in stage.wires))
    stage.until(lambda: not stage.on("lamp", "state")[-1]["on"])  # at most 20 states a second are published
    assert stage.bus.opened == 2


def test_a_call_that_is_late_fails_what_it_should_have_begun_and_both_go_off_when_it_returns(rig):
    stage = rig()
    stage.bus.held = threading.Event()
    stage.set("fan", "e1", 50)
    stage.until(lambda: stage.on("fan", "ack"))
    assert stage.on("fan", "ack")[-1]["reason"] == "the device did not answer within 1000 ms"
    assert stage.on("lamp", "availability")[-1] == b"offline"
    stage.bus.held.set()
    stage.until(lambda: stage.bus.shown[-1] == {"fan": 0.0, "lamp": 0.0})
    stage.until(lambda: stage.on("lamp", "availability")[-1] == b"online")


@pytest.mark.parametrize(
    ("request_", "off"), [({"device": "fan"}, {"fan"}), ({}, {"fan", "lamp"}), ({"device": "stage"}, {"fan", "lamp"})]
)
def test_a_stop_through_the_gate_is_answered_when_those_that_it_names_are_off(rig, request_, off):
    stage, answers = rig(), list[dict[str, Any]]()
    for name in stage.wires:
        stage.set(name, name, 50)
        stage.until(lambda name=name: stage.on(name, "ack"))
    stage.host._request({"do": "stop"} | request_, answers.append)
    stage.until(lambda: answers)
    assert answers == [{"done": "stop", "off": True}]
    assert {name for name, level in stage.bus.shown[-1].items() if not level} == off


def test_a_stop_of_a_device_that_is_not_on_the_bus_is_refused_with_those_that_are(rig):
    stage, answers = rig(), list[dict[str, Any]]()
    stage.host._request({"do": "stop", "device": "other"}, answers.append)
    assert answers == [{"error": "no device 'other' here; here are fan, lamp"}]


def test_at_sigterm_all_go_off_and_the_process_ends_with_0(rig):
    stage = rig()
    stage.set("fan", "e1", 50)
    stage.until(lambda: stage.on("fan", "ack"))
    stage.host.stop()
    stage.until(lambda: stage.host._broker._stopping)
    assert stage.host.exit_code == 0
    assert stage.bus.shown[-1] == {"fan": 0.0, "lamp": 0.0}
    assert all(stage.on(name, "availability")[-1] == b"offline" for name in stage.wires)
