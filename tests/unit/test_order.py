"""No history makes a device deaf, drives an effect twice, or undoes a newer one: the real Delivery and the real Host.

Both ends have a loop of their own whose time moves when told, a journal in memory, and a wall clock that may jump.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.ledger import Ledger
from dispatcher_proc.receipts import REMEMBERED_S, Receipts
from drivers import host as host_module
from drivers import member as member_module
from drivers.host import Host
from effectd.config import reader
from effectd.driver import Driver, Options
from effectd.messages.answers import FINAL, Ack
from effectd.messages.effect import Effect, boot_id, to_set
from effectd.messages.topics import Topics
from effectd.program.process import Process
from effectd.testing import FakeLink, FakeLoop, MemoryJournal

pytestmark = pytest.mark.usefixtures("no_inotify")

HOME = "devices: {fan: {kind: virtual, effects: [wind], limits: {max_rate_hz: 1000}}}\neffects: {wind: }\n"
STEP_S = 0.05


class Inline:
    """The driver's worker without a thread: each call is done at once, and said to be done a moment later."""

    def __init__(self, loop: FakeLoop, _overdue: Callable[[float, bool], None]) -> None:
        self._loop, self.busy, self.late = loop, False, False

    def do(self, done: Callable[[Exception | None, bool], None], _limit_s: float, job: Any, *args: Any) -> None:
        self.busy = True
        job(*args)
        self._loop.call_soon(self._end, done)

    def _end(self, done: Callable[[Exception | None, bool], None]) -> None:
        self.busy = False
        done(None, False)


class Fan(Driver):
    def __init__(self, world: "World") -> None:
        super().__init__("fan", Options(), world.process.config.broker.address)
        self._world = world

    def open(self) -> None: ...

    def off(self) -> None: ...

    def apply(self, effect: Effect) -> None:
        self._world.driven.append(effect.id)


class World:
    """One device, its driver, and the dispatcher's inside; the broker between them loses a `set` when told."""

    def __init__(self, home: Path) -> None:
        (home / "run").mkdir()
        (home / "config.yaml").write_text(HOME)
        self.process = Process("fan", home)
        self.process.config = reader.load(home)
        self.wall_s = 1_700_000_000.0
        self.driven: list[str] = []
        self.receipts: dict[str, set[str]] = {}
        self.published = 0
        self.losing = 0
        self.configured = True
        self.notes, self.memory = MemoryJournal(), MemoryJournal()
        self.dispatcher_loop, self.driver_loop = FakeLoop(), FakeLoop()
        self.run = 0

    # --- deaths and births

    def start_dispatcher(self) -> None:
        self.dispatcher_loop.clear()
        ledger = Ledger(self.memory, boot_id())
        receipts = Receipts(self._put, Topics(), self.dispatcher_loop.time, ledger)
        self.delivery = Delivery(self.dispatcher_loop, self._send, receipts, ledger, lambda *_: None)
        self.ledger = ledger
        self.configure(self.configured)
        found = ledger.restore(self.dispatcher_loop.time(), REMEMBERED_S)
        receipts.restore(found)
        self.delivery.restore(found)
        if self.run:
            self.dispatcher_loop.call_soon(self._ready)

    def start_driver(self) -> None:
        self.driver_loop.clear()
        self.run += 1
        self.wire = FakeLink()
        self.host = Host(self.process, self.driver_loop, Fan(self))
        self.member = self.host._members["fan"]
        self.member.reporter.link = self.wire
        self.host._broker._links = [self.wire]
        self.host._watcher.close()  # the gates of this test have no heart that beats
        self.heard = 0
        self.driver_loop.advance(0.001)
        self.member.connected()
        self._ready()

    def configure(self, there: bool) -> None:
        self.configured = there
        self.delivery.configure({"fan": self.process.config.device("fan")} if there else {})

    def _ready(self) -> None:
        if self.configured:
            self.delivery.ready("fan", f"g{self.run}")

    # --- what goes between

    def _put(self, topic: str, payload: bytes, delivered: Callable[[], None] | None) -> None:
        if topic.startswith("receipts/"):
            receipt = json.loads(payload)
            if receipt["status"] in FINAL:
                self.receipts.setdefault(receipt["id"], set()).add(receipt["status"])
        if delivered is not None:
            delivered()

    def _send(self, _device: str, effect: Effect, _taken: object) -> bool:
        if self.losing:
            self.losing -= 1
        else:
            self.driver_loop.call_soon(self.member.message, "devices/fan/set", to_set(effect), False)
        return True

    def _carry(self) -> None:
        """Take to the dispatcher what the driver has published."""
        for topic, payload, _, _ in self.wire.published[self.heard :]:
            if topic == "devices/fan/ack":
                self.delivery.acked("fan", Ack(**json.loads(payload)))
            elif topic == "devices/fan/fence" and payload:
                self.delivery.fenced("fan")
                self.driver_loop.call_soon(self.member.message, "devices/fan/resume", payload, False)
        self.heard = len(self.wire.published)

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        for _ in range(max(1, round(seconds / STEP_S))):
            for loop in (self.dispatcher_loop, self.driver_loop):
                loop.advance(seconds and STEP_S)
            self._carry()

    def effect(self, duration: int) -> str:
        name = f"e{self.published}"
        self.published += 1
        effect = Effect(id=name, effect_type="wind", intensity=60.0, duration=duration, ttl_ms=5000)
        if self.configured:
            self.delivery.accept(effect, {"fan": effect}, "", "effects/wind", b"")
        self.advance(0.0)
        return name


@contextmanager
def a_world() -> Iterator[World]:
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    world = World(home)
    try:
        with (
            patch.object(member_module, "Journal", lambda _path, _size: world.notes),
            patch.object(host_module, "Worker", Inline),
            patch("time.time_ns", lambda: int(world.wall_s * 1e9)),
        ):
            world.start_dispatcher()
            world.start_driver()
            world.advance(0.2)
            yield world
    finally:
        world.process.gate.close()
        shutil.rmtree(home)


def foreign(world: World, seq: Any, newest: Any, duration: int) -> None:
    """Somebody publishes a `set` of their own; {"near": n} is n beside the present number."""
    fields = {"seq": seq, "newest": newest}
    for name, value in fields.items():
        if isinstance(value, dict):
            fields[name] = world.ledger.seq + value["near"]
    set_ = {"effect_type": "wind", "intensity": 50, "duration": duration, "id": "foreign"} | fields
    world.member.message("devices/fan/set", json.dumps(set_).encode(), False)
    world.advance(0.0)


number = st.one_of(
    st.integers(-5, 5).map(lambda near: {"near": near}),
    st.sampled_from([0, -1, 1, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**70), 1.5, 1e18, 1e300, True, None]),
    st.integers(),
)
duration = st.sampled_from([0, 100, 3000])
event = st.one_of(
    st.tuples(st.just("effect"), duration),
    st.tuples(st.just("effect"), duration),
    st.tuples(st.just("lose"), st.integers(1, 2)),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 0.3, 1.1])),
    st.tuples(st.just("foreign"), number, number, duration),
    st.tuples(st.just("dispatcher"), st.booleans()),
    st.tuples(st.just("driver"), st.sampled_from(["kept", "kept", "lost", "damaged"])),
    st.tuples(st.just("clock"), st.sampled_from([-(10**6), -3600, -1, 3600, 10**6])),
    st.tuples(st.just("sighup")),
)


@settings(max_examples=250)
@given(st.lists(event, max_size=30))
def test_after_any_history_a_fresh_effect_is_driven_and_none_was_driven_twice_or_after_a_newer_one(history):
    with a_world() as world:
        for what, *details in history:
            match what, details:
                case "effect", [lasts]:
                    world.effect(lasts)
                case "lose", [sets]:
                    world.losing = sets
                case "advance", [seconds]:
                    world.advance(seconds)
                case "foreign", [seq, newest, lasts]:
                    foreign(world, seq, newest, lasts)
                case "dispatcher", [journal_lost]:
                    world.memory = MemoryJournal() if journal_lost else world.memory.reborn()
                    world.start_dispatcher()
                case "driver", [notes]:
                    world.notes = world.notes.reborn() if notes == "kept" else MemoryJournal()
                    world.notes.new, world.notes.lost = notes == "lost", notes == "damaged"
                    world.start_driver()
                case "clock", [jump_s]:
                    world.wall_s += jump_s
                case "sighup", []:
                    world.configure(not world.configured)
                    world._ready()
        world.losing = 0
        if not world.configured:
            world.configure(True)
            world._ready()
        world.advance(0.1)
        fresh = world.effect(100)
        world.advance(0.1)
        assert world.driven[-1] == fresh
        assert world.receipts[fresh] == {"done"}
        ours = [name for name in world.driven if name != "foreign"]
        assert ours == sorted(set(ours), key=lambda name: int(name[1:]))
        world.advance(20)
        assert all(len(statuses) == 1 for statuses in world.receipts.values())
        assert len(world.delivery) == 0


def test_an_effect_that_was_lost_is_not_driven_after_a_newer_one_though_that_has_ended_or_switched_off():
    for intensity in (60.0, 0.0):
        with a_world() as world:
            world.losing = 1
            lost = world.effect(5000)
            newer = Effect(id="newer", effect_type="wind", intensity=intensity, duration=50)
            world.delivery.accept(newer, {"fan": newer}, "", "effects/wind", b"")
            world.advance(3)
            assert lost not in world.driven
            assert world.receipts == {"newer": {"done"}, lost: {"superseded"}}


def test_an_effect_that_was_lost_is_driven_when_it_is_sent_again_and_nothing_newer_was_there():
    with a_world() as world:
        world.losing = 1
        lost = world.effect(100)
        world.advance(2)
        assert (world.driven, world.receipts) == ([lost], {lost: {"done"}})


def test_what_an_earlier_run_of_a_driver_may_have_had_is_told_as_failed_where_its_notes_are_lost():
    with a_world() as world:
        had = world.effect(100)
        assert world.receipts == {had: {"done"}}
        world.losing = 1
        unknown = world.effect(100)
        world.notes = MemoryJournal()
        world.notes.new = True
        world.start_driver()
        world.advance(0.2)
        assert (world.driven, world.receipts[unknown]) == ([had], {"failed"})
