"""What a process looks at again and again is looked at in one waking of it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from effectd.base.rounds import next_round
from effectd.testing import FakeLoop


def repeat(loop: FakeLoop, every_s: float, looked: list[float]) -> None:
    loop.call_later(next_round(loop, every_s), look, loop, every_s, looked)


def look(loop: FakeLoop, every_s: float, looked: list[float]) -> None:
    looked.append(loop.time())
    repeat(loop, every_s, looked)


@given(st.lists(st.floats(0, 3), min_size=2, max_size=8), st.floats(0, 1e6))
def test_looks_of_a_quarter_half_and_whole_second_meet_whenever_they_began(begins: list[float], now: float) -> None:
    loop, looked = FakeLoop(now), list[list[float]]()
    for number, begin in enumerate(sorted(begins)):
        looked.append([])
        loop.call_later(begin, repeat, loop, (0.25, 0.5, 1.0)[number % 3], looked[-1])
    loop.advance(8)
    moments = sorted(moment for each in looked for moment in each if moment > now + 5)
    wakings = sum(later - earlier > 1e-6 for earlier, later in itertools.pairwise(moments))
    assert wakings <= 4 * 3 + 1


@given(st.floats(0.01, 10), st.floats(0, 1e6), st.lists(st.floats(0, 20), max_size=5))
def test_a_look_is_never_hurried_and_never_left_out(every_s: float, now: float, apart: list[float]) -> None:
    loop = FakeLoop(now)
    for later in [0.0, *apart]:
        loop.advance(later)
        assert 0.499 * every_s <= next_round(loop, every_s) <= 1.501 * every_s


def test_a_steady_look_keeps_its_pace() -> None:
    loop, looked = FakeLoop(), list[float]()
    repeat(loop, 0.5, looked)
    loop.advance(10)
    assert len(looked) == 20
    assert {round(later - earlier, 6) for earlier, later in itertools.pairwise(looked)} == {0.5}
