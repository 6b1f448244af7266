"""Timelines in step with another player, and several at once."""

import pytest

from effectd.messages.effect import Effect
from tests.unit.timelines.room import Room, wind

# --- in step with another player ----------------------------------------------------------------------------------


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


def test_what_has_a_lower_priority_than_what_a_dead_dispatcher_left_on_is_restored(room: Room) -> None:
    room.load(
        "film",
        {"effect_type": "light", "intensity": 20, "duration": 10, "priority": 7},
        {"effect_type": "light", "timestamp": 10, "intensity": 70, "duration": 500, "priority": 3},
    )
    room.conductor.play("film")
    for name in ("left", "right"):  # their clocks are late: they still do the first
        room.devices[name].until += 1000
    room.kill(11)
    assert room.levels() == {"left": 70, "right": 70}


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


# --- several ------------------------------------------------------------------------------------------------------


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
