"""What a publisher sees of the dispatcher: messages in, messages out, with a clock that moves only when told."""

import base64
import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages.answers import FINAL
from effectd.readiness.line import Line
from tests.unit.house import House

pytestmark = pytest.mark.usefixtures("no_inotify")

# --- effects ----------------------------------------------------------------------------------------------------


def test_an_effect_goes_to_the_devices_of_its_type_and_comes_back_as_a_receipt(house):
    house.message("effects/wind", {"id": "w1", "intensity": "gale", "location": "left", "x-a": [1], "event_id": "s"})
    (sent,) = house.on("devices/fan/set")
    assert (sent["id"], sent["effect_type"], sent["intensity"], sent["duration"]) == ("w1", "wind", 80, 700)
    assert house.on("devices/fan-2/set") == []
    house.ack("fan", "w1")
    (receipt,) = house.on("receipts/w1")
    assert (receipt["status"], receipt["devices"], receipt["x-a"], receipt["event_id"]) == (
        "done",
        {"fan": "done"},
        [1],
        "s",
    )
    assert [(qos, retain) for topic, _, qos, retain in house.link.published if "system" not in topic] == [
        (1, False)
    ] * 2


@pytest.mark.parametrize(
    ("topic", "payload", "intensity"),
    [
        ("effects/wind", b"60", 60),
        ("effects/wind", b"low", 25),
        ("effects/wind", b'"off"', 0),
        ("effects/wind/any/deeper", b"off", 0),
        ("effects/light", b'{"effect_type": "wind"}', 100),
        ("effects", b'{"effect_type": "wind", "intensity": 5}', 5),
    ],
)
def test_bare_payloads_and_the_payloads_own_type_work_on_any_topic_below_effects(house, topic, payload, intensity):
    house.message(topic, payload)
    assert [sent["intensity"] for sent in house.on("devices/")] == [intensity, intensity]


def test_under_a_topic_root_everything_stands_below_it(home):
    house = House(home, "room1/left")
    house.ready()
    house.wind()
    house.ack("fan", "w1")
    house.ack("fan-2", "w1")
    house.message("effects/wind", b"{")
    assert house.statuses("w1") == ["done"]
    assert all(topic.startswith("room1/left/") for topic, _, _, _ in house.link.published)
    house.close()


def test_the_nearest_device_takes_it_and_the_receipt_says_so(house):
    house.wind(location="centerleft")
    house.ack("fan", "w1")
    assert house.on("receipts/w1")[0]["reason"] == "no device at centerleft; the nearest took it: fan"


def test_a_known_type_without_a_device_is_undeliverable(house):
    house.message("effects/light", {"id": "l1"})
    assert house.statuses("l1") == ["undeliverable"]
    assert house.letters() == [("undeliverable", "l1", "no device of this home does light")]
    house.message("effects/light", {"id": "l1"})
    assert house.statuses("l1") == ["undeliverable"] * 2
    assert len(house.letters()) == 1


def test_a_device_whose_section_is_wrong_is_left_out_and_the_rest_works(house):
    house.wind()
    assert {topic for topic, _, _, _ in house.link.published} == {"devices/fan/set", "devices/fan-2/set"}


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "fields", "field"),
    [
        ("effects/wind", {"intensity": 101}, "intensity"),
        ("effects/wind", {"intensity": "breeze"}, "intensity"),
        ("effects/wind", {"intensty": 5}, "intensty"),
        ("effects/wind", {"location": "upstairs"}, "location"),
        ("effects/snow", {}, "effect_type"),
        ("effects", {}, "effect_type"),
        ("effects/wind", {"ttl_ms": 5, "parameters": {"ttl_ms": 6}}, "ttl_ms"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_receipt_and_dead_letter_that_name_the_field(house, topic, fields, field):
    house.message(topic, {"id": "w1", **fields})
    (receipt,) = house.on("receipts/")
    assert (receipt["id"], receipt["status"], receipt["devices"]) == ("w1", "refused", {})
    assert receipt["reason"].startswith(f"{field}: ")
    assert house.letters() == [("refused", "w1", receipt["reason"])]
    assert house.on("devices/") == []
    house.loop.advance(10)
    assert house.statuses("w1") == ["refused"]


def test_a_refused_effect_that_is_published_again_is_told_the_same_again_and_makes_no_second_letter(house):
    for fields in ({"intensity": 101}, {"intensity": "breeze"}):
        house.link.published.clear()
        for _ in range(3):
            house.wind("r" + str(fields["intensity"]), **fields)
        receipts = [payload for topic, payload, _, _ in house.link.published if topic.startswith("receipts/")]
        assert len(receipts) == 3
        assert len(set(receipts)) == 1
        assert len(house.letters()) == 1


def test_what_is_mended_after_a_refusal_under_the_same_id_is_executed(house):
    house.wind(intensity=101)
    house.wind(intensity="breeze")
    house.wind(intensity=99)
    house.ack("fan", "w1")
    house.ack("fan-2", "w1")
    assert house.statuses("w1") == ["refused", "refused", "done"]


def test_what_was_mended_after_a_refusal_is_executed_once_even_if_it_is_held_for_a_minute(house):
    house.gate("fan", None)
    house.wind(intensity=101)
    house.loop.advance(20)
    house.wind(intensity=99, ttl_ms=60000, location="left")
    house.loop.advance(45)  # more than 60 s after the refusal
    house.wind(intensity=99, ttl_ms=60000, location="left")
    house.ready("fan")
    house.ack("fan", "w1")
    house.loop.advance(100)
    assert len(house.on("devices/fan/set")) == 1
    assert house.statuses("w1") == ["refused", "accepted", "accepted", "done"]


@pytest.mark.parametrize(
    "payload", [b"{", b"\xff\xfe", b"x" * 70_000, b'{"parameters":' * 20 + b"1" + b"}" * 20, b"[" * 30_000]
)
def test_what_is_malformed_is_a_dead_letter_and_nothing_else(house, payload):
    house.message("effects/wind", payload)
    assert len(house.link.published) == 1
    (letter,) = house.on("dead-letters/malformed")
    assert (letter["id"], letter["topic"]) == (None, "effects/wind")
    assert base64.b64decode(letter["payload_base64"]) == payload[:4096]


def test_an_empty_payload_is_ignored(house):
    house.message("effects/wind", b"")
    house.message("effects/wind", b"", retained=True)
    assert house.link.published == []


def test_a_retained_copy_is_never_executed_but_a_dead_letter(house):
    house.message("effects/wind", {"id": "w1"}, retained=True)
    assert [(word, effect_id) for word, effect_id, _ in house.letters()] == [("refused", "w1")]
    assert len(house.link.published) == 1
    house.wind()
    assert len(house.on("devices/fan/set")) == 1


# --- the same again ---------------------------------------------------------------------------------------------


def test_the_same_effect_again_is_not_executed_again_and_is_told_its_latest_receipt_byte_for_byte(house):
    house.wind(intensity=5, location="left")
    house.wind(intensity=5, location="left")
    assert house.statuses("w1") == []
    house.loop.advance(0.2)
    house.wind(intensity=5, location="left")
    assert house.statuses("w1") == ["accepted", "accepted"]
    house.ack("fan", "w1")
    for _ in range(3):
        house.loop.advance(10)
        house.wind(intensity=5, location="left")
    receipts = [payload for topic, payload, _, _ in house.link.published if topic == "receipts/w1"]
    assert receipts[0] == receipts[1]
    assert len(receipts) == 6
    assert len(set(receipts[2:])) == 1
    assert len(house.on("devices/fan/set")) == 1


def test_its_id_with_other_content_is_a_dead_letter_and_the_first_goes_on(house):
    house.wind(intensity=5, location="left")
    house.wind(intensity=6, location="left")
    house.message("effects/wind", {"id": "w1", "intensity": 500})
    assert [(word, effect_id) for word, effect_id, _ in house.letters()] == [("refused", "w1")] * 2
    assert all(detail.startswith("id: ") for _, _, detail in house.letters())
    house.ack("fan", "w1")
    assert house.statuses("w1") == ["done"]
    assert len(house.on("devices/fan/set")) == 1


def test_60_s_after_its_end_an_id_is_free_again(house):
    for _ in range(2):
        house.wind(location="left")
        house.ack("fan", "w1")
        house.loop.advance(60.1)
    seqs = [sent["seq"] for sent in house.on("devices/fan/set")]
    assert len(seqs) == 2
    assert seqs[0] < seqs[1]


def test_the_same_message_id_on_the_same_topic_within_1_s_is_the_same_effect(house):
    for _ in range(2):
        house.wind(None, message_id="m1", location="left")
    (sent,) = house.on("devices/fan/set")
    house.ack("fan", sent["id"])
    house.wind(None, message_id="m1", location="left")
    assert house.statuses(sent["id"]) == ["done", "done"]
    house.loop.advance(1.1)
    house.wind(None, message_id="m1", location="left")
    assert len(house.on("devices/fan/set")) == 2


# --- stops, acks, requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("topic", "stopped"), [("stop-all", {"fan", "fan-2"}), ("devices/fan/stop", {"fan"})])
def test_a_stop_ends_what_is_held_and_only_there(house, topic, stopped):
    house.gate("fan", None)
    house.gate("fan-2", None)
    house.wind("left", location="left")
    house.wind("right", location="right")
    house.message(topic, b"whatever")
    assert house.statuses("left") == ["stopped"]
    assert house.statuses("right") == (["stopped"] if "fan-2" in stopped else [])
    house.ready()
    assert [sent["id"] for sent in house.on("devices/")] == ([] if "fan-2" in stopped else ["right"])


def test_a_retained_stop_stops_nothing(house):
    house.gate("fan", None)
    house.wind(location="left")
    house.message("stop-all", b"1", retained=True)
    house.message("devices/fan/stop", b"1", retained=True)
    assert house.statuses("w1") == []


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[1]", b'{"id": 5, "status": "done"}', b'{"id": "w1"}', b"[" * 9999, b"\xff"]
)
def test_an_ack_that_cannot_be_read_changes_nothing(house, payload):
    house.wind(location="left")
    house.message("devices/fan/ack", payload)
    house.message("devices/fan/ack", b'{"id":"w1","status":"failed","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
    assert house.statuses("w1") == []
    house.ack("fan", "w1")
    assert house.statuses("w1") == ["done"]


@pytest.mark.parametrize(
    ("request_", "stopped"),
    [
        ({"do": "stop"}, True),
        ({"do": "stop", "device": "fan"}, True),
        ({"do": "stop", "device": ["fan"]}, True),
        ({"do": "stop", "device": "nobody"}, False),
        ({"do": "dance"}, False),
        ({}, False),
    ],
)
def test_a_stop_through_the_gate_works_without_a_broker(house, request_, stopped):
    house.gate("fan", None)
    house.wind(location="left")
    answers = list[dict[str, Any]]()
    house.dispatcher._table.asked(request_, answers.append)
    assert len(answers) == 1
    assert ("error" in answers[0]) == (request_.get("do") != "stop")
    assert house.statuses("w1") == (["stopped"] if stopped else [])


# --- gates and connections --------------------------------------------------------------------------------------


def test_a_driver_that_is_ready_under_another_run_of_the_broker_is_not_ready(house):
    house.gate("fan", None)
    house.ready("fan", broker="b0")
    house.wind(location="left")
    house.loop.advance(0.2)
    assert house.on("devices/") == []
    assert house.on("receipts/w1")[0]["reason"] == "waiting: fan is not connected to the broker's new run yet"
    house.ready("fan", broker="b1")
    assert len(house.on("devices/fan/set")) == 1


@pytest.mark.parametrize(
    ("line", "lack"),
    [
        (None, "fan is not running"),
        (Line("fan", 7, "starting", "g1"), "fan is starting"),
        (Line("fan", 7, "degraded", "g1", reason="no such port"), "fan is degraded: no such port"),
    ],
)
def test_an_effect_that_expires_names_what_was_missing(house, line, lack):
    house.gate("fan", line)
    house.wind(location="left")
    house.loop.advance(2.01)
    assert house.statuses("w1") == ["accepted", "expired"]
    assert house.on("receipts/w1")[-1]["reason"] == lack


def test_without_a_connection_effects_are_held_and_receipts_kept_and_both_told_when_it_is_back(house):
    house.wind("w1", location="left")
    house.link.lose()
    house.ack("fan", "w1")  # read from the socket just before
    house.wind("w2", location="left")
    house.link.published.clear()
    house.link.open()
    assert house.statuses("w1") == ["done"]
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["w2"]


def test_where_the_journal_cannot_be_written_accepted_is_not_said_and_the_gate_is_degraded(house, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.gate("fan", None)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        disk.setattr(os, "posix_fallocate", full)
        house.wind("w1", location="left")
        house.loop.advance(1)
        assert house.statuses("w1") == []
        line = house.process.gate.line
        assert (line.state, line.reason) == ("degraded", "run/ is full: No space left on device")
        house.ready("fan")
        house.ack("fan", "w1")
        assert house.statuses("w1") == ["done"]
    house.loop.advance(1)
    assert house.process.gate.line.state != "degraded"


def test_the_state_of_every_program_is_published_retained_at_each_change_and_again_after_a_connect(house):
    line = Line("fan", 7, "degraded", "g2", reason="no such port", at=5)
    house.gate("fan", line)
    house.gate("fan-2", None)
    house.gate("broker", Line("broker", 3, "ready", "b1"))
    expected = {"name": "fan", "pid": 7, "state": "degraded", "reason": "no such port", "at": 5, "contract": 2}
    assert house.on("system/fan/state")[-1].items() >= expected.items()
    assert house.on("system/fan-2/state")[-1].items() >= {"name": "fan-2", "state": "gone", "contract": 2}.items()
    assert house.on("system/broker/state")[-1].items() >= {"state": "ready", "generation": "b1"}.items()
    house.link.published.clear()
    house.link.open()
    states = {topic: (qos, retain) for topic, _, qos, retain in house.link.published if topic.startswith("system/")}
    programs = [f"system/{name}/state" for name in house.process.config.programs]
    assert states == dict.fromkeys(["system/holds", *programs], (1, True))


def test_at_its_end_the_dispatcher_says_gone_and_ends_the_loop(house):
    house.dispatcher.stop()
    assert house.on("system/dispatcher/state")[-1]["state"] == "gone"
    assert house.process.gate.line.state == "stopping"
    assert house.loop.stopped


# --- any messages at all ----------------------------------------------------------------------------------------

ids = st.sampled_from(["a", "b", "c", None])
messages = st.one_of(
    st.tuples(
        st.just("effect"), ids, st.sampled_from([5, 6, "gale", "breeze", 500]), st.sampled_from(["left", "", "up"])
    ),
    st.tuples(st.just("effect"), ids, st.sampled_from([5, 6]), st.sampled_from(["left", ""])),
    st.tuples(st.just("bytes"), st.binary(max_size=20)),
    st.tuples(st.just("ack"), st.sampled_from(["fan", "fan-2", "x"]), ids, st.sampled_from(["done", "failed", "?"])),
    st.tuples(st.just("stop"), st.sampled_from(["stop-all", "devices/fan/stop"])),
    st.tuples(st.just("gate"), st.sampled_from(["fan", "fan-2"]), st.sampled_from(["g1", "g2", None])),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 0.2, 2.0])),
)


@given(st.lists(messages, max_size=40))
def test_no_history_of_messages_makes_receipts_contradict_or_executes_an_effect_twice(history):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.mkdir(f"{folder}/run")
        house = House(Path(folder))
        for what, *details in history:
            match what, details:
                case "effect", [effect_id, intensity, location]:
                    house.wind(effect_id, intensity=intensity, location=location)
                case "bytes", [payload]:
                    house.message("effects/wind", payload)
                case "ack", [device, effect_id, status]:
                    house.ack(device, effect_id or "?", status)
                case "stop", [topic]:
                    house.message(topic, b"")
                case "gate", [device, None]:
                    house.gate(device, None)
                case "gate", [device, run]:
                    house.ready(device, run=run)
                case "advance", [seconds]:
                    house.loop.advance(seconds if house.loop.now < 1050 else 0)  # no id is forgotten within 60 s
        house.loop.advance(10)
        house.close()

    for device in ("fan", "fan-2"):
        sets = [set_ | {"newest": 0, "first_sent": 0} for set_ in house.on(f"devices/{device}/set")]
        seqs = {(set_["id"], set_["seq"]) for set_ in sets}
        assert (
            len({json.dumps(set_, sort_keys=True) for set_ in sets})
            == len(seqs)
            == len({effect_id for effect_id, _ in seqs})
        )
    for effect_id in {receipt["id"] for receipt in house.on("receipts/")}:
        told = [payload for topic, payload, _, _ in house.link.published if topic == f"receipts/{effect_id}"]
        words = [json.loads(payload)["status"] for payload in told]
        while words and words[0] == "refused":  # each may have been mended under the same id
            told, words = told[1:], words[1:]
        finals = [payload for payload, word in zip(told, words, strict=True) if word in FINAL]
        assert len(set(words) - {"accepted"}) == len(set(finals)) == (1 if words else 0)
        assert words == sorted(words, key=lambda word: word in FINAL)
    assert len(house.dispatcher._delivery) == 0


# --- what waits for its turn ------------------------------------------------------------------------------------


def test_a_stop_passes_the_effects_that_wait_and_ends_those_that_came_before_it(house):
    for number in range(3):
        house.arrives("effects/wind", {"id": f"before-{number}"})
    house.loop.now += 0.01
    house.arrives("stop-all", b"")
    house.loop.now += 0.01
    house.arrives("effects/wind", {"id": "after"})
    house.message("devices/fan/fence", b"f1")
    house.message("devices/fan-2/fence", b"f2")
    assert [house.statuses(f"before-{number}") for number in range(3)] == [["stopped"]] * 3
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["after"]


def test_a_stop_of_one_device_ends_its_share_only_of_what_waited(house):
    house.arrives("effects/wind", {"id": "w1"})
    house.loop.now += 0.01
    house.arrives("devices/fan/stop", b"")
    house.loop.advance(0)
    assert house.on("devices/fan/set") == []
    assert [sent["id"] for sent in house.on("devices/fan-2/set")] == ["w1"]
    house.ack("fan-2", "w1")
    (receipt,) = house.on("receipts/w1")
    assert receipt["devices"] == {"fan": "stopped", "fan-2": "done"}


def test_the_time_that_an_effect_waits_for_its_turn_counts(house):
    house.arrives("effects/wind", {"id": "late", "ttl_ms": 50})
    house.loop.now += 0.06
    house.loop.advance(0)
    assert house.on("devices/") == []
    assert house.statuses("late") == ["expired"]


def test_of_a_flood_each_named_effect_is_refused_briefly_and_no_letter_is_written_for_each(house):
    for number in range(3000):
        house.arrives("effects/fog", {"id": f"f{number}"})
        house.link.confirm()
    house.loop.advance(0)
    refused = [payload for topic, payload, _, _ in house.link.published if b'"overload: ' in payload]
    assert 1000 < len(refused) < 2100
    assert len([word for word, *_ in house.letters() if word == "overload"]) == 1
    assert len(house.dispatcher._receipts._known) < 2000, "nothing is remembered of them"
    house.link.published.clear()
    house.arrives("effects/wind", {"id": "good", "location": "left"})
    house.loop.advance(0)
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["good"]


def test_a_repeated_id_is_not_refused_by_overload_while_its_first_is_open_or_waits(house):
    house.wind("open")
    house.arrives("effects/wind", {"id": "waits"})
    for number in range(3000):
        house.arrives("effects/wind", {"id": f"f{number}"})
        house.link.confirm()
    house.arrives("effects/wind", {"id": "open"})
    house.arrives("effects/wind", {"id": "waits"})
    house.loop.advance(0.2)
    assert "refused" not in house.statuses("open") + house.statuses("waits")


def test_a_connection_without_room_holds_sets_and_gate_lines_back_until_it_has(house):
    house.link.room = False
    house.wind("w1")
    house.gate("fan-2", None)
    assert house.link.published == []
    house.link.make_room()
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["w1"]
    assert [line["state"] for line in house.on("system/fan-2/state")] == ["gone"]


def test_whoever_has_a_scale_of_0_to_1_is_told_once_what_it_means_here(house, caplog):
    for number, intensity in enumerate((0.6, 0.7, 1, 0, "gale", 60)):
        house.wind(f"w{number}", intensity=intensity)
    hints = [record.getMessage() for record in caplog.records if "of 0 to 100" in record.getMessage()]
    assert hints == ["effect w0 on effects/wind: intensity 0.6 is 0.6 %, of 0 to 100"]


def test_a_defect_met_by_one_effect_is_a_dead_letter_and_stops_no_other(house, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise RuntimeError("no such case")

    with monkeypatch.context() as patch:
        patch.setattr(house.dispatcher._admission, "_decide", fail)
        house.wind("bad")
    house.wind("good")
    assert [(word, name, detail.partition(":")[0]) for word, name, detail in house.letters()] == [
        ("refused", "bad", "defect")
    ]
    assert "no such case" in caplog.text
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["good"]
