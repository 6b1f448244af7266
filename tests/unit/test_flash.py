"""No stream of effects, and no death, makes the lights of a zone rise more often than the flash limit allows."""

import fcntl
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.flash import Flash, Zone
from drivers.rises import Rises
from effectd.config import lights
from effectd.config.schema import Device, Limits
from effectd.messages.effect import Effect
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
def test_no_second_has_more_rises_than_the_limit_whatever_comes(history, most):
    with Life(max_flash_hz=most) as life:
        for what, *details in history:
            life.do(what, *details)
    assert most_in_a_second(rises(life.driven)) <= most


class Stage:
    """Some lights, each in a process of its own, that share a file; `risen`: when each rose, by a clock of its own."""

    def __init__(self, folder: Path, lights: int, max_hz: float = 3.0) -> None:
        self.path, self.count, self.max_hz = folder / "stage.flashes", lights, max_hz
        self.now, self.boot = 1000.0, "a boot"
        self.past = 0.0  # what earlier boots took
        self.rises: dict[int, Rises] = {}
        self.flash: dict[int, Flash] = {}
        self.level = dict.fromkeys(range(lights), 0.0)
        self.risen: list[tuple[float, int]] = []
        self.started: set[int] = set()

    def start(self, which: int) -> None:
        if which in self.rises:
            self.rises[which].close()
        known = which in self.started
        self.rises[which] = Rises(self.path, self.boot, known=known)
        zone = Zone(self.rises[which], crowded=self.count > self.max_hz)
        self.flash[which] = Flash([zone], self.max_hz, lambda: self.now)
        self.level[which] = 0.0
        self.started.add(which)

    def ask(self, which: int, level: float) -> bool:
        if which not in self.flash:
            self.start(which)
        if not self.flash[which].allows(light(level)):
            return False
        if level - self.level[which] >= 10:
            self.risen.append((self.past + self.now, which))
        self.level[which] = level
        return True

    def drive(self, which: int, level: float, call_s: float) -> bool:
        """As `ask`, and the call takes so long; nobody knows when within it the light rises."""
        driven = self.ask(which, level)
        self.now += call_s
        self.flash[which].driven()
        return driven

    def reboot(self) -> None:
        self.past, self.now, self.boot = self.past + self.now - 7.0, 7.0, self.boot + "!"
        for which in self.rises:
            self.start(which)

    def close(self) -> None:
        for each in self.rises.values():
            each.close()


def flashes_of(risen: list[tuple[float, int]]) -> list[float]:
    """Each begins with a light's rise; others belong to it that follow within 20 ms, each light once."""
    found: list[float] = []
    lights_in_it: set[int] = set()
    for at, which in sorted(risen):
        if found and at - found[-1] <= 0.0200001 and which not in lights_in_it:
            lights_in_it.add(which)
        else:
            found.append(at)
            lights_in_it = {which}
    return found


what_happens = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 7), st.sampled_from([0, 100])),
    st.tuples(st.just("slow"), st.integers(0, 7), st.just(100)),
    st.tuples(st.just("all"), st.just(0), st.sampled_from([0, 100])),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from([0.001, 0.01, 0.015, 0.05, 0.4])),
    st.tuples(st.just("kill"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("reboot"), st.just(0), st.just(0)),
    st.tuples(st.just("lose the file"), st.integers(0, 7), st.just(0)),
)


@given(st.lists(what_happens, max_size=120), st.integers(1, 8))
def test_the_lights_of_a_zone_flash_no_more_together_than_one_may_whatever_comes(stream, count):
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), count)
        for which in range(count):
            stage.start(which)
        for what, which, value in stream:
            match what:
                case "ask":
                    stage.ask(which % count, value)
                case "slow" if count <= stage.max_hz:
                    asked = len(stage.risen)
                    stage.drive(which % count, value, 0.15)
                    stage.risen[asked:] = [(at + 0.15 * (which % 2), who) for at, who in stage.risen[asked:]]
                case "all":
                    for each in range(count):
                        stage.ask(each, value)
                case "wait":
                    stage.now += value
                case "kill":
                    stage.start(which % count)
                case "reboot":
                    stage.reboot()
                case "lose the file":  # a cleaner of temporary files, and with it a driver's death
                    stage.path.unlink(missing_ok=True)
                    stage.start(which % count)
        stage.close()
    if count <= stage.max_hz:
        assert most_in_a_second([at for at, _ in stage.risen]) <= 3
    assert most_in_a_second(flashes_of(stage.risen)) <= 3


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([0, 100])), max_size=40), st.integers(0, 60))
def test_lights_of_processes_of_their_own_that_die_at_any_moment_leave_a_file_that_counts(stream, torn_at):
    """Whatever another boot, or nobody, has written there: at most a second without a rise, and never more of them."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), 3)
        stage.path.write_bytes(bytes(range(256)) * torn_at)
        for which in range(3):
            stage.start(which)
        for which, value in stream:
            stage.now += 0.05
            stage.ask(which % 3, value)
        stage.now += 5
        stage.ask(0, 0)
        assert stage.ask(0, 100)
        stage.close()
    assert most_in_a_second([at for at, _ in stage.risen]) <= 3


def test_the_many_lights_of_a_zone_go_on_together_and_in_turn_only_as_often_as_one_may(tmp_path):
    stage = Stage(tmp_path, 12)
    for which in range(12):
        stage.start(which)
    stage.now += 1
    assert all(stage.ask(which, 100) for which in range(12))  # one flash to the eye
    for which in range(12):
        stage.ask(which, 0)
    went = 0
    for which in range(12):  # a chase of 20 Hz
        stage.now += 0.05
        went += stage.ask(which, 100)
    stage.close()
    assert went == 2


def test_one_light_of_a_zone_has_all_its_flashes_while_the_others_rest(tmp_path):
    stage = Stage(tmp_path, 3)
    assert [stage.ask(0, 100) and stage.ask(0, 0) for _ in range(4)] == [True, True, True, False]
    assert not stage.ask(1, 100)
    stage.now += 1.03
    assert stage.ask(1, 100)
    stage.close()


def test_a_process_that_stands_still_with_the_lock_holds_no_other_up(tmp_path):
    stage = Stage(tmp_path, 2)
    assert stage.ask(0, 100)
    with open(stage.path) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not stage.ask(1, 100)
    assert stage.ask(1, 100)
    stage.close()


def test_a_flash_of_a_slow_light_counts_from_when_its_call_came_back(tmp_path):
    stage = Stage(tmp_path, 2)
    for which in range(2):
        stage.start(which)
    for _ in range(3):
        assert stage.drive(0, 100, 0.2)
        stage.ask(0, 0)
    stage.now += 0.5  # 1.1 s since the first was asked for, 0.9 s since it may have come out
    assert not stage.ask(1, 100)
    stage.now += 0.2
    assert stage.ask(1, 100)
    stage.close()


def test_a_home_of_an_older_version_has_its_first_flash_a_second_after_its_start(tmp_path):
    stage = Stage(tmp_path, 1)
    stage.started.add(0)
    stage.start(0)
    assert not stage.ask(0, 100)
    stage.now += 1.03
    assert stage.ask(0, 100)
    stage.close()


def test_what_cannot_be_noted_is_not_driven(tmp_path):
    stage = Stage(tmp_path, 1)
    stage.path.symlink_to(tmp_path / "elsewhere")
    assert not stage.ask(0, 100)
    assert stage.ask(0, 5)  # no rise
    stage.close()


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


def test_colours_that_alternate_are_flashes_as_well(tmp_path):
    stage = Stage(tmp_path, 1)
    stage.start(0)
    shown = ["black"]
    for n in range(20):
        wanted = ("red", "blue")[n % 2]
        stage.now += 1 / 20
        if stage.flash[0].allows(light(100, color=wanted)) and wanted != shown[-1]:
            shown.append(wanted)
    stage.close()
    assert shown == ["black", "red", "blue", "red"]


@pytest.mark.parametrize(("max_hz", "apart_s"), [(1, 1.0), (0.5, 2.0), (0.1, 10.0)])
def test_a_limit_below_one_is_one_rise_in_a_longer_time(tmp_path, max_hz, apart_s):
    stage = Stage(tmp_path, 1, max_hz)
    for _ in range(2000):
        stage.now += 1 / 50
        stage.ask(0, 100)
        stage.ask(0, 0)
    stage.close()
    apart = [b - a for (a, _), (b, _) in itertools.pairwise(stage.risen)]
    assert min(apart) == pytest.approx(apart_s * 1.02, abs=0.03)


def test_the_lights_of_a_zone_share_and_those_of_no_zone_do_so_together():
    devices = {
        "a": Device("virtual", ("light",), zones=("stage", "all-lights")),
        "b": Device("virtual", ("flash",), zones=("all-lights",)),
        "c": Device("virtual", ("light",)),
        "d": Device("virtual", ("light",), limits=Limits(max_flash_hz=0)),
        "e": Device("virtual", ("wind",), zones=("stage",)),
        "f": Device("remote", ("light",), zones=("stage",)),
        "g": Device("virtual", ("light",), zones=("all-lights",), limits=Limits(max_flash_hz=1)),
    }
    assert lights.zones("a", devices) == {"stage": False, "all-lights": False}
    assert lights.zones("c", devices) == {lights.NO_ZONE: False}
    assert lights.zones("g", devices) == {"all-lights": True}
    assert set(lights.unlimited(devices)) == {(lights.NO_ZONE, "d"), ("stage", "f")}
