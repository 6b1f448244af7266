"""One timeline: it fires, pauses, resumes, seeks and loops."""

from dispatcher_proc import show as show_module
from dispatcher_proc.conductor import Conductor
from effectd.config.reader import Config
from effectd.messages.effect import Effect
from effectd.testing import FakeLoop
from tests.unit.timelines.room import Room, light, wind


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
