"""A machine whose clock is wrong asks for the dispatcher's, and judges deadlines by that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.deadline import left
from effectd.messages import answers
from effectd.messages.effect import Deadline, Effect
from effectd.messages.topics import Topics
from effectd.program.far_clock import ANSWERS, FarClock
from effectd.testing.fake_link import FakeLink
from effectd.testing.fake_loop import FakeLoop
from tests.unit.host import stage as host_stage

TOPICS = Topics("hall")
ASK = "hall/probe/far-fan/clock"
NOON = 1_800_000_000.0  # what the dispatcher's clock says when the loop's says 0


class There:
    """A fan elsewhere, whose clock is `ahead` seconds ahead of the dispatcher's."""

    def __init__(self, ahead: float) -> None:
        self.loop, self.link, self.ahead = FakeLoop(), FakeLink(), ahead
        self._began = self.loop.time()
        self.clock = FarClock(self.loop, TOPICS, "far-fan", lambda: self.theirs + self.ahead)
        self.clock.begin(self.link)

    @property
    def theirs(self) -> float:
        return NOON + self.loop.time() - self._began

    def exchange(self, there: float, back: float) -> None:
        """Question and answer, each so many seconds on its way."""
        number = json.loads(self.link.payloads(ASK)[-1])["n"]
        self.loop.now += there
        said = json.dumps({"n": number, "at": 1000 * self.theirs}).encode()
        self.loop.now += back
        self.clock.hear(said)


def test_until_an_answer_comes_it_is_this_machines_own_clock():
    there = There(ahead=2)
    assert there.clock.now_ms() == pytest.approx(1000 * (NOON + 2))
    assert not there.clock.known


@pytest.mark.parametrize("ahead", [-2, 2, 3600])
def test_an_effect_is_in_time_and_late_by_the_dispatchers_clock_whatever_this_one_says(ahead):
    there = There(ahead)
    there.exchange(0.001, 0.001)
    assert there.clock.ahead_ms == pytest.approx(1000 * ahead, abs=2)
    effect = Effect(id="e", effect_type="light", expires_at=int(1000 * (there.theirs + 0.5)))
    assert left(effect, "this boot", there.loop.time(), there.clock.now_ms) == pytest.approx(0.5, abs=0.005)
    there.loop.now += 0.6
    assert left(effect, "this boot", there.loop.time(), there.clock.now_ms) < 0


def test_a_clock_that_is_set_right_meanwhile_changes_nothing():
    there = There(ahead=2)
    there.exchange(0.001, 0.001)
    before = there.clock.now_ms()
    there.ahead = 0
    assert there.clock.now_ms() == before
    assert there.clock.ahead_ms == pytest.approx(0, abs=2)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=3 * ANSWERS), st.floats(-5, 5))
def test_it_errs_by_at_most_half_of_what_the_quickest_answer_took(trips, ahead):
    there = There(ahead)
    for there_s, back_s in trips:
        there.clock.begin(there.link)
        there.exchange(there_s, back_s)
    error = abs(there.clock.now_ms() / 1000 - there.theirs)
    quickest = min(sum(trip) for trip in trips[-ANSWERS:])
    assert error <= quickest / 2 + 1e-3
    assert there.clock.within_ms == pytest.approx(1000 * quickest / 2, abs=1)


def test_what_is_no_answer_is_left_alone():
    there = There(ahead=2)
    for payload in (b"", b"[]", b'{"n": 77, "at": 5}', b'{"n": []}', b"x" * 10, b'{"n": 1}'):
        there.clock.hear(payload)
    assert not there.clock.known


@pytest.mark.usefixtures("no_inotify")
@pytest.mark.parametrize("ahead_s", [-2, 2])
def test_a_driver_whose_machines_clock_is_two_seconds_wrong_drives_what_is_in_time_and_nothing_late(
    home, loop, monkeypatch, ahead_s
):
    right = answers.unix_ms
    monkeypatch.setattr(answers, "unix_ms", lambda: right() + 1000 * ahead_s)
    monkeypatch.setattr(host_stage, "HOME", "dispatcher: false\n" + host_stage.HOME)
    stage = host_stage.Stage(home, loop, "max_rate_hz: 1000", lambda _fan: None)
    try:
        stage.member._link = stage.wire
        stage.member.connected()
        assert b"online" not in stage.wire.payloads("devices/fan/availability"), "not before it knows the time there"
        ask, answer = stage.member._clock._topic, stage.member._clock.topic_answer
        number = json.loads(stage.wire.payloads(ask)[-1])["n"]
        stage.send(answer, json.dumps({"n": number, "at": right()}).encode())
        loop.until(lambda: b"online" in stage.wire.payloads("devices/fan/availability"))
        elsewhere = {"deadline": Deadline("another boot", 1)}
        stage.set("late", expires_at=right() - 300, **elsewhere)
        stage.until_acked("late", "expired")
        stage.set("in-time", expires_at=right() + 1500, **elsewhere)
        stage.until_acked("in-time", "done")
    finally:
        stage.close()
