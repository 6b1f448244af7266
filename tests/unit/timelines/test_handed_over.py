"""Cues over an ambience for hours, and a lower effect that follows a higher one while its driver is a little late."""

import pytest

from effectd.messages.effect import Effect
from tests.unit.timelines.room import Device, Room, wind


def test_a_looped_hour_of_ambience_under_two_hundred_cues_is_what_each_of_them_ends_in(room: Room) -> None:
    hour = [wind(minute * 60_000, 60_000, 10 + minute, priority=4) for minute in range(60)]
    room.load("ambience", *hour, duration=3_600_000)
    room.conductor.play("ambience", loop=True)
    room.after(1)
    show = room.conductor.shows["ambience"]
    for number in range(200):
        room.load("cue", wind(0, 700, 90, priority=number % 10))
        room.conductor.play("cue")
        room.conductor.play("cue")  # a button that bounces
        wanted = 10 + int(show.position(room.now()) // 60_000)
        assert room.after(300) == {"fan": 90 if number % 10 >= 4 else wanted}
        room.after(29_900)
        assert room.levels() == {"fan": 10 + int(show.position(room.now()) // 60_000)}, number
    assert show.status == "playing"
    assert show.position(room.now()) == pytest.approx(200 * 30_200 + 1 - 3_600_000)
    assert len(set(room.ids)) == len(room.ids)


class LateDevice(Device):
    """Its driver began a little later than the dispatcher thinks, so it ends as much later."""

    def take(self, effect: Effect, now: float) -> None:
        super().take(effect, now)
        self.until += 3.0


@pytest.fixture
def late_room(room: Room) -> Room:
    room.devices["fan"] = LateDevice()
    return room


def test_a_high_cue_that_a_driver_has_not_ended_yet_does_not_keep_the_ambience_off(late_room: Room) -> None:
    late_room.load("ambience", wind(0, 60_000, 20, priority=3))
    late_room.conductor.play("ambience")
    late_room.load("cue", wind(0, 400, 90, priority=8))
    late_room.conductor.play("cue")
    assert late_room.after(390) == {"fan": 90}
    assert late_room.after(20) == {"fan": 20}


def test_a_lower_effect_that_follows_a_higher_one_at_once_is_on(late_room: Room) -> None:
    late_room.load("film", wind(0, 400, 90, priority=8), wind(400, 400, 30, priority=3), wind(800, 0, 0, priority=0))
    late_room.conductor.play("film")
    assert late_room.after(390) == {"fan": 90}
    assert late_room.after(20) == {"fan": 30}
    assert late_room.after(400) == {}
    assert len([effect for _, _, effect in late_room.sent if not effect.intensity]) == 2


def test_what_a_live_effect_has_taken_over_is_not_switched_off_for_what_follows(late_room: Room) -> None:
    late_room.load("film", wind(0, 400, 90, priority=8), wind(400, 400, 30, priority=3))
    late_room.conductor.play("film")
    late_room.after(200)
    late_room.submit(Effect(id="live", effect_type="wind", intensity=50, duration=10_000, priority=9))
    assert late_room.after(210) == {"fan": 50}
