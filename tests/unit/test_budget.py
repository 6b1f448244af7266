"""On-time in every window stays within the budget, for any stream of effects, holds, kills and reboots."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import budget as budgets
from drivers.on_time import OnTime
from effectd.config import reader
from effectd.config.schema import Budget
from effectd.testing import MemoryJournal
from tests.unit.life import Life

# --- the arithmetic, against a count of every ms ---------------------------------------------------------------------

gaps = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=6)
some_budget = st.integers(2, 20).flatmap(lambda window: st.builds(Budget, st.integers(1, window - 1), st.just(window)))


def laid_out(pairs: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    spans, at = [], 0
    for gap, length in pairs:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    return spans, at


def on(spans: list[tuple[int, int]], window: int, at: int) -> int:
    return sum(any(start <= ms < end for start, end in spans) for ms in range(at - window, at))


@given(gaps, some_budget, st.integers(0, 15))
def test_what_is_left_is_what_a_count_of_every_ms_leaves(pairs, budget, wait):
    spans, at = laid_out(pairs)
    at += wait
    assert budgets.used_ms(spans, budget.window_ms, at) == on(spans, budget.window_ms, at)
    spent = budgets.spent_at(spans, budget, at)
    for end in range(at + 1, spent + 1):
        assert on([*spans, (at, end)], budget.window_ms, end) <= budget.on_ms
    assert on([*spans, (at, spent + 1)], budget.window_ms, spent + 1) > budget.on_ms


@given(gaps, some_budget)
def test_it_is_free_again_at_the_first_ms_at_which_it_may_be_on(pairs, budget):
    spans, at = laid_out(pairs)
    free = next(ms for ms in range(at, at + 200) if budgets.spent_at(spans, budget, ms) > ms)
    assert budgets.free_at(spans, budget, at) == free


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=33, max_size=60), st.integers(100, 3000))
def test_more_spans_than_are_remembered_count_for_no_less(pairs, window):
    spans, _ = laid_out(pairs)
    kept = OnTime(MemoryJournal(), "b", 0.0, window, window)
    for start, end in spans:
        assert kept.began(start / 1000)
        kept.ended(end / 1000)
    last = spans[-1][1] + 1  # noted ends are rounded up
    assert len(kept.spans) <= 32
    for at in range(last, last + window, 97):
        assert budgets.used_ms(kept.spans, window, at) >= budgets.used_ms(spans, window, at)


# --- an actuator that lives, dies and is born again ------------------------------------------------------------------

BUDGET = Budget(on_ms=400, window_ms=2000)
event = st.one_of(
    st.tuples(
        st.just("take"), st.sampled_from([0, 50, 100]), st.sampled_from([0, 30, 200, 900]), st.sampled_from([0, 0, 60])
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 0.02, 0.15, 0.5, 1.7])),
    st.tuples(st.just("wait"), st.floats(0.0005, 2.5)),
    st.tuples(st.just("hold"), st.sampled_from(["held by a: b", ""])),
    st.tuples(st.just("stop")),
    st.tuples(st.just("kill"), st.sampled_from([0.0, 0.1, 1.0])),
    st.tuples(st.just("reboot"), st.sampled_from([0.0, 3.0]), st.sampled_from([0.5, 100.0, 1e6])),
    st.tuples(st.just("wall"), st.sampled_from([-1e6, 1e6])),
)


@given(st.lists(event, max_size=40), st.sampled_from([0, 130]), st.sampled_from([10_000, 300]))
def test_the_on_time_in_every_window_is_within_the_budget_whatever_comes(history, min_off_ms, max_on_ms):
    with Life(budget=BUDGET, min_off_ms=min_off_ms, max_on_ms=max_on_ms) as life:
        for what, *details in history:
            life.do(what, *details)
        life.do("wait", 3.0)
    life.check(BUDGET, min_off_ms, max_on_ms)


# --- what is told ------------------------------------------------------------------------------------------


def lived(**limits: Any) -> Life:
    return Life(**({"max_on_ms": 10_000, "budget": Budget(on_ms=10_000, window_ms=60_000)} | limits))


def test_a_scent_that_is_asked_for_each_half_second_is_off_after_its_budget_and_both_sides_are_told():
    with lived() as life:
        names = []
        for _ in range(26):
            names.append(life.take(100, duration=1000))
            life.do("wait", 0.5)
        assert [word for word, _ in (life.ack(name) for name in names)] == ["done"] * 20 + ["failed"] * 6
        assert life.ack(names[20]) == ("failed", "budget: free again in 50 s")
        said = life.states[-1]
        assert (said["on"], said["reason"]) == (False, "budget: free again in 50 s")
        life.do("wait", 47.5)
        late = life.take(100, duration=1000)
        assert life.ack(late) == ("done", "")
        assert "reason" not in life.states[-1]


def test_a_new_home_has_a_budget_for_its_scent_and_a_flash_limit_for_its_light():
    devices = reader.load(Path(__file__).resolve().parents[2]).devices
    assert devices["scent"].limits.budget == Budget(on_ms=10_000, window_ms=60_000)
    assert devices["light"].flash_hz == 3


@pytest.mark.parametrize("death", [("kill", 0.1), ("kill", 5.0), ("reboot", 0.0, 3.0)])
def test_a_restart_refills_nothing(death):
    with lived() as life:
        life.take(100, duration=10_000)
        life.do("wait", 10.5)
        life.do(*death)
        word, reason = life.ack(life.take(100))
        assert word == "failed"
        assert reason.startswith("budget: free again in ")


def test_one_that_dies_while_it_is_on_counts_until_its_successor_is_off():
    with lived() as life:
        life.take(100, duration=9000)
        life.do("wait", 4.0)
        life.do("kill", 5.0)
        life.do("wait", 0.1)
        life.take(100, duration=9000)
        life.do("wait", 2.0)
        assert life.states[-1]["reason"] == "budget: free again in 50 s"


def test_damaged_notes_leave_nothing_of_the_budget():
    with lived() as life:
        life.lost = True
        life.do("kill", 0.0)
        assert life.ack(life.take(100)) == ("failed", "budget: free again in 50 s")


def test_what_cannot_be_noted_is_not_driven():
    with lived() as life:
        life.journal.full = True
        word, reason = life.ack(life.take(100))
        assert word == "failed"
        assert reason.startswith("cannot be noted")


def test_max_on_ms_bounds_what_is_on_without_a_break_where_there_is_a_budget():
    with lived(max_on_ms=3000) as life:
        for _ in range(7):
            life.take(100, duration=1000)
            life.do("wait", 0.5)
        assert life.on_spans()[0] == pytest.approx((0.0, 3.0), abs=0.01)
        assert any(state.get("reason") == "max_on_ms: on for 3000 ms without a break" for state in life.states)


def test_an_effect_waits_for_min_off_ms_and_expires_there_if_its_time_is_over():
    with Life(min_off_ms=1500) as life:
        life.take(100, duration=200)
        life.do("wait", 0.3)
        waits = life.take(100, duration=200)
        assert life.ack(waits) == ("", "")
        life.do("wait", 1.5)
        assert life.ack(waits) == ("done", "")
        assert life.on_spans() == [pytest.approx((0.0, 0.2)), pytest.approx((1.7, 1.9), abs=0.11)]


def test_nothing_is_noted_where_nothing_is_counted():
    with Life() as life, mock.patch.object(MemoryJournal, "put", side_effect=MemoryJournal.put, autospec=True) as put:
        life.take(100, duration=200)
        life.do("wait", 1.0)
    assert not any(call.args[1] == "on-time" for call in put.call_args_list)
