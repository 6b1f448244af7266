"""On, at most so much and for so long, and off; and which of several effects a device gets."""

import time

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")

# --- start, duration, limits --------------------------------------------------------------------------------------


def test_off_comes_first_of_all_and_only_then_is_it_ready_and_an_effect_driven(new):
    stage = new()
    assert stage.gate == "starting"
    stage.set("e1")
    stage.loop.until(lambda: stage.ack("e1"))
    assert stage.fan.calls == ["open", "off", "apply e1"]
    assert [state["on"] for state in stage.on("state")][:1] == [False]
    assert stage.on("availability") == [b"online"]
    assert stage.gate == "ready"


def test_an_effect_is_on_for_its_duration_and_then_off(stage):
    stage.set("e1", duration=80, parameters={"deep": [1]})
    stage.until_acked("e1", "done")
    stage.loop.until(lambda: stage.state)
    told = {"on": True, "effect_type": "wind", "intensity": 60, "parameters": {"deep": [1]}, "effect_id": "e1"}
    assert {key: stage.state[key] for key in told} == told
    stage.until_calls("apply e1", "off")
    assert 0.08 <= stage.fan.times[1] - stage.fan.times[0] < 2
    stage.loop.until(lambda: not stage.state["on"])
    assert stage.state["effect_id"] is None


@pytest.mark.parametrize("duration", [0, 60_000, 2**53])
def test_nothing_is_on_for_longer_than_max_on_ms_whatever_was_asked_for(new, duration):
    stage = new("max_on_ms: 70").start()
    stage.set("e1", duration=duration)
    stage.until_calls("apply e1", "off")
    assert 0.07 <= stage.fan.times[1] - stage.fan.times[0] < 2
    assert stage.fan.effects_[0].duration == min(duration, 70)


def test_over_max_intensity_is_clamped_and_the_state_shows_it(new):
    stage = new("max_intensity: 40.5").start()
    stage.set("e1", intensity=90)
    stage.until_acked("e1", "done")
    assert stage.fan.effects_[0].intensity == 40.5
    stage.loop.until(lambda: stage.state)
    assert stage.state["intensity"] == 40.5


def test_intensity_0_switches_off_and_holds_nothing(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2", intensity=0, priority=9)
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off"]
    stage.loop.until(lambda: stage.state.get("effect_id") == "e2")
    assert (stage.state["on"], stage.state["intensity"]) == (False, 0)
    stage.set("e3", priority=0)
    stage.until_acked("e3", "done")


# --- one effect after another -------------------------------------------------------------------------------------


def test_a_newer_effect_takes_the_place_of_the_one_that_is_on_and_is_not_ended_with_it(stage):
    stage.set("e1", duration=120)
    stage.until_acked("e1", "done")
    stage.set("e2", duration=180)
    stage.until_calls("apply e1", "apply e2", "off")
    assert 0.18 <= stage.fan.times[2] - stage.fan.times[1] < 2


def test_an_effect_whose_predecessors_time_is_up_while_it_is_being_applied_stays_on_for_its_own(stage):
    stage.set("e1", duration=120)
    stage.until_acked("e1", "done")
    slow = stage.fan.hold("apply e2")
    stage.set("e2", duration=150)
    stage.loop.spend(0.15)
    applied = time.monotonic()
    slow.set()
    stage.until_calls("apply e1", "apply e2", "off")
    assert 0.15 <= stage.fan.times[2] - applied < 2


def test_when_the_device_is_slow_the_newest_wins_and_those_between_are_superseded(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    for name in ("e2", "e3", "e4"):
        stage.set(name)
    assert (stage.ack("e1"), stage.ack("e2"), stage.ack("e3")) == ("", "superseded", "superseded")
    assert "e4" in stage.reason("e3")
    slow.set()
    stage.until_acked("e4", "done")
    assert stage.ack("e1") == "done"
    assert stage.fan.calls == ["apply e1", "apply e4"]


def test_an_older_effect_that_arrives_later_is_superseded(stage):
    stage.set("e2", seq=20)
    stage.set("e1", seq=10, newest=20)
    stage.until_acked("e2", "done")
    assert stage.ack("e1") == "superseded"
    assert stage.fan.calls == ["apply e2"]


def test_beyond_max_rate_hz_the_newest_waits_and_those_between_are_superseded(new):
    stage = new("max_rate_hz: 8").start()
    for name in ("e1", "e2", "e3"):
        stage.set(name)
    stage.until_acked("e3", "done")
    assert (stage.ack("e1"), stage.ack("e2")) == ("done", "superseded")
    assert 0.12 <= stage.fan.times[1] - stage.fan.times[0] < 2


def test_a_stop_is_never_delayed_by_max_rate_hz(new):
    stage = new("max_rate_hz: 0.1").start()
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2")
    stage.send("devices/fan/stop")
    assert stage.ack("e2") == "stopped"
    stage.until_calls("apply e1", "off")
    assert stage.fan.times[1] - stage.fan.times[0] < 5


@pytest.mark.parametrize(("priority", "word"), [(4, "superseded"), (5, "done"), (6, "done")])
def test_only_a_lower_priority_gives_way_to_what_is_on(stage, priority, word):
    stage.set("e1", priority=5)
    stage.until_acked("e1", "done")
    stage.set("e2", priority=priority)
    stage.until_acked("e2", word)
    if word == "superseded":
        assert "e1 has priority 5" in stage.reason("e2")


def test_a_lower_priority_gives_way_to_what_is_being_applied(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9)
    stage.until_calls("apply e1")
    stage.set("e2", priority=8)
    assert stage.ack("e2") == "superseded"
    slow.set()
    stage.until_acked("e1", "done")


def test_a_lower_priority_gives_way_to_what_waits(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=1)
    stage.until_calls("apply e1")
    stage.set("e2", priority=9)
    stage.set("e3", priority=8)
    assert (stage.ack("e2"), stage.ack("e3")) == ("", "superseded")
    slow.set()
    stage.until_acked("e2", "done")


def test_after_a_priority_effect_has_ended_or_was_stopped_a_lower_one_is_driven(stage):
    stage.set("e1", priority=9, duration=30)
    stage.until_calls("apply e1", "off")
    stage.set("e2", priority=1)
    stage.until_acked("e2", "done")
    stage.set("e3", priority=9)
    stage.until_acked("e3", "done")
    slow = stage.fan.hold("off")
    stage.send("stop-all")
    stage.resume()
    stage.set("e4", priority=1)  # the device is still on its way to off
    stage.until_calls("apply e3", "off")
    stage.set("e5", priority=2)
    slow.set()
    stage.until_acked("e5", "done")
    assert stage.ack("e4") == "superseded"


def test_what_is_being_applied_when_a_stop_comes_holds_its_priority_no_longer(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9)
    stage.until_calls("apply e1")
    stage.send("stop-all")
    stage.resume()
    stage.set("e2", priority=1)
    slow.set()
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off", "apply e2"]


def test_switching_off_by_intensity_0_holds_no_priority_either(stage):
    slow = stage.fan.hold("off")
    stage.set("e1", intensity=0, priority=9)
    stage.until_calls("off")
    stage.set("e2", priority=1)
    slow.set()
    stage.until_acked("e2", "done")
