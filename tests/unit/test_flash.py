"""No stream of effects, and no death, makes the lights of a zone rise more often than the flash limit allows."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.flash import Flash
from effectd.config import lights
from effectd.config.schema import Device, Limits
from effectd.messages.effect import Effect
from effectd.testing import MemoryJournal
from tests.unit.life import Life


def rises(levels: list[tuple[float, float]], start: float = 0.0) -> list[float]:
    """When a pair of opposing changes of a tenth or more had its rise: the moments, counted by hand."""
    found, extreme, rising = [], start, False
    for at, level in levels:
        if rising:
            if extreme - level >= 10:
                rising, extreme = False, level
            extreme = max(extreme, level) if rising else extreme
        elif level - extreme >= 10:
            found.append(at)
            rising, extreme = True, level
        else:
            extreme = min(extreme, level)
    return found


def most_in_a_second(moments: list[float], seconds: float = 1.0) -> int:
    moments = sorted(moments)
    return max((sum(at <= other <= at + seconds for other in moments) for at in moments), default=0)


event = st.one_of(
    st.tuples(
        st.just("take"), st.sampled_from([0, 5, 12, 50, 55, 100]), st.sampled_from([0, 40]), st.sampled_from([0, 30])
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.03, 0.2, 0.35])),
    st.tuples(st.just("stop")),
    st.tuples(st.just("kill"), st.just(0.0)),
    st.tuples(st.just("reboot"), st.just(0.0), st.sampled_from([1.0, 5000.0])),
)


@given(st.lists(event, max_size=60), st.sampled_from([1, 2, 3]))
def test_no_second_has_more_rises_than_the_limit_whatever_comes(history, sharing):
    with Life(lights=sharing, max_flash_hz=3) as life:
        for what, *details in history:
            life.do(what, *details)
    assert most_in_a_second(rises(life.driven)) * sharing <= 3


@given(
    st.lists(st.tuples(st.sampled_from([0.01, 0.05, 0.4]), st.integers(0, 5), st.sampled_from([0, 100])), max_size=120)
)
def test_lights_of_one_zone_in_processes_of_their_own_stay_within_it_together(stream):
    names = [f"l{i}" for i in range(3)]
    zone = {name: Device("virtual", ("light",), zones=("stage",)) for name in names}
    flash = {name: Flash(MemoryJournal(), "b", 0.0, 3.0, lights.sharing(name, zone)) for name in names}
    now, found = 10.0, []
    level = dict.fromkeys(names, 0.0)
    for wait, which, wanted in stream:
        now += wait
        name = names[which % 3]
        if flash[name].allows(light(wanted), now):
            found += [now] * (wanted - level[name] >= 10)
            level[name] = wanted
    assert most_in_a_second(found) <= 3


def light(intensity: float, **parameters: Any) -> Effect:
    return Effect(id="e", effect_type="light", intensity=intensity, parameters=parameters)


def test_a_strobe_is_cut_to_three_flashes_a_second_and_told_so():
    with Life(max_flash_hz=3) as life:
        names = []
        for _ in range(30):
            names.append(life.take(100, duration=0))
            life.do("wait", 0.025)
            life.take(0)
            life.do("wait", 0.025)
        answers = [life.ack(name) for name in names]
        assert set(answers) == {("done", ""), ("done", "flash limit")}
        assert most_in_a_second(rises(life.driven)) == 3
        assert life.states[-1]["on"] is False


def test_a_rise_over_the_limit_leaves_the_light_as_it_is():
    with Life(max_flash_hz=1) as life:
        life.take(50, duration=0)
        life.do("wait", 0.1)
        life.take(20, duration=0)
        life.do("wait", 0.1)
        more = life.take(100, duration=300)
        assert life.ack(more) == ("done", "flash limit")
        assert [level for _, level in life.driven] == [50, 20, 20]
        assert (life.states[-1]["intensity"], life.states[-1]["effect_id"]) == (20, more)
        life.do("wait", 0.4)
        assert life.driven[-1][1] == 0  # it was that effect's to hold, and to end


def test_over_the_limit_a_light_that_is_off_stays_off_and_says_nothing_new():
    with Life(max_flash_hz=1) as life:
        life.take(100, duration=10)
        life.do("wait", 0.1)
        before = len(life.states)
        assert life.ack(life.take(100, duration=10)) == ("done", "flash limit")
        assert len(life.states) == before


def test_a_fade_is_one_rise_however_many_steps_it_has():
    with Life(max_flash_hz=1, max_rate_hz=50) as life:
        name = life.take(100, fade=200, duration=1000)
        life.do("wait", 0.5)
        assert life.ack(name) == ("done", "")
        assert life.driven[-1][1] == 100


def test_0_is_as_asked_and_only_lights_have_a_limit_by_default():
    assert Device("virtual", ("wind",)).flash_hz == 0
    assert Device("virtual", ("wind", "flash")).flash_hz == 3
    assert Device("virtual", ("light",), limits=Limits(max_flash_hz=0)).flash_hz == 0
    with Life(max_flash_hz=0) as life:
        for _, level in itertools.product(range(10), (100, 0)):
            life.take(level, duration=0)
            life.do("wait", 0.02)
    assert len(rises(life.driven)) == 10


def test_colours_that_alternate_are_flashes_as_well():
    flash = Flash(MemoryJournal(), "b", 0.0, 3.0, 1)
    shown = ["black"]
    for n in range(20):
        wanted = ("red", "blue")[n % 2]
        if flash.allows(light(100, color=wanted), 5 + n / 20) and wanted != shown[-1]:
            shown.append(wanted)
    assert shown == ["black", "red", "blue", "red"]


@pytest.mark.parametrize(("max_hz", "count", "apart_s"), [(3, 4, 4 / 3), (0.5, 1, 2.0), (2.5, 5, 2.0)])
def test_a_share_below_one_is_one_rise_in_a_longer_time(max_hz, count, apart_s):
    flash = Flash(MemoryJournal(), "b", 0.0, max_hz, count)
    went = []
    for n in range(400):
        if flash.allows(light(100), 5 + n / 50):
            went.append(5 + n / 50)
            flash.off()
        flash.off()
    assert min(b - a for a, b in itertools.pairwise(went)) == pytest.approx(apart_s * 1.02, abs=0.03)


def test_the_lights_of_a_zone_share_and_those_of_no_zone_do_so_together():
    devices = {
        "a": Device("virtual", ("light",), zones=("stage", "all-lights")),
        "b": Device("virtual", ("flash",), zones=("all-lights",)),
        "c": Device("virtual", ("light",)),
        "d": Device("virtual", ("light",), limits=Limits(max_flash_hz=0)),
        "e": Device("virtual", ("wind",), zones=("stage",)),
        "f": Device("remote", ("light",), zones=("stage",)),
    }
    assert [lights.sharing(name, devices) for name in "abcde"] == [2, 2, 2, 2, 1]
    assert set(lights.unlimited(devices)) == {(lights.NO_ZONE, "d"), ("stage", "f")}
