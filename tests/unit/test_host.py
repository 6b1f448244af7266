"""The life of one device: the real Host drives a real driver on its own thread; what it says is kept by a FakeLink."""

import errno
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import host as host_module
from drivers.host import Host
from drivers.reporter import JOURNAL_BYTES, Reporter
from effectd.base.journal import Journal
from effectd.config import reader
from effectd.driver import Driver, Options
from effectd.messages import answers
from effectd.messages.effect import Deadline, Effect, boot_id, to_set
from effectd.messages.topics import Topics
from effectd.program.process import Process
from effectd.testing import FakeLink
from tests.unit.real_loop import RealLoop

pytestmark = pytest.mark.usefixtures("no_inotify")

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


# --- start, duration, limits ------------------------------------------------------------------------------------


def test_off_comes_first_of_all_and_only_then_is_it_ready_and_an_effect_driven(new):
    stage = new()
    assert stage.gate == "starting"
    stage.set("e1")
    stage.loop.until(lambda: stage.ack("e1"))
    assert stage.fan.calls == ["open", "off", "apply e1"]
    assert [state["on"] for state in stage.on("state")][:1] == [False]
    assert stage.on("availability") == [b"online"]
    assert stage.gate == "ready"


def test_an_effect_is_on_for_its_duration_and_then_off(stage):
    stage.set("e1", duration=80, parameters={"deep": [1]})
    stage.until_acked("e1", "done")
    stage.loop.until(lambda: stage.state)
    told = {"on": True, "effect_type": "wind", "intensity": 60, "parameters": {"deep": [1]}, "effect_id": "e1"}
    assert {key: stage.state[key] for key in told} == told
    stage.until_calls("apply e1", "off")
    assert 0.08 <= stage.fan.times[1] - stage.fan.times[0] < 2
    stage.loop.until(lambda: not stage.state["on"])
    assert stage.state["effect_id"] is None


@pytest.mark.parametrize("duration", [0, 60_000, 2**53])
def test_nothing_is_on_for_longer_than_max_on_ms_whatever_was_asked_for(new, duration):
    stage = new("max_on_ms: 70").start()
    stage.set("e1", duration=duration)
    stage.until_calls("apply e1", "off")
    assert 0.07 <= stage.fan.times[1] - stage.fan.times[0] < 2
    assert stage.fan.effects_[0].duration == min(duration, 70)


def test_over_max_intensity_is_clamped_and_the_state_shows_it(new):
    stage = new("max_intensity: 40.5").start()
    stage.set("e1", intensity=90)
    stage.until_acked("e1", "done")
    assert stage.fan.effects_[0].intensity == 40.5
    stage.loop.until(lambda: stage.state)
    assert stage.state["intensity"] == 40.5


def test_intensity_0_switches_off_and_holds_nothing(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2", intensity=0, priority=9)
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off"]
    stage.loop.until(lambda: stage.state.get("effect_id") == "e2")
    assert (stage.state["on"], stage.state["intensity"]) == (False, 0)
    stage.set("e3", priority=0)
    stage.until_acked("e3", "done")


# --- one effect after another -----------------------------------------------------------------------------------


def test_a_newer_effect_takes_the_place_of_the_one_that_is_on_and_is_not_ended_with_it(stage):
    stage.set("e1", duration=120)
    stage.until_acked("e1", "done")
    stage.set("e2", duration=180)
    stage.until_calls("apply e1", "apply e2", "off")
    assert 0.18 <= stage.fan.times[2] - stage.fan.times[1] < 2


def test_an_effect_whose_predecessors_time_is_up_while_it_is_being_applied_stays_on_for_its_own(stage):
    stage.set("e1", duration=120)
    stage.until_acked("e1", "done")
    slow = stage.fan.hold("apply e2")
    stage.set("e2", duration=150)
    stage.loop.spend(0.15)
    applied = time.monotonic()
    slow.set()
    stage.until_calls("apply e1", "apply e2", "off")
    assert 0.15 <= stage.fan.times[2] - applied < 2


def test_when_the_device_is_slow_the_newest_wins_and_those_between_are_superseded(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    for name in ("e2", "e3", "e4"):
        stage.set(name)
    assert (stage.ack("e1"), stage.ack("e2"), stage.ack("e3")) == ("", "superseded", "superseded")
    assert "e4" in stage.reason("e3")
    slow.set()
    stage.until_acked("e4", "done")
    assert stage.ack("e1") == "done"
    assert stage.fan.calls == ["apply e1", "apply e4"]


def test_an_older_effect_that_arrives_later_is_superseded(stage):
    stage.set("e2", seq=20)
    stage.set("e1", seq=10, newest=20)
    stage.until_acked("e2", "done")
    assert stage.ack("e1") == "superseded"
    assert stage.fan.calls == ["apply e2"]


def test_beyond_max_rate_hz_the_newest_waits_and_those_between_are_superseded(new):
    stage = new("max_rate_hz: 8").start()
    for name in ("e1", "e2", "e3"):
        stage.set(name)
    stage.until_acked("e3", "done")
    assert (stage.ack("e1"), stage.ack("e2")) == ("done", "superseded")
    assert 0.12 <= stage.fan.times[1] - stage.fan.times[0] < 2


def test_a_stop_is_never_delayed_by_max_rate_hz(new):
    stage = new("max_rate_hz: 0.1").start()
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2")
    stage.send("devices/fan/stop")
    assert stage.ack("e2") == "stopped"
    stage.until_calls("apply e1", "off")
    assert stage.fan.times[1] - stage.fan.times[0] < 5


@pytest.mark.parametrize(("priority", "word"), [(4, "superseded"), (5, "done"), (6, "done")])
def test_only_a_lower_priority_gives_way_to_what_is_on(stage, priority, word):
    stage.set("e1", priority=5)
    stage.until_acked("e1", "done")
    stage.set("e2", priority=priority)
    stage.until_acked("e2", word)
    if word == "superseded":
        assert "e1 has priority 5" in stage.reason("e2")


def test_a_lower_priority_gives_way_to_what_is_being_applied(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9)
    stage.until_calls("apply e1")
    stage.set("e2", priority=8)
    assert stage.ack("e2") == "superseded"
    slow.set()
    stage.until_acked("e1", "done")


def test_a_lower_priority_gives_way_to_what_waits(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=1)
    stage.until_calls("apply e1")
    stage.set("e2", priority=9)
    stage.set("e3", priority=8)
    assert (stage.ack("e2"), stage.ack("e3")) == ("", "superseded")
    slow.set()
    stage.until_acked("e2", "done")


def test_after_a_priority_effect_has_ended_or_was_stopped_a_lower_one_is_driven(stage):
    stage.set("e1", priority=9, duration=30)
    stage.until_calls("apply e1", "off")
    stage.set("e2", priority=1)
    stage.until_acked("e2", "done")
    stage.set("e3", priority=9)
    stage.until_acked("e3", "done")
    slow = stage.fan.hold("off")
    stage.send("stop-all")
    stage.resume()
    stage.set("e4", priority=1)  # the device is still on its way to off
    stage.until_calls("apply e3", "off")
    stage.set("e5", priority=2)
    slow.set()
    stage.until_acked("e5", "done")
    assert stage.ack("e4") == "superseded"


def test_what_is_being_applied_when_a_stop_comes_holds_its_priority_no_longer(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9)
    stage.until_calls("apply e1")
    stage.send("stop-all")
    stage.resume()
    stage.set("e2", priority=1)
    slow.set()
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off", "apply e2"]


def test_switching_off_by_intensity_0_holds_no_priority_either(stage):
    slow = stage.fan.hold("off")
    stage.set("e1", intensity=0, priority=9)
    stage.until_calls("off")
    stage.set("e2", priority=1)
    slow.set()
    stage.until_acked("e2", "done")


# --- stop -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["devices/fan/stop", "stop-all"])
def test_a_stop_switches_off_what_is_on_and_ends_what_waits(stage, topic):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2")
    stage.send(topic, b"whatever")
    assert stage.ack("e2") == "stopped"
    slow.set()
    stage.until_calls("apply e1", "off")
    stage.loop.until(lambda: stage.state and not stage.state["on"])
    assert stage.ack("e1") == "done"
    stage.loop.spend(0.05)
    assert stage.fan.calls == ["apply e1", "off"]
    stage.set("e3")
    assert stage.ack("e3") == "stopped"  # it may have been sent before the stop
    stage.resume()
    stage.set("e4")
    stage.until_acked("e4", "done")


def test_a_retained_set_or_stop_is_an_old_one_and_changes_nothing(stage):
    stage.send("devices/fan/set", stage.payload("e1"), retained=True)
    stage.set("e2")
    stage.until_acked("e2", "done")
    stage.send("devices/fan/stop", b"1", retained=True)
    stage.send("stop-all", b"1", retained=True)
    stage.loop.spend(0.03)
    assert stage.fan.calls == ["apply e2"]
    assert stage.ack("e1") == ""


def test_a_stop_through_the_gate_is_answered_only_when_the_device_is_off(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    slow, answers = stage.fan.hold("off"), list[dict[str, Any]]()
    stage.host._request({"do": "stop"}, answers.append)
    stage.until_calls("off")
    stage.loop.spend(0.02)
    assert answers == []
    slow.set()
    stage.loop.until(lambda: answers)
    assert answers == [{"done": "stop", "off": True}]
    stage.send("stop-all")
    stage.until_calls("off", "off")
    stage.host._request({"do": "dance"}, answers.append)
    stage.resume()
    stage.set("e2")
    stage.until_acked("e2", "done")
    assert ["error" in answer for answer in answers] == [False, True]


def test_a_stop_through_the_gate_is_not_answered_while_the_device_refuses_to_go_off(stage, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.03,))
    stage.fan.errors["off"] = [OSError("stuck")]
    answers = list[dict[str, Any]]()
    stage.host._request({"do": "stop"}, answers.append)
    stage.loop.until(lambda: stage.gate == "degraded")
    assert answers == []
    stage.loop.until(lambda: answers)
    assert stage.fan.calls == ["off", "close", "open", "off"]


# --- in time or not at all --------------------------------------------------------------------------------------


def test_what_arrives_late_is_expired_and_never_driven(stage):
    stage.set("e1", ttl_ms=-1)
    stage.set("e2", deadline=Deadline("another boot", 1), expires_at=answers.unix_ms() - 1)
    stage.set("e3", deadline=None, expires_at=answers.unix_ms() - 1)
    assert [stage.ack(name) for name in ("e1", "e2", "e3")] == ["expired"] * 3
    stage.loop.spend(0.03)
    assert stage.fan.calls == []


def test_on_the_same_boot_only_the_monotonic_deadline_counts_and_elsewhere_the_wall_clock(stage):
    stage.set("e1", expires_at=1)
    stage.until_acked("e1", "done")
    stage.set("e2", deadline=Deadline("another boot", 1), expires_at=answers.unix_ms() + 60_000)
    stage.until_acked("e2", "done")
    stage.set("e3", deadline=None)
    stage.until_acked("e3", "done")


def test_what_waits_for_a_slow_device_is_expired_at_its_deadline_and_not_later(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2", ttl_ms=40)
    stage.until_acked("e2", "expired")  # the device is still busy
    slow.set()
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1"]


def test_what_waits_is_not_driven_late_when_the_wall_clock_jumps_meanwhile(stage, monkeypatch):
    slow, now = stage.fan.hold("apply e1"), answers.unix_ms()
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2", deadline=None, expires_at=now + 60_000)
    monkeypatch.setattr(answers, "unix_ms", lambda: now + 60_001)
    slow.set()
    stage.until_acked("e2", "expired")
    assert stage.fan.calls == ["apply e1"]


def test_what_waits_for_max_rate_hz_is_expired_at_its_deadline_and_not_later(new):
    stage = new("max_rate_hz: 0.01").start()
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2", ttl_ms=40)
    stage.until_acked("e2", "expired")
    stage.set("e3", deadline=None)  # without a deadline it may wait for ever
    stage.loop.spend(0.02)
    assert stage.ack("e3") == ""


# --- once -------------------------------------------------------------------------------------------------------


def test_an_effect_that_is_sent_again_is_driven_once_and_its_ack_is_repeated_byte_for_byte(stage):
    slow = stage.fan.hold("apply e1")
    payload = stage.set("e1")
    stage.until_calls("apply e1")
    stage.send("devices/fan/set", payload)
    assert stage.on("ack") == []
    slow.set()
    stage.until_acked("e1", "done")
    for _ in range(3):
        stage.send("devices/fan/set", payload)
    stage.loop.spend(0.02)
    acks = [sent for topic, sent, _, _ in stage.wire.published if topic == "devices/fan/ack"]
    assert len(acks) == 4
    assert len(set(acks)) == 1
    assert stage.fan.calls == ["apply e1"]


def test_an_id_that_is_used_again_after_its_time_is_another_effect(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.wire.published.clear()
    stage.set("e1")
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1", "apply e1"]


def test_an_ack_says_when_the_effect_came_and_when_it_was_done(stage):
    before = answers.unix_ms()
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.loop.spend(0.03)
    slow.set()
    stage.until_acked("e1", "done")
    (ack,) = stage.on("ack")
    assert before <= ack["received_at"] <= ack["done_at"] - 25
    assert ack["done_at"] <= answers.unix_ms()


@pytest.mark.parametrize(
    "payload", [b"", b"60", b"{", b"\xff", b"{}", b"[" * 9999, b'{"effect_type":"w","intensity":"x"}']
)
def test_a_set_that_cannot_be_read_changes_nothing(stage, payload):
    stage.send("devices/fan/set", payload)
    stage.set("e1")
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1"]


def test_a_set_by_hand_with_three_fields_is_driven(stage):
    stage.send("devices/fan/set", b'{"effect_type": "wind", "intensity": 500, "duration": 30}')
    stage.loop.until(
        lambda: stage.fan.calls == [f"apply {stage.fan.effects_[0].id}", "off"] if stage.fan.effects_ else 0
    )
    assert stage.fan.effects_[0].intensity == 100


# --- what cannot be noted ---------------------------------------------------------------------------------------


def test_what_cannot_be_noted_is_not_driven_but_failed_and_switching_off_still_works(stage, monkeypatch):
    stage.set("on")
    stage.until_acked("on", "done")
    with monkeypatch.context() as disk:
        disk.setattr("os.pwrite", full_disk)
        stage.set("e1")
        stage.until_acked("e1", "failed")
        assert stage.reason("e1") == "cannot be noted: run/ is full: No space left on device"
        assert (stage.gate, stage.process.gate.line.reason) == ("degraded", "run/ is full: No space left on device")
        stage.set("e2", intensity=0)
        stage.until_acked("e2", "done")
    stage.loop.until(lambda: stage.process.gate.line.reason != "run/ is full: No space left on device")
    stage.set("e3")
    stage.until_acked("e3", "done")
    assert stage.fan.calls == ["apply on", "off", "apply e3"]


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_fence_that_cannot_be_noted_is_raised_all_the_same_and_said(stage, monkeypatch, caplog):
    monkeypatch.setattr("os.pwrite", full_disk)
    stage.send("devices/fan/stop")
    stage.set("e1")
    assert stage.ack("e1") == "stopped"
    assert "its fence cannot be noted" in caplog.text


def test_any_number_of_long_failure_texts_leaves_room_for_the_notes_of_what_comes(home, loop):
    (home / "config.yaml").write_text(HOME.format(limits=""))
    journal = Journal(home / "run" / "fan.seen", 64 << 10)
    reporter = Reporter(loop, Topics(), "fan", reader.load(home).device("fan"), journal)
    for number in range(3000):
        effect = Effect(id=f"e{number}" + "-" * 50, effect_type="wind", seq=number + 1)
        assert reporter.first_time(effect)
        assert reporter.seen(effect)
        reporter.ack(effect, "failed", "Traceback: " + "x" * 5000)
        assert len(json.loads(reporter._acks[effect.id, effect.seq])["reason"]) == 200
    journal.close()
    again = Journal(home / "run" / "fan.seen", 64 << 10)
    assert f"s:3000:e2999{'-' * 50}" in again.found
    again.close()


def test_a_driver_whose_notes_are_damaged_raises_a_fence_for_one_may_be_lost(home, new):
    journal = Journal(home / "run" / "fan.seen", JOURNAL_BYTES)
    journal.put("fence", b"abc")
    journal.close()
    with (home / "run" / "fan.seen").open("r+b") as file:
        file.write(b"damaged")
    stage = new()
    stage.until_calls("open", "off")
    stage.member.connected()
    stage.set("e1")
    assert stage.ack("e1") == "stopped"
    assert (stage.gate, stage.process.gate.line.reason[:27]) == ("degraded", "run/fan.seen has a damaged ")
    stage.resume()
    stage.set("e2")
    stage.until_acked("e2", "done")


# --- timers -----------------------------------------------------------------------------------------------------


def test_of_effects_that_were_superseded_no_timer_is_left(stage):
    held = stage.fan.hold("apply e0")
    stage.set("e0")
    stage.until_calls("apply e0")
    before = sum(not timer.cancelled for _, _, timer in stage.loop._timers)
    for number in range(1, 500):
        stage.set(f"e{number}", ttl_ms=60_000)
    timers = [timer for _, _, timer in stage.loop._timers]
    assert sum(not timer.cancelled for timer in timers) == before + 1
    assert len(timers) < 300
    held.set()
    stage.until_acked("e499", "done")


# --- a device that fails ----------------------------------------------------------------------------------------


def test_an_apply_that_raises_is_failed_and_the_device_is_opened_again_off_first_and_ready_again(stage):
    stage.fan.errors["apply e1"] = [OSError("no such port")]
    stage.set("e1")
    stage.until_acked("e1", "failed")
    assert stage.reason("e1") == "no such port"
    assert (stage.gate, stage.process.gate.line.reason) == ("degraded", "no such port")
    assert stage.on("availability") == [b"offline"]
    assert stage.on("state") == []
    stage.loop.until(lambda: stage.gate == "ready")
    assert stage.fan.calls == ["apply e1", "close", "open", "off"]
    assert stage.fan.times[2] - stage.fan.times[0] >= 0.1
    assert stage.on("availability") == [b"offline", b"online"]
    stage.set("e2")
    stage.until_acked("e2", "done")


def test_a_device_that_cannot_be_opened_is_tried_again_with_growing_pauses(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.02, 0.06))

    def prepare(fan: Fan) -> None:
        fan.errors = {"open": [OSError("one"), OSError("two"), OSError("three")], "close": [OSError("not open")] * 2}

    stage = new(prepare=prepare)
    stage.set("e1")
    stage.until_calls("open", "off", "apply e1")
    assert stage.fan.calls == ["open", "close", "open", "close", "open", "close", "open", "off", "apply e1"]
    opened = [at for at, call in zip(stage.fan.times, stage.fan.calls, strict=True) if call == "open"]
    first, second, third = (later - earlier for earlier, later in itertools.pairwise(opened))
    assert (first >= 0.02, second >= 0.06, third >= 0.06) == (True, True, True)
    stage.until_acked("e1", "done")


def test_after_a_device_has_worked_again_the_pauses_begin_anew(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.01, 60))
    stage = new().start()
    for name in ("e1", "e2", "e3"):
        stage.fan.errors[f"apply {name}"] = [OSError("a moment")]
        stage.set(name)
        stage.until_acked(name, "failed")
        stage.until_calls("close", "open", "off")
        stage.loop.until(lambda: stage.gate == "ready")


def test_until_the_device_has_gone_off_nothing_is_driven_and_it_is_not_ready(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.03,))
    stage = new(prepare=lambda fan: fan.errors.update({"off": [OSError("stuck"), OSError("stuck")]}))
    gates = set[str]()
    stage.set("e1")
    stage.loop.until(lambda: gates.add(stage.gate) or "apply e1" in stage.fan.calls)
    assert stage.fan.calls == ["open", "off", *["close", "open", "off"] * 2, "apply e1"]
    assert gates == {"starting", "degraded", "ready"}
    assert stage.on("availability") == [b"online"]


def test_an_apply_that_outlives_its_limit_is_failed_and_if_it_comes_back_the_device_is_switched_off(new):
    stage = new("max_apply_ms: 200").start()
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9, duration=60_000)
    stage.until_acked("e1", "failed")
    assert stage.reason("e1") == "the device did not answer within 200 ms"
    assert stage.gate == "degraded"
    assert stage.on("availability") == [b"offline"]
    stage.set("e2", priority=0)
    slow.set()
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off", "apply e2"]
    assert stage.gate == "ready"
    assert stage.on("availability") == [b"offline", b"online"]
    assert stage.ack("e1") == "failed"


def test_a_device_that_hangs_for_twice_its_limit_ends_the_process_with_1_so_that_a_fresh_one_can_start(new):
    stage = new("max_apply_ms: 40").start()
    stage.fan.hold("apply e1")
    stage.set("e1")
    stage.loop.until(lambda: stage.ended)
    assert (stage.host.exit_code, stage.ack("e1"), stage.gate) == (1, "failed", "stopping")
    assert stage.on("availability") == [b"offline"]


# --- what it tells ----------------------------------------------------------------------------------------------


def test_the_state_is_told_only_after_the_actuator_has_moved(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.loop.spend(0.08)
    assert stage.on("state") == []
    slow.set()
    stage.loop.until(lambda: stage.state)
    assert (stage.state["on"], stage.state["effect_id"]) == (True, "e1")


def test_at_most_20_states_a_second_are_told_and_the_last_one_always(stage, monkeypatch):
    told = list[float]()
    publish = stage.wire.publish

    def timed(topic: str, *arguments: Any, **keywords: Any) -> None:
        if topic == "devices/fan/state":
            told.append(stage.loop.time())
        publish(topic, *arguments, **keywords)

    monkeypatch.setattr(stage.wire, "publish", timed)
    for number in range(40):
        stage.set(f"e{number}")
        stage.loop.until(lambda number=number: stage.ack(f"e{number}"))
        stage.loop.spend(0.003)
    stage.loop.until(lambda: stage.state["effect_id"] == "e39")
    assert all(later - earlier >= 0.049 for earlier, later in itertools.pairwise(told))
    assert 2 <= len(told) < 40


def test_acks_are_qos_0_and_states_qos_1_and_retained(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.loop.until(lambda: stage.state)
    flags = {topic: (qos, retain) for topic, _, qos, retain in stage.wire.published}
    assert flags == {"devices/fan/ack": (0, False), "devices/fan/state": (1, True)}


def test_after_a_new_connection_everything_retained_is_told_again_and_every_ack_that_was_kept(stage):
    stage.wire.lose()
    stage.set("e1", duration=30)
    stage.until_calls("apply e1", "off")
    stage.set("e2")
    stage.until_calls("apply e2")
    stage.loop.until(lambda: stage.member.actuator._on)
    assert stage.wire.published == []
    stage.wire.up = True
    stage.member.reporter.connected()
    assert [(ack["id"], ack["status"]) for ack in stage.on("ack")] == [("e1", "done"), ("e2", "done")]
    assert stage.state["effect_id"] == "e2"
    assert stage.on("availability") == [b"online"]
    (told,) = stage.on("config")
    assert (told["kind"], told["effects"], told["location"]) == ("virtual", ["wind"], "everywhere")
    assert told["limits"]["max_on_ms"] == 60000
    retained = {topic.rpartition("/")[2] for topic, _, _, retain in stage.wire.published if retain}
    assert retained == {"config", "availability", "state"}
    stage.wire.published.clear()
    stage.member.reporter.connected()
    assert stage.on("ack") == []


def test_the_driver_is_called_from_one_thread_that_is_not_the_loops_and_never_twice_at_a_time(stage):
    for number in range(10):
        stage.set(f"e{number}")
        stage.send("devices/fan/stop")
        stage.loop.turn()
    stage.loop.until(lambda: not stage.host._worker.busy)
    assert len(stage.fan.threads) == 1
    assert threading.get_ident() not in stage.fan.threads
    assert stage.fan.most_inside == 1


# --- the end ----------------------------------------------------------------------------------------------------


def test_at_sigterm_the_device_goes_off_is_let_go_and_the_process_ends_with_0(stage):
    stage.set("e1", duration=0)
    stage.until_acked("e1", "done")
    stage.host.stop()
    assert stage.gate == "stopping"
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["apply e1", "off", "close"]
    assert stage.host.exit_code == 0
    assert not stage.state["on"]
    assert stage.on("availability")[-1] == b"offline"


def test_at_sigterm_what_waits_or_comes_still_is_stopped_and_the_one_being_applied_goes_off(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2")
    stage.host.stop()
    stage.host.stop()
    stage.set("e3")
    assert (stage.ack("e2"), stage.ack("e3")) == ("stopped", "stopped")
    slow.set()
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["apply e1", "off", "close"]
    assert (stage.ack("e1"), stage.host.exit_code) == ("done", 0)


def test_at_sigterm_while_the_device_is_being_opened_it_goes_off_before_the_end(new):
    stage = new(prepare=lambda fan: fan.hold("open"))
    stage.until_calls("open")
    stage.host.stop()
    stage.fan.held["open"].set()
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["open", "off", "close"]


def test_at_sigterm_a_device_that_hangs_does_not_keep_the_process_for_longer_than_its_limit(stage, monkeypatch):
    monkeypatch.setattr(host_module, "STOP_LIMIT_S", 0.05)
    stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.host.stop()
    stage.loop.until(lambda: stage.ended)
    assert stage.host.exit_code == 1


def test_at_sigterm_a_device_that_is_away_does_not_keep_the_process(new):
    stage = new(prepare=lambda fan: fan.errors.update({"open": [OSError("away")] * 9}))
    stage.loop.until(lambda: stage.gate == "degraded")
    stage.host.stop()
    stage.loop.until(lambda: stage.ended, limit=2.0)
    assert stage.gate == "stopping"
