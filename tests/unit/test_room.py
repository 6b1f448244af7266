"""The model of the room: histories of messages in, what each device and program does now out; and anything hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.cli.watch import draw
from effectd.config.schema import Device
from effectd.messages import answers
from tests.unit.watch_story import Story


def test_a_device_of_which_nobody_has_spoken_is_neither_on_nor_offline():
    fan = Story().room.devices["wind"]
    assert (fan.on, fan.online, fan.latency_ms) == (False, None, None)


def test_an_effect_that_reached_its_device_is_on_with_its_id_remaining_time_and_latency():
    story = Story().ready()
    story.on("light", 80, 3000, color="orange")
    story.at = 1.0
    light = story.room.devices["light"]
    assert light.running(story.room.now())
    assert (light.effect_type, light.intensity, light.effect_id) == ("light", 80, "light-0")
    assert light.left(story.room.now()) == pytest.approx(2.0)
    assert (light.latency_ms, light.look) == (2.5, "orange")


def test_a_device_is_off_when_its_state_says_so_and_keeps_the_latency_of_its_last_effect():
    story = Story().ready()
    story.on("wind")
    story.say("devices/wind/state", {"on": False})
    fan = story.room.devices["wind"]
    assert not fan.running(story.room.now())
    assert (fan.effect_id, fan.left(story.room.now()), fan.latency_ms) == ("", None, 2.5)


def test_an_effect_of_duration_0_is_held_and_has_no_remaining_time():
    story = Story().ready()
    story.on("wind", duration=0)
    fan = story.room.devices["wind"]
    assert fan.held
    assert fan.left(story.room.now()) is None


def test_the_remaining_time_of_an_effect_that_began_before_we_came_is_not_known():
    story = Story().ready()
    state = {"on": True, "effect_type": "wind", "intensity": 60, "effect_id": "old"}
    story.say("devices/wind/state", state, retained=True)
    fan = story.room.devices["wind"]
    assert fan.running(story.room.now())
    assert (fan.held, fan.left(story.room.now())) == (False, None)


def test_a_state_said_again_does_not_begin_its_effect_again():
    story = Story().ready()
    story.on("wind", duration=5000)
    story.at = 2.0
    story.say("devices/wind/state", {"on": True, "effect_type": "wind", "intensity": 60, "effect_id": "wind-0"})
    assert story.room.devices["wind"].left(story.room.now()) == pytest.approx(3.0)


def test_the_remaining_time_is_right_again_after_an_outage_of_the_broker():
    story = Story().ready()
    story.on("wind", duration=5000)
    story.at = 1.0
    story.room.lost("away")
    story.at = 3.0
    story.room.connected()
    story.say("devices/wind/state", {"on": True, "intensity": 60, "effect_id": "wind-0"}, retained=True)
    assert story.room.devices["wind"].left(story.room.now()) == pytest.approx(2.0)


def test_an_id_that_is_used_again_later_begins_anew():
    story = Story().ready()
    for story.at in (0.0, 100.0):
        story.say("devices/wind/set", {"id": "again", "duration": 2000})
        story.say("devices/wind/state", {"on": True, "intensity": 60, "effect_id": "again"})
        assert story.room.devices["wind"].left(story.room.now()) == pytest.approx(2.0)
        story.say("devices/wind/state", {"on": False})


def test_a_fan_turns_on_from_where_it_is_when_its_speed_changes_and_stands_when_it_is_off():
    story = Story().ready()
    fan = story.room.devices["wind"]
    story.on("wind", 100, 60000)
    story.at = 2.0
    assert fan.run(story.room.now()) == pytest.approx(2.0)
    story.on("wind", 50, 60000)
    story.at = 4.0
    assert fan.run(story.room.now()) == pytest.approx(3.0)
    story.say("devices/wind/state", {"on": False})
    story.at = 9.0
    assert fan.run(story.room.now()) == pytest.approx(3.0)


def test_an_offline_device_does_not_run_whatever_its_last_state_was():
    story = Story().ready()
    story.on("wind", duration=60000)
    story.at = 1.0
    story.say("devices/wind/availability", b"offline")
    story.at = 5.0
    fan = story.room.devices["wind"]
    assert fan.online is False
    assert not fan.running(story.room.now())
    assert fan.run(story.room.now()) == pytest.approx(0.6)


def test_while_the_broker_is_away_nothing_is_known_and_the_room_says_why():
    story = Story().ready()
    story.on("wind", duration=60000)
    story.room.lost("connection lost")
    assert story.room.away == "connection lost"
    assert not story.room.announced
    assert {device.online for device in story.room.devices.values()} == {None}
    assert {program.state for program in story.room.programs.values()} == {""}
    assert not story.room.devices["wind"].running(story.room.now())
    story.room.connected()
    assert story.room.away == ""


def test_nobody_tells_the_states_of_programs_while_the_dispatcher_is_gone():
    story = Story().ready()
    assert story.room.announced
    story.say("system/dispatcher/state", {"name": "dispatcher", "state": "gone"})
    assert not story.room.announced


def test_a_program_has_its_state_reason_and_since_when():
    story = Story().ready()
    story.at = 10.0
    line = {"state": "degraded", "reason": "no port", "at": story.room.wall() - 3000}
    story.say("system/wind/state", line)
    wind = story.room.programs["wind"]
    assert (wind.state, wind.reason) == ("degraded", "no port")
    assert story.room.now() - wind.since == pytest.approx(3.0)


def test_a_last_will_without_a_time_counts_from_its_arrival_and_said_again_from_the_first():
    story = Story().ready()
    for story.at in (4.0, 7.0):
        story.say("system/dispatcher/state", {"state": "gone"})
        assert story.room.programs["dispatcher"].since == 1004.0


@pytest.mark.parametrize("status", sorted(answers.FINAL - {"done"}))
def test_a_receipt_that_is_not_done_is_a_trouble_once_however_often_it_is_said(status: str):
    story = Story().ready()
    for _ in range(3):
        story.say("receipts/e-1", {"status": status, "effect_type": "wind", "reason": "because"})
    trouble = story.room.troubles[0]
    assert (trouble.word, trouble.what, trouble.reason, trouble.effect_id) == (status, "wind", "because", "e-1")
    assert (len(story.room.troubles), story.room.trouble_count) == (1, 1)


@pytest.mark.parametrize("status", ["done", "accepted", "else", 7, None])
def test_a_receipt_with_any_other_word_is_none(status: Any):
    story = Story().ready()
    story.say("receipts/e-1", {"status": status, "effect_type": "wind"})
    assert story.room.troubles == []


def test_a_dead_letter_is_a_trouble_but_not_beside_the_receipt_of_the_same_effect():
    story = Story().ready()
    story.say("dead-letters/malformed", {"id": None, "topic": "effects/wind", "detail": "no JSON"})
    story.say("receipts/e-1", {"status": "refused", "effect_type": "wind", "reason": "intensity: ..."})
    story.say("dead-letters/refused", {"id": "e-1", "topic": "effects/wind", "detail": "intensity: ..."})
    assert [(t.word, t.what) for t in story.room.troubles] == [("refused", "wind"), ("malformed", "effects/wind")]


def test_only_the_last_troubles_are_kept_and_all_are_counted():
    story = Story().ready()
    for number in range(500):
        story.say(f"receipts/e-{number}", {"status": "expired"})
    assert len(story.room.troubles) == 100
    assert story.room.troubles[0].effect_id == "e-499"
    assert story.room.trouble_count == 500


def test_a_stop_is_told():
    story = Story().ready()
    story.say("devices/wind/stop", b"")
    story.say("stop-all", b"x")
    assert [(t.word, t.what) for t in story.room.troubles] == [("stop", "everything"), ("stop", "wind")]


def test_effects_per_second_are_those_of_the_last_two_seconds():
    story = Story().ready()
    for number in range(30):
        story.at = number / 10
        story.say("effects/wind", 1)
    assert story.room.rate() == pytest.approx(10, abs=0.5)
    story.at += 2.1
    assert story.room.rate() == 0


def test_a_retained_copy_of_an_effect_a_receipt_or_a_set_is_nothing():
    story = Story().ready()
    story.say("effects/wind", 60, retained=True)
    story.say("receipts/e-1", {"status": "failed"}, retained=True)
    story.say("devices/wind/set", {"id": "e-1", "duration": 1000}, retained=True)
    assert story.room.rate() == 0
    assert story.room.troubles == []
    assert not story.room.devices["wind"].asked


def test_a_device_that_the_configuration_does_not_know_appears_with_its_own_and_one_with_a_wrong_name_does_not():
    story = Story().ready()
    story.say("devices/fog-2/config", {"kind": "serial", "effects": ["fog"], "location": "left:top"}, retained=True)
    story.say("devices/fog-2/availability", b"online")
    story.say("devices/Fog_2/availability", b"online")
    fog = story.room.devices["fog-2"]
    assert (fog.kind, fog.effects, fog.where, fog.place[0], fog.online) == ("serial", ("fog",), "left:top", 0, True)
    assert "Fog_2" not in story.room.devices


def test_a_microcontroller_that_only_knows_set_is_shown_by_what_it_was_asked():
    story = Story({"fan": Device("remote", ("wind",), options={"ack": False})})
    fan = story.room.devices["fan"]
    story.say("devices/fan/set", {"id": "e-1", "effect_type": "wind", "intensity": 40, "duration": 2000})
    assert fan.running(story.room.now())
    assert (fan.intensity, fan.effect_id, fan.left(story.room.now())) == (40, "e-1", 2.0)
    story.at = 2.1
    assert not fan.running(story.room.now())
    story.say("devices/fan/set", {"id": "e-2", "effect_type": "wind", "intensity": 40, "duration": 0})
    story.say("devices/fan/set", {"id": "e-3", "effect_type": "wind", "intensity": 0, "duration": 0})
    assert not fan.running(story.room.now())


def test_under_a_topic_root_only_what_is_below_it_is_heard():
    story = Story(root="hall")
    assert all(topic.startswith("hall/") for topic in story.room.subscriptions)
    story.say("devices/wind/availability", b"online")
    assert story.room.devices["wind"].online is None
    story.say("hall/devices/wind/availability", b"online")
    assert story.room.devices["wind"].online is True


def test_what_strangers_publish_cannot_make_the_room_grow_without_end():
    story = Story()
    for number in range(2000):
        story.say(f"devices/x{number}/availability", b"online")
        story.say(f"system/x{number}/state", {"state": "ready"})
        story.say("devices/wind/set", {"id": f"e-{number}", "duration": 1})
    assert len(story.room.devices) == 4 + 256
    assert len(story.room.programs) == 6 + 256
    assert len(story.room.devices["wind"].asked) == 64


# --- anything at all -------------------------------------------------------------------------------------------------

TOPICS = (
    "holds/door",
    "system/holds",
    *("effects/wind", "effects", "devices/wind/state", "devices/wind/set", "devices/wind/availability"),
    *("devices/wind/config", "devices/wind/stop", "devices/wind/ack", "devices/new/state", "devices//state"),
    *("receipts/e-1", "receipts/", "dead-letters/malformed", "dead-letters/\x1b[31m", "system/wind/state"),
    *("system/dispatcher/state", "system//state", "stop-all", "elsewhere", "", "holds/door", "system/holds"),
)
FIELDS = (
    *("on", "intensity", "effect_type", "effect_id", "parameters", "since", "id", "duration", "status", "devices"),
    *("latency_ms", "reason", "detail", "topic", "state", "at", "kind", "effects", "location", "limits"),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(2**53), 2**63, 1e308, float("inf"), float("nan")]),
    st.floats(),
    st.text(),
    st.sampled_from(["\x1b]0;x\x07", "\ud800", "left:front", "\u202e", "字" * 50, "online", "failed", "ready", "wind"]),
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=4),
    st.dictionaries(st.sampled_from(["color", "rgb", "scent", "wind", "\n"]), scalars, max_size=4),
)
payloads = st.one_of(
    st.binary(),
    st.sampled_from([b"online", b"offline", b"[" * 100_000, b'{"parameters":' + b'{"a":' * 990 + b"1" + b"}" * 991]),
    st.dictionaries(st.sampled_from(FIELDS), values).map(lambda fields: json.dumps(fields).encode()),
)
messages = st.lists(st.tuples(st.sampled_from(TOPICS), payloads, st.booleans(), st.floats(0, 1e6)), max_size=8)


@given(messages, st.integers(1, 130), st.integers(1, 50))
def test_no_message_whatsoever_raises_or_draws_what_a_terminal_must_not_get(
    history: list[tuple[str, bytes, bool, float]], width: int, height: int
):
    story = Story().ready()
    for topic, payload, retained, passed in history:
        story.at += passed
        story.room.take(topic, payload, retained)
        device = story.room.devices["wind"]
        assert 0 <= device.intensity <= 100
    frame = draw.draw(story.room, width, height, colour=True)
    text = "".join(segment.text for line in frame.lines for segment in line)
    text.encode()
    assert all(character.isprintable() for character in text if character < "\xa0")


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1" + "0" * 5000, "1e999", "NaN", "-9007199254740993", '"\\ud800"'])
@pytest.mark.parametrize("field", FIELDS)
def test_a_number_beyond_all_bounds_raises_nothing(field: str, value: str):
    story = Story()
    for topic in TOPICS:
        story.room.take(
            topic, f'{{"on":true,"status":"done","devices":{{"wind":"done"}},"{field}":{value}}}'.encode(), False
        )
    draw.draw(story.room, 80, 24, colour=True)


def test_text_that_is_no_utf_8_raises_nothing():
    story = Story()
    for topic in TOPICS:
        story.room.take(topic, b'{"state":"\xed\xa0\x80"}', False)
    assert story.room.programs["wind"].state == ""


@pytest.mark.parametrize("depth", [*range(880, 1000, 7), 5000])
def test_a_payload_as_deep_as_can_just_be_read_raises_nothing(depth: int):
    story = Story()
    deep = b'{"on":true,"intensity":50,"parameters":{"color":' + b"[" * depth + b"]" * depth + b"}}"
    for topic in TOPICS:
        story.room.take(topic, deep, False)
    draw.draw(story.room, 80, 24, colour=True)
