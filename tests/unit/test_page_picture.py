"""The page's picture of the room: what messages make of it, whoever published them, and what a frame says."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.config import reader, schema
from effectd.messages import answers
from effectd.messages.payload import fields_of
from effectd.messages.topics import Topics
from page_proc.device import Device
from page_proc.lately import KEPT, DeadLetters, Effects
from page_proc.picture import Picture
from tests.unit.test_room import payloads

TOPICS = Topics()
EMPTY = reader.Config(Path(), "", schema.Broker(), {}, {}, ())
FILE = """\
devices:
  fan: {kind: virtual, effects: [wind], zones: [row-a]}
  lamp: {kind: remote, effects: [light], options: {ack: false}}
effects: {wind: {}, light: {}}
"""


class Frames:
    def __init__(self) -> None:
        self.asked = 0

    def changed(self) -> None:
        self.asked += 1


@pytest.fixture
def picture(home) -> Picture:
    (home / "config.yaml").write_text(FILE)
    made = Picture(reader.load(home), Frames().changed, clock=lambda: 5000)
    made.connected()
    made.changes()
    return made


def say(picture: Picture, topic: str, payload: Any, *, retained: bool = False) -> None:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    picture.take(topic.split("/"), data, retained)


def test_a_device_that_changes_many_times_is_once_in_a_frame_with_what_it_does_now(picture):
    say(picture, "devices/fan/availability", b"online")
    say(picture, "devices/fan/set", {"id": "e", "duration": 2000})
    for level in range(50):
        say(picture, "devices/fan/state", {"on": True, "intensity": level, "effect_id": "e", "since": 1000})
    assert list(picture.changes().devices) == ["fan"]
    now = picture.devices["fan"].now
    assert (now["online"], now["on"], now["intensity"], now["ends_at"]) == (True, True, 49, 3000)
    assert not picture.changes()


def test_what_is_said_again_is_no_change(picture):
    say(picture, "devices/fan/state", {"on": False, "since": 1000})
    picture.changes()
    say(picture, "devices/fan/state", {"on": False, "since": 1000})
    assert not picture.changes()


def test_of_a_device_that_only_knows_set_what_was_asked_is_shown(picture):
    say(picture, "devices/lamp/set", {"id": "e", "duration": 300, "intensity": 40, "parameters": {"color": "#010203"}})
    now = picture.devices["lamp"].now
    assert (now["on"], now["intensity"], now["rgb"], now["ends_at"]) == (True, 40, (1, 2, 3), 5300)


def test_without_a_broker_nothing_is_known_and_everything_is_told_anew(picture):
    say(picture, "devices/fan/availability", b"online")
    say(picture, "devices/fan/state", {"on": True, "intensity": 40, "since": 1})
    say(picture, "timelines/film/state", {"status": "playing"})
    picture.changes()
    picture.lost("broker is not running")
    assert picture.changes().all
    assert (picture.devices["fan"].now["online"], picture.devices["fan"].now["on"]) == (None, False)
    assert picture.timelines == {}


def test_why_a_device_is_off_is_shown(picture):
    say(picture, "devices/fan/state", {"on": False, "reason": "held by anna", "since": 1})
    assert picture.devices["fan"].now["reason"] == "held by anna"


def test_a_receipt_that_is_repeated_or_contradicted_changes_nothing(picture):
    receipt = {"id": "e", "status": "accepted", "devices": {}, "latency_ms": None}
    done = receipt | {"status": "done", "devices": {"fan": "done"}, "latency_ms": 2.5}
    for said in (receipt, receipt, done, done, receipt):
        say(picture, "receipts/e", said)
    assert [one["status"] for one in picture.effects.shown] == ["done"]
    assert picture.effects.latency == {"p50": 2.5, "p99": 2.5, "count": 1}
    assert picture.devices["fan"].now["latency_ms"] == 2.5


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_latencies_are_of_what_was_done(values):
    effects = Effects()
    for number, value in enumerate(values):
        effects.receipt({"id": f"e{number}", "status": "done", "latency_ms": value})
    found = effects.latency
    assert found["count"] == len(values)
    assert not values or min(values) <= found["p50"] <= found["p99"] <= max(values)


def test_only_the_last_effects_are_kept():
    effects = Effects()
    for number in range(KEPT + 10):
        effects.receipt({"id": f"e{number}", "status": "done"})
    assert len(effects.shown) == KEPT
    assert effects.shown[0]["id"] == f"e{KEPT + 9}"


def letter(topic: str, payload: bytes) -> dict[str, Any]:
    return msgspec.json.decode(answers.dead_letter("e", topic, payload, "why"))


@given(st.binary(min_size=1, max_size=5000))
def test_a_dead_letter_is_sent_again_byte_for_byte_or_not_at_all(payload):
    letters = DeadLetters(TOPICS)
    shown = letters.letter("refused", letter("effects/wind/left", payload))
    found = letters.effect(shown["n"])
    whole = len(payload) <= answers.SHOWN_BYTES
    assert shown["sendable"] is whole
    assert found == (("wind", payload) if whole else None)


@pytest.mark.parametrize("topic", ["timelines/film/play", "effects", "effects/", "effectsx/wind", "", None, 5])
def test_what_was_no_effect_is_not_sent_again(topic):
    letters = DeadLetters(TOPICS)
    said = {"topic": topic, "payload_base64": base64.b64encode(b"60").decode(), "detail": ""}
    assert letters.letter("refused", said)["sendable"] is False
    assert letters.effect(99) is None


@given(st.sampled_from(["state", "availability", "set", "config", "stop"]), payloads)
def test_whatever_is_published_of_a_device_can_be_shown(word, payload):
    device = Device("fan", schema.Device(kind="virtual", effects=("wind",)))
    device.said(word, payload, fields_of(payload), 5000)
    msgspec.json.encode(device.shown())


@given(
    st.sampled_from(["receipts/x", "dead-letters/refused", "timelines/film/state", "stop-all", "devices/fan/stop"]),
    payloads,
    st.booleans(),
)
def test_whatever_is_published_breaks_nothing(topic, payload, retained):
    picture = Picture(EMPTY, lambda: None, clock=lambda: 0)
    picture.take(topic.split("/"), payload, retained)
    msgspec.json.encode([picture.effects.shown, picture.dead_letters.shown, picture.effects.latency])
