"""Timelines, played on a clock that the test moves: what each device does at each moment, whatever is asked."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher_proc import routing
from dispatcher_proc import score as scores
from dispatcher_proc import show as show_module
from dispatcher_proc.conductor import Conductor
from dispatcher_proc.score import Score
from dispatcher_proc.show import Show
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages.effect import Effect
from effectd.testing import FakeLoop
from effectd.timeline.document import Timeline, last_end
from effectd.timeline.reading import read
from tests.unit.test_timeline_documents import FOLDER, document

CONFIG = """
devices:
  left: {kind: virtual, effects: [light], location: left}
  right: {kind: virtual, effects: [light], location: right}
  fan: {kind: virtual, effects: [wind], limits: {max_on_ms: 90000}}
  smell: {kind: virtual, effects: [scent]}
  seat: {kind: virtual, effects: [vibration], delay_ms: 300}
  near: {kind: virtual, effects: [fog]}
  far: {kind: virtual, effects: [fog], delay_ms: {up: 2000, down: 800}}
effects:
  light: {labels: {low: 25, "off": 0}}
  wind: {labels: {low: 25, medium: 50, high: 100}}
  scent: {}
  vibration: {duration_ms: 700}
  fog: {}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: Any) -> Config:
    home = tmp_path_factory.mktemp("home")
    (home / "config.yaml").write_text(CONFIG)
    return reader.load(home)


def built(timeline: Timeline, config: Config) -> Score:
    steps = scores.build(timeline, config)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Score = end.value
            return found


def timeline(*effects: dict[str, Any], duration: int | None = None) -> Timeline:
    found = tuple(Effect(id="", **effect) for effect in effects)
    return Timeline("JSON", "", last_end(found) if duration is None else duration, found, (), duration is not None)


class Device:
    """What an actuator does: the newest of at least the priority, until its time is up; intensity 0 ends anything."""

    def __init__(self) -> None:
        self.on: Effect | None = None
        self.until = 0.0

    def take(self, effect: Effect, now: float) -> None:
        if self.on is not None and self.until <= now + 1e-6:
            self.on = None
        if effect.intensity and self.on is not None and self.on.priority > effect.priority:
            return
        self.on, self.until = (effect, now + (effect.duration or 90_000)) if effect.intensity else (None, 0.0)

    def level(self, now: float) -> float:
        return float(self.on.intensity) if self.on is not None and self.until > now + 1e-3 else 0.0


class Room:
    """The real conductor, and devices that obey."""

    def __init__(self, config: Config) -> None:
        self.config, self.loop = config, FakeLoop()
        self.devices = {name: Device() for name in config.devices}
        self.sent: list[tuple[int, str, Effect]] = []  # ms, device, effect as it gets it
        self.ids: list[str] = []
        self.began = self.now()
        self.conductor = Conductor(self.loop, self.submit, self.present, lambda _show: None)

    def now(self) -> float:
        return self.loop.time() * 1000

    def submit(self, effect: Effect, _show: Show | None = None) -> None:
        self.ids.append(effect.id)
        for name, resolved in routing.plan(effect, self.config).devices.items():
            self.sent.append((round(self.now() - self.began), name, resolved))
            self.devices[name].take(resolved, self.now())

    def present(self, device: str) -> list[str]:
        on = self.devices[device].on
        return [] if on is None else [on.id]

    def kill(self, ms: float) -> Show:
        """The dispatcher dies, and its successor comes after this time; the devices go on by themselves."""
        old, noted = self.conductor.shows["film"], self.now()
        position = old.position(noted)
        self.loop.clear()
        self.loop.advance(ms / 1000)
        for device in self.devices.values():
            device.on = device.on if device.until > self.now() else None
        latest = self.conductor.runs.latest
        self.conductor = Conductor(self.loop, self.submit, lambda _device: [], lambda _show: None)
        self.conductor.runs.used(latest)
        assert old.score is not None
        self.conductor.load("film", old.score)
        if old.status == "playing":
            self.conductor.go_on("film", old.run, position, self.now() - noted, old.index, loop=False)
        elif old.status == "paused":
            self.conductor.seek("film", position)
        self.after(0)
        return self.conductor.shows["film"]

    def levels(self) -> dict[str, float]:
        return {name: level for name, each in self.devices.items() if (level := each.level(self.now()))}

    def load(self, name: str, *effects: dict[str, Any], duration: int | None = None) -> Show:
        self.conductor.load(name, built(timeline(*effects, duration=duration), self.config))
        return self.conductor.shows[name]

    def after(self, ms: float) -> dict[str, float]:
        self.loop.advance(ms / 1000)
        return self.levels()


@pytest.fixture
def room(config: Config) -> Room:
    return Room(config)


def wind(at: int, duration: int, intensity: float = 100, priority: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "effect_type": "wind",
        "timestamp": at,
        "duration": duration,
        "intensity": intensity,
        "priority": priority,
        **more,
    }


def light(at: int, duration: int, intensity: float = 100, location: str = "everywhere", **more: Any) -> dict[str, Any]:
    return wind(at, duration, intensity, **more) | {"effect_type": "light", "location": location}


# --- golden vectors ---------------------------------------------------------------------------------------------------

PLAYED = sorted(
    path for path in FOLDER.rglob("*.*") if path.suffix in (".xml", ".txt", ".sem", ".json", ".track", ".history")
)


def commands(path: Path, config: Config) -> str:
    """What each device gets, and when, from the first to the last."""
    room = Room(config)
    room.conductor.load("film", built(read(document(path)), config))
    room.conductor.play("film")
    room.after(4_000_000)
    lines = []
    for at, device, effect in room.sent:
        fields = (f"{effect.intensity:g} %", f"{effect.duration} ms", effect.fade and f"fade {effect.fade} ms")
        parameters = msgspec.json.encode(effect.parameters).decode() if effect.parameters else ""
        lines.append(" ".join(filter(None, [f"{at:>8} {device:<6}", *fields, parameters])))
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.name)
def test_a_sample_brings_exactly_these_commands_at_these_times(path: Path, config: Config) -> None:
    assert commands(path, config) == path.with_name(path.name + ".commands").read_text()


# --- the table --------------------------------------------------------------------------------------------------------

_ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\|.*\|$", show_module.__doc__ or "", re.MULTILINE)
]
TABLE = {
    (state, row[0]): set(cell.split(" / "))
    for row in _ROWS[2:]
    for state, cell in zip(_ROWS[0][1:], row[1:], strict=True)
}
EVENTS: dict[str, Callable[[Show, float, Score], Any]] = {
    "load": lambda show, _, score: show.load(score),
    "load, wrong": lambda show, _, __: show.load_refused(()),
    "play": lambda show, now, _: show.play(now),
    "pause": lambda show, now, _: show.pause(now),
    "resume": lambda show, now, _: show.resume(now),
    "seek": lambda show, now, _: show.seek(now, 700),
    "stop": lambda show, _, __: show.stop(),
    "time passes": lambda show, now, _: show.turn(now),
}


def ways(history: list[tuple[str, int]], config: Config) -> set[tuple[str, str, str]]:
    show, now, score = Show("film"), 0.0, built(timeline(wind(900, 100)), config)
    gone = set()
    for event, passing in history:
        before = show.status
        now += passing if event == "time passes" else 0
        EVENTS[event](show, now, score)
        assert show.status in TABLE[before, event], f"{before} --{event}--> {show.status}"
        gone.add((before, event, show.status))
    return gone


_histories = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 1500)), max_size=30)


@given(_histories)
def test_a_timeline_goes_only_where_the_table_leads(config: Config, history: list[tuple[str, int]]) -> None:
    ways(history, config)


def test_every_way_of_the_table_is_gone(config: Config) -> None:
    to = {
        "empty": [],
        "loaded": ["load"],
        "playing": ["load", "play"],
        "paused": ["load", "play", "pause"],
        "ended": ["load", "play", "time passes"],
    }
    gone = set()
    for way in to.values():
        for event in EVENTS:
            for passing in (10, 1500):
                gone |= ways([(each, 1500) for each in way] + [(event, passing)], config)
    assert {(state, event, to) for (state, event), found in TABLE.items() for to in found} <= gone


# --- one timeline -----------------------------------------------------------------------------------------------------


def test_what_is_at_time_zero_fires_and_each_effect_ends_at_its_time(room: Room) -> None:
    room.load("film", wind(0, 500, 40), wind(1000, 500, 60))
    room.conductor.play("film")
    assert room.after(0) == {"fan": 40}
    assert room.after(501) == {}
    assert room.after(500) == {"fan": 60}
    assert room.after(500) == {}
    assert room.conductor.shows["film"].status == "ended"
    assert [effect_id.split(".")[2] for effect_id in room.ids] == ["0", "1"]


class CreepingLoop(FakeLoop):
    """As a real one: each look at the clock is later than the one before."""

    def time(self) -> float:
        self.now += 1e-5
        return self.now


def test_what_begins_at_the_very_moment_of_an_order_is_fired_once(config: Config) -> None:
    room = Room(config)
    room.loop = CreepingLoop()
    room.conductor = Conductor(room.loop, room.submit, room.present, lambda _show: None)
    room.load("film", wind(0, 900), light(0, 400), wind(1000, 900), duration=2000)
    room.conductor.play("film", loop=True)
    room.after(4100)
    for position in (0, 1000):
        room.conductor.seek("film", position)
        room.conductor.pause("film")
        room.conductor.seek("film", position)
        room.conductor.resume("film")
    room.loop.now += 1.0  # the process slept, for longer than a late effect is fired
    room.after(10)
    fired = [each for each in room.ids if not each.endswith(".off")]
    assert len(fired) == len(set(fired))
    assert len(fired) >= 12


def test_what_is_due_and_not_fired_yet_is_not_restored_too(room: Room) -> None:
    room.load("below", wind(0, 2000, 30), wind(500, 2000, 40), duration=3000)
    room.load("cue", wind(0, 450, 80, priority=7), wind(460, 900, 80, priority=7), duration=2000)
    room.conductor.play("below")
    room.conductor.play("cue")
    room.after(490)
    room.loop.now += 0.02  # the loop is busy, and the order comes before the timer of what is due at 500
    room.conductor.stop("cue")
    assert room.after(1) == {"fan": 40}
    fired = [each for each in room.ids if not each.endswith(".off")]
    assert len(fired) == len({(name, run, n.partition("-")[0]) for name, run, n in (each.split(".") for each in fired)})
    assert [each.split(".")[2] for each in fired if each.startswith("below")][-1] == "1"


def test_effects_replace_each_other_only_where_they_share_a_device(room: Room) -> None:
    room.load("film", light(0, 3000, 20), light(1000, 500, 80, "left"))
    room.conductor.play("film")
    assert room.after(1100) == {"left": 80, "right": 20}
    assert room.after(500) == {"right": 20}  # what was replaced does not come back


def test_a_pause_idles_and_resume_restores_what_is_due_with_what_is_left_of_it(room: Room) -> None:
    room.load(
        "film", wind(0, 3000, 40, fade=2000), *(light(1000 + n, 5) for n in range(0, 1000, 10)), light(1000, 9000, 7)
    )
    room.conductor.play("film")
    room.after(500)
    room.conductor.pause("film")
    assert room.after(9_000) == {}
    before = len(room.sent)
    room.conductor.resume("film")
    ((_, device, effect),) = room.sent[before:]
    assert (device, effect.duration, effect.fade) == ("fan", 2500, 1500)
    room.conductor.seek("film", 1999)
    assert room.after(0) == {"fan": 40}


def test_a_seek_over_a_thousand_effects_sends_only_what_is_due(room: Room) -> None:
    room.load("film", *(wind(n * 10, 10, 1 + n % 99) for n in range(2000)), light(100, 60_000, 30))
    room.conductor.play("film")
    room.after(5)
    before = len(room.sent)
    room.conductor.seek("film", 15_005)
    sent = [(device, effect.duration) for _, device, effect in room.sent[before:]]
    assert sorted(sent) == [("fan", 5), ("left", 45_095), ("right", 45_095)]


def test_a_thousand_effects_at_one_moment_hold_nothing_up(room: Room) -> None:
    room.load("film", *(wind(0, 1000, 1 + n % 99) for n in range(1000)), *(light(0, 500) for _ in range(1000)))
    room.conductor.play("film")
    assert len(room.ids) == show_module.AT_ONCE
    room.after(0)
    assert len(room.ids) == 2000
    assert room.levels() == {"fan": 10, "left": 100, "right": 100}


def test_a_pause_leaves_a_live_effect_alone(room: Room) -> None:
    room.load("film", wind(0, 60_000, 40), light(0, 60_000, 30))
    room.conductor.play("film")
    room.after(100)
    room.submit(Effect(id="live", effect_type="wind", intensity=99, duration=50_000))
    room.conductor.pause("film")
    assert room.after(100) == {"fan": 99}


def test_a_second_go_within_80_ms_is_the_same_one(room: Room) -> None:
    room.load("cue", wind(0, 500, 40))
    room.conductor.play("cue")
    room.after(60)
    room.conductor.play("cue")
    assert len(room.ids) == 1
    room.after(60)
    room.conductor.play("cue")
    assert len(set(room.ids)) == 2


def test_a_load_while_it_plays_waits_for_the_next_play(room: Room) -> None:
    show = room.load("film", wind(0, 5000, 40))
    room.conductor.play("film")
    room.after(100)
    room.load("film", wind(0, 5000, 70))
    assert room.after(100) == {"fan": 40}
    assert show.next is not None
    room.conductor.play("film")
    assert room.after(10) == {"fan": 70}
    assert show.next is None


def test_a_loop_has_no_gap_no_drift_and_new_ids(room: Room) -> None:
    room.load("ambience", wind(0, 100), light(900, 100), duration=1000)
    room.conductor.play("ambience", loop=True)
    room.after(10_050)
    starts = [at for at, device, _ in room.sent if device == "fan"]
    assert starts == [n * 1000 for n in range(11)]
    assert len(set(room.ids)) == len(room.ids)


def test_a_delayed_device_is_told_earlier_never_before_the_start(room: Room) -> None:
    room.load("film", {"effect_type": "vibration", "timestamp": 100}, {"effect_type": "vibration", "timestamp": 2000})
    room.conductor.play("film")
    room.after(5000)
    assert [(at, effect.duration) for at, _, effect in room.sent] == [(0, 500), (1700, 700)]


def test_a_device_that_rises_slower_than_it_falls_has_a_share_of_its_own(room: Room) -> None:
    room.load("film", wind(3000, 5000, 80) | {"effect_type": "fog"}, wind(9000, 0, 0) | {"effect_type": "fog"})
    room.conductor.play("film")
    room.after(20_000)
    sent = [(device, at, effect.duration, effect.intensity) for at, device, effect in room.sent]
    assert sent == [("far", 1000, 6200, 80), ("near", 3000, 5000, 80), ("far", 8200, 0, 0), ("near", 9000, 0, 0)]
    assert len(set(room.ids)) == 4


def test_a_loop_that_sleeps_does_not_fire_what_fell_due_meanwhile(room: Room) -> None:
    room.load("film", *(wind(n * 100, 90, 1 + n) for n in range(60)), light(50, 5000))
    room.conductor.play("film")
    room.after(10)
    room.loop.now += 2.02  # the machine was suspended
    room.after(0)
    assert {device: len([1 for _, name, _ in room.sent if name == device]) for device in ("fan", "left")} == {
        "fan": 2,
        "left": 1,
    }
    assert room.levels() == {"fan": 21, "left": 100, "right": 100}


# --- in step with another player --------------------------------------------------------------------------------------


def test_a_small_difference_is_slewed_away_and_a_large_one_is_a_seek(room: Room) -> None:
    show = room.load("film", *(wind(n * 1000, 900) for n in range(20)))
    room.conductor.play("film")
    room.after(1500)
    count = len(room.sent)
    room.conductor.seek("film", 1540)
    assert len(room.sent) == count
    positions = []
    for _ in range(25):
        before = show.position(room.now())
        room.after(100)
        positions.append(show.position(room.now()) - before)
    assert all(100 <= each <= 102.001 for each in positions)
    assert abs(show.position(room.now()) - (1540 + 2500)) < 0.01
    assert positions[-1] == pytest.approx(100)
    room.conductor.seek("film", show.position(room.now()) - 60)
    assert room.after(1000) is not None
    assert positions[-1] == pytest.approx(100)
    room.after(4000)
    assert abs(show.position(room.now()) - (4040 - 60 + 5000)) < 0.01
    count = len(room.sent)
    room.conductor.seek("film", 12_345)
    assert len(room.sent) == count + 1
    assert show.position(room.now()) == 12_345


def test_what_was_fired_at_the_very_moment_of_a_death_stays_on(room: Room) -> None:
    room.load(
        "film",
        {"effect_type": "light", "location": "left", "intensity": 20},
        {"effect_type": "light", "timestamp": 500, "intensity": 0},
    )
    room.conductor.play("film")
    assert room.after(0) == {"left": 20}
    room.kill(0)
    assert room.levels() == {"left": 20}
    assert room.after(500) == {}


# --- several ----------------------------------------------------------------------------------------------------------


def test_cues_end_in_the_ambience_again_whatever_their_priority(room: Room) -> None:
    room.load("ambience", wind(0, 60_000, 20, priority=3), duration=60_000)
    room.conductor.play("ambience", loop=True)
    room.after(1000)
    for number, priority in enumerate((3, 5, 9)):
        room.load(f"cue{number}", wind(0, 400, 90, priority=priority))
        room.conductor.play(f"cue{number}")
        assert room.after(100) == {"fan": 90}
        assert room.after(310) == {"fan": 20}
    room.conductor.play("cue2")
    room.after(100)
    room.conductor.stop("cue2")
    assert room.after(1) == {"fan": 20}
    room.conductor.pause("ambience")
    assert room.after(1) == {}
    room.conductor.play("cue1")
    assert room.after(500) == {}
    assert len(set(room.ids)) == len(room.ids)


def test_a_paused_timeline_gets_nothing_back_and_a_live_effect_is_not_followed_by_one(room: Room) -> None:
    room.load("ambience", wind(0, 60_000, 20))
    room.conductor.play("ambience")
    room.load("cue", wind(0, 400, 90))
    room.conductor.play("cue")
    room.after(100)
    room.submit(Effect(id="live", effect_type="wind", intensity=50, duration=100))
    assert room.after(350) == {}


def test_stop_all_stops_every_timeline_and_sends_nothing(room: Room) -> None:
    for name in ("a", "b"):
        room.load(name, wind(0, 60_000, 20), wind(1000, 100))
        room.conductor.play(name)
    count = len(room.sent)
    room.conductor.stop_all(off=True)
    room.after(5000)
    assert len(room.sent) == count
    assert {show.status for show in room.conductor.shows.values()} == {"loaded"}
    room.conductor.play("a")
    room.conductor.play("b")
    room.conductor.stop_all(off=False)
    assert room.after(0) == {}


# --- the obvious model ------------------------------------------------------------------------------------------------


def wanted(effects: tuple[Effect, ...], config: Config, at: float) -> dict[str, float]:
    """Slow and obvious: everything from the start up to `at`, one after the other."""
    on: dict[str, tuple[float, int, float]] = {}  # device -> intensity, priority, end
    for effect in sorted(effects, key=lambda each: each.timestamp):
        if effect.timestamp > at:
            break
        for name, resolved in routing.plan(effect, config).devices.items():
            level, priority, end = on.get(name, (0.0, 0, 0.0))
            if end > effect.timestamp and level and priority > effect.priority and resolved.intensity:
                continue
            lasts = min(resolved.duration or 60_000, config.devices[name].limits.max_on_ms)
            on[name] = float(resolved.intensity), effect.priority, effect.timestamp + lasts
    return {name: level for name, (level, _, end) in on.items() if level and end > at + 1e-3}


_effects = st.lists(
    st.builds(
        lambda kind, at, lasts, level, priority, place: Effect(
            id="",
            effect_type=kind,
            timestamp=at * 10,
            duration=lasts * 10,
            intensity=level,
            priority=priority,
            location=place if kind == "light" else "everywhere",
        ),
        st.sampled_from(["light", "wind"]),
        st.integers(0, 100),
        st.integers(0, 60),
        st.sampled_from([0, 20, 70]),
        st.integers(3, 7),
        st.sampled_from(["left", "right", "everywhere"]),
    ),
    min_size=1,
    max_size=12,
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["play", "seek"]), st.integers(0, 1500)),
        st.tuples(st.sampled_from(["pause", "resume", "stop"]), st.just(0)),
        st.tuples(st.sampled_from(["after", "kill"]), st.integers(0, 700)),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(_effects, _steps)
def test_each_device_is_at_each_moment_where_an_obvious_model_has_it(
    config: Config, effects: list[Effect], steps: list[tuple[str, int]]
) -> None:
    found = tuple(effects)
    room = Room(config)
    room.conductor.load("film", built(Timeline("JSON", "", last_end(found), found), config))
    show = room.conductor.shows["film"]
    position, playing, dark = 0.0, False, True  # of the model: dark while nothing may be on
    for step, value in [("play", 0), *steps]:
        length = float(show.score.length if show.score else 0)
        if step == "after":
            room.after(value)
            position += value if playing else 0
        elif step == "kill" and show.status != "ended":
            show = room.kill(value)
            position += value if playing else 0
        elif step == "play":
            room.after(100)  # not the same one twice
            position += 100 if playing else 0
            room.conductor.play("film", value)
            position, playing, dark = min(float(value), length), True, False
        elif step == "seek":
            slewed = playing and position < length and abs(value - position) < show_module.SLEWED_MS
            if slewed:
                continue
            was = playing and position < length
            room.conductor.seek("film", value)
            position, playing = min(float(value), length), was
            dark = dark if was else True
        elif step == "pause":
            room.conductor.pause("film")
            if playing and position < length:
                playing, dark = False, True
        elif step == "resume":
            room.conductor.resume("film")
            playing, dark = (
                (True, False) if show.status in ("playing", "ended") and not playing and dark else (playing, dark)
            )
        elif step == "stop":
            room.conductor.stop("film")
            position, playing, dark = 0.0, False, True
        room.after(0)
        assert room.levels() == ({} if dark else wanted(found, config, position)), (step, value, position, show.status)
    assert len(set(room.ids)) == len(room.ids)
