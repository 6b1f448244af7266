"""Effects before they are read: their order, a bound that one type cannot fill for the others, and small turns."""

import pytest

from dispatcher_proc import intake as intake_module
from dispatcher_proc.intake import LATE_S, QUEUED, QUIET, Intake
from effectd.testing import FakeLoop


class Door:
    """A real Intake; an effect takes `slow` seconds to handle."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.handled: list[str] = []
        self.refused: list[str] = []
        self.busy = ""
        self.slow = 0.0
        self.intake = Intake(self.loop, self._handle, self._refuse, lambda: self.busy)
        self.intake.types = {"wind", "light"}

    def _refuse(self, arrival: intake_module.Arrival, _why: str) -> None:
        self.refused.append(arrival.payload.decode())

    def _handle(self, arrival: intake_module.Arrival) -> None:
        self.handled.append(arrival.payload.decode())
        self.loop.now += self.slow

    def put(self, topic_type: str, text: str) -> None:
        self.intake.put(f"effects/{topic_type}", topic_type, text.encode(), False)


@pytest.fixture
def door() -> Door:
    return Door()


def test_effects_are_handled_in_the_order_in_which_they_came_whatever_their_type(door):
    names = [f"{number}" for number in range(100)]
    for number, name in enumerate(names):
        door.put(("wind", "light", "fog", "other")[number % 4], name)
    door.loop.advance(0)
    assert door.handled == names
    assert door.refused == []


def test_a_burst_of_a_thousand_of_one_type_is_admitted_and_a_flood_is_refused(door):
    for number in range(5000):
        door.put("wind", f"{number}")
    assert 1000 <= 5000 - len(door.refused) < QUEUED


def test_a_flood_of_one_type_or_of_unknown_ones_leaves_room_for_the_others(door):
    for number in range(5000):
        door.put("wind", "flood")
        door.put(f"unknown-{number}", "flood")
    door.refused.clear()
    for _ in range(QUIET):
        door.put("light", "good")
    assert door.refused == []


def test_when_the_oldest_has_waited_too_long_only_quiet_types_are_admitted(door):
    for _ in range(500):
        door.put("wind", "w")
    door.loop.now += LATE_S + 0.01
    for _ in range(QUIET):
        door.put("wind", "w")
    door.put("wind", "too-much")
    door.put("light", "good")
    assert door.refused == ["too-much"]


def test_a_turn_is_short_and_timers_run_between(door):
    door.slow = 0.005
    for number in range(20):
        door.put("wind", f"{number}")
    turns = []
    door.loop.call_later(0.03, lambda: turns.append(len(door.handled)))
    door.loop.advance(0.2)
    assert len(door.handled) == 20
    assert turns[0] < 20


def test_what_is_large_counts_for_many(door):
    large = "x" * 60_000
    for _ in range(500):
        door.put("wind", large)
    assert len(door.refused) > 400


def test_while_receipts_cannot_leave_only_quiet_types_are_admitted(door):
    door.busy = "the broker acknowledges receipts too slowly"
    for _ in range(500):
        door.put("wind", "flood")
        door.loop.advance(0)
    assert len(door.handled) == QUIET
    door.put("light", "good")
    door.loop.advance(0)
    assert door.handled[-1] == "good"


def test_an_id_is_known_while_its_effect_waits_for_its_turn(door):
    door.put("wind", '{"id": "a"}')
    door.put("wind", '{"idempotency_key": "b", "parameters": {"id": "c"}}')
    door.put("wind", "not JSON {")
    assert ["a" in door.intake, "b" in door.intake, "c" in door.intake] == [True, True, False]
    door.loop.advance(0)
    assert "a" not in door.intake
