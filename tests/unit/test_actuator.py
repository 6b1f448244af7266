"""An actuator does exactly what the table in its docstring says, and a fade brings out exactly its levels."""

import itertools
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import actuator as actuator_module
from effectd.config.schema import Device, Limits
from effectd.messages.effect import Effect
from effectd.testing import ActuatorBench


class Bench(ActuatorBench):
    """A lamp whose changes the test brings out, or which does it at once, as one with a quick device."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(Device("virtual", ("light",), limits=Limits(**({"max_flash_hz": 0} | limits))), "lamp")
        self.driven: list[tuple[int, float]] = []  # ms since the start, the level
        self.brings_out = False

    def wake(self) -> None:
        while self.brings_out and (change := self.actuator.next()) is not None:
            level = float(change.level.intensity) if change.level is not None else 0.0
            self.driven.append((self.ms, level))
            self.actuator.moved()

    def run(self) -> "Bench":
        self.brings_out = True
        self.wake()
        self.driven.clear()
        return self


# --- the table --------------------------------------------------------------------------------------------------------

_ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\|.*\|$", actuator_module.__doc__ or "", re.M)
]
EVENTS = _ROWS[0][1:]
TABLE = {
    (row[0], event): frozenset(cell.split(" / "))
    for row in _ROWS[2:]
    for event, cell in zip(EVENTS, row[1:], strict=True)
}
for _state in ("going off", "moving", "stepping"):  # the sentence below the table
    TABLE |= {(f"{_state}!", event): frozenset({f"{_state}!"}) for event in EVENTS}
    TABLE[f"{_state}!", "moved"] = frozenset({"off due"})

step = st.one_of(
    st.sampled_from([("stop",), ("next",), ("next",), ("next",), ("moved",), ("moved",), ("moved",), ("lost",)]),
    st.tuples(st.just("take"), st.sampled_from([0, 40, 100]), st.sampled_from([0, 0, 50, 200]), st.integers(0, 9)),
    st.tuples(st.just("time"), st.sampled_from([0.005, 0.02, 0.1, 0.3])),
)


def play(history: list[tuple[Any, ...]]) -> set[tuple[str, str, str]]:
    """Each transition that happened, as the table writes it; fails at one that the table has not."""
    bench, seen = Bench(max_rate_hz=1000), set[tuple[str, str, str]]()
    actuator = bench.actuator
    time_is_up = actuator._time_is_up

    def told(effect: Effect, limit: str) -> None:
        before = actuator.state
        time_is_up(effect, limit)
        check(before, "its time is up")

    def check(before: str, event: str) -> None:
        assert actuator.state in TABLE[before, event], (before, event, actuator.state)
        seen.add((before, event, actuator.state))

    actuator._time_is_up = told  # type: ignore[method-assign]
    for what, *details in history:
        before = actuator.state
        match what, details:
            case "stop", []:
                bench.stop()
                check(before, "stop")
            case "next", []:
                actuator.next()
                check(before, "next")
            case "moved", [] if actuator._moving is not None:
                actuator.moved()
                check(before, "moved")
            case "lost", []:
                actuator.lost()
                check(before, "lost")
            case "take", [intensity, fade, priority]:
                bench.send(intensity, fade=fade, duration=200, priority=priority)
                assert actuator.state == before
            case "time", [seconds]:
                bench.loop.advance(seconds)
    assert all(len(list(acks)) == 1 for _, acks in itertools.groupby(sorted(ack["id"] for ack in bench.answers())))
    return seen


@given(st.lists(step, max_size=60))
def test_an_actuator_goes_only_where_the_table_leads(history):
    play(history)


def test_every_way_of_the_table_is_gone():
    chance = random.Random(1)
    kinds = [("stop",), ("lost",), *[("next",)] * 8, *[("moved",)] * 6]
    rare: list[list[tuple[Any, ...]]] = [
        [("stop",), ("time", 0.3)],
        [("lost",), ("time", 0.3)],
        [("take", 0, 50, 9), ("next",), ("moved",), ("time", 0.1), ("next",), ("moved",)],  # all the way down
    ]
    ways = {(*at, after) for at, cell in TABLE.items() for after in cell if after != "-"}
    seen = set[tuple[str, str, str]]()
    for _ in range(3000):
        if ways <= seen:
            break
        history: list[tuple[Any, ...]] = []
        for _ in range(40):
            take = ("take", chance.choice([0, 40, 100, 100]), chance.choice([0, 50, 200]), 5)
            history.append(chance.choice([*kinds, take, take, ("time", chance.choice([0.005, 0.02, 0.1, 0.3]))]))
        seen |= play([*history, *chance.choice(rare)])
    assert ways - seen == set()


# --- fades ------------------------------------------------------------------------------------------------------------


def test_a_fade_brings_out_its_levels_at_their_moments_and_is_done_at_the_first():
    bench = Bench().run()
    name = bench.send(50, fade=100, duration=300)
    assert bench.acks == {name: "done"}
    bench.loop.advance(1)
    assert bench.driven == [(0, 10), (20, 20), (40, 30), (60, 40), (80, 50), (300, 0)]


def test_a_fade_begins_at_what_is_on_and_the_way_down_has_no_duration():
    bench = Bench().run()
    bench.send(80, duration=0)
    bench.loop.advance(0.1)
    bench.send(0, fade=80, duration=0)
    bench.loop.advance(1)
    assert bench.driven == [(0, 80), (100, 60), (120, 40), (140, 20), (160, 0)]
    assert bench.actuator.state == "off"
    assert bench.states[-1]["on"] is False


def test_a_fade_turns_at_the_level_that_it_has_reached():
    bench = Bench(max_rate_hz=50).run()
    bench.send(100, fade=100, duration=0)
    bench.loop.advance(0.05)
    bench.send(0, fade=60, duration=0)
    bench.loop.advance(1)
    assert bench.driven == [(0, 20), (20, 40), (40, 60), (60, 40), (80, 20), (100, 0)]


@pytest.mark.parametrize(("rate_hz", "levels"), [(10, [20, 40, 60, 80, 100]), (4, [50, 100]), (1, [100])])
def test_a_fade_takes_no_more_steps_than_max_rate_hz_allows(rate_hz, levels):
    bench = Bench(max_rate_hz=rate_hz).run()
    bench.send(100, fade=500, duration=0)
    bench.loop.advance(5)
    assert [level for _, level in bench.driven] == levels


def test_a_slow_device_misses_steps_but_never_the_last():
    bench = Bench()
    bench.run().brings_out = False
    bench.send(100, fade=100, duration=0)
    found = []
    while (change := bench.actuator.next()) is not None:
        found.append(change.level.intensity)
        bench.loop.advance(0.05)
        bench.actuator.moved()
    assert found == [20, 60, 100]
    assert bench.actuator.state == "on"


def test_a_stop_ends_a_fade_at_once():
    bench = Bench().run()
    bench.send(100, fade=100, duration=0)
    bench.loop.advance(0.03)
    bench.actuator.stop()
    bench.loop.advance(1)
    assert bench.driven == [(0, 20), (20, 40), (30, 0)]


def test_a_fade_within_max_intensity_and_max_on_ms():
    bench = Bench(max_intensity=40, max_on_ms=50).run()
    bench.send(100, fade=80, duration=0)
    bench.loop.advance(1)
    assert bench.driven == [(0, 10), (20, 20), (40, 30), (50, 0)]


def test_a_fade_that_begins_next_to_nothing_is_within_max_on_ms_all_the_same():
    bench = Bench(max_on_ms=60_000).run()
    bench.send(1, fade=600_000, duration=0)
    assert bench.driven == [(0, 0.0)]
    bench.loop.advance(700)
    assert bench.driven[-2:] == [(59_980, pytest.approx(0.1, abs=1e-3)), (60_000, 0)]
    assert bench.actuator.state == "off"


@pytest.mark.parametrize("priority", [0, 5, 9])
def test_intensity_0_ends_what_is_on_of_any_priority_and_what_waits(priority):
    bench = Bench(max_rate_hz=10).run()
    first, waits = bench.send(priority=9, duration=0), bench.send(priority=9, duration=0)
    off = bench.send(0, priority=priority, duration=0)
    bench.loop.advance(1)
    assert bench.acks == {first: "done", waits: "superseded", off: "done"}
    assert [level for _, level in bench.driven] == [100, 0]


@pytest.mark.parametrize("is_applied", [False, True])
def test_an_off_that_waits_or_is_applied_holds_nothing_nor_does_what_it_ends(is_applied):
    bench = Bench().run()
    bench.send(priority=9, duration=0)
    bench.loop.advance(1)
    bench.brings_out = False
    bench.send(0, priority=9, duration=0)
    if is_applied:
        assert bench.actuator.next() is not None
    low = bench.send(30, priority=0, duration=0)
    if is_applied:
        bench.actuator.moved()
    bench.run().loop.advance(1)
    assert bench.acks[low] == "done"


def test_on_its_way_down_a_device_holds_no_priority():
    bench = Bench().run()
    bench.send(priority=9, duration=0)
    bench.send(0, priority=9, fade=1000, duration=0)
    bench.loop.advance(0.1)
    low = bench.send(30, priority=0, duration=0)
    bench.loop.advance(0.1)
    assert bench.acks[low] == "done"
