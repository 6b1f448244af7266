"""A loop ends after a second or two; a client that repeats itself is never refused, however it does so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc.intake import Arrival
from dispatcher_proc.loops import ALIKE, HOLD_S, Loops
from effectd.testing import FakeLoop

TOPIC = "effects/wind"


class World:
    """`echo`: seconds from when an effect is driven to when it comes again (None: never), and how often then."""

    def __init__(self, echo: float | None = None, times: int = 1) -> None:
        self.loop = FakeLoop()
        self.driven: list[float] = []
        self.broken: list[str] = []
        self.delays: list[float] = []
        self._echo, self._times = echo, times
        self.loops = Loops(self.loop, self._drive, self._break)

    def publish(self, payload: bytes = b"40", topic: str = TOPIC) -> None:
        self.loops.take(Arrival(topic, "wind", payload, False, None, self.loop.time(), "wind", 1))

    def _drive(self, arrival: Arrival) -> None:
        now = self.loop.time()
        self.driven.append(now)
        self.delays.append(now - arrival.received)
        if self._echo is not None:
            for _ in range(self._times):
                self.loop.call_later(self._echo, self.publish, arrival.payload)

    def _break(self, _arrival: Arrival, why: str) -> None:
        self.broken.append(why)


@pytest.mark.parametrize(("echo", "within"), [(0.002, 1.5), (0.017, 1.5), (0.1, 4), (0.4, 15)])
def test_what_comes_again_whenever_it_was_driven_ends(echo, within):
    world = World(echo)
    world.publish()
    world.loop.advance(within)
    assert len(world.broken) == 1
    assert "a loop" in world.broken[0]
    driven = len(world.driven)
    world.loop.advance(100)
    assert len(world.driven) == driven <= ALIKE + 3


def test_two_devices_that_each_publish_it_are_one_loop():
    world = World(0.01, times=2)
    world.publish()
    world.loop.advance(3)
    assert world.broken
    driven = len(world.driven)
    world.loop.advance(100)
    assert len(world.driven) == driven


@given(
    st.lists(st.tuples(st.floats(0.0005, 0.6), st.sampled_from([b"40", b"40", b"40", b"60"])), max_size=150),
    st.floats(0.001, 0.05),
)
def test_whoever_publishes_by_a_clock_is_driven_every_time_in_order_and_soon(steps, period):
    """Whatever the gaps are: three silences in a row, each ended just after a release, are no clock's."""
    world = World()
    for gap, payload in steps:
        world.publish(payload)
        world.loop.advance(gap)
    for _ in range(ALIKE * 3):  # and a steady stream
        world.publish()
        world.loop.advance(period)
    world.loop.advance(10)
    assert world.broken == []
    assert len(world.driven) == len(steps) + ALIKE * 3
    assert max(world.delays) <= 1.5


def test_a_steady_stream_is_held_once_and_then_left_alone():
    world = World()
    for _ in range(1000):
        world.publish()
        world.loop.advance(0.02)
    assert sum(delay > 0 for delay in world.delays) <= 8
    assert max(world.delays) < 0.2
    assert world.broken == []


def test_a_burst_that_ends_is_driven_to_its_last():
    world = World()
    for _ in range(ALIKE):
        world.publish()
    world.loop.advance(HOLD_S + 0.01)
    assert len(world.driven) == ALIKE


def test_another_topic_is_not_held_up():
    world = World()
    for _ in range(ALIKE):
        world.publish()
    world.publish(topic="effects/light")
    assert len(world.driven) == ALIKE


def test_with_the_end_of_the_dispatcher_nothing_held_is_driven():
    world = World()
    for _ in range(ALIKE):
        world.publish()
    world.loops.clear()
    world.loop.advance(10)
    assert len(world.driven) == ALIKE - 1
