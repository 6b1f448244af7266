"""What is sent to a driver that is ready, when it is sent, and what a receipt says of one device or several."""

import pytest

from effectd.config.schema import Device
from effectd.messages import answers
from effectd.messages.effect import boot_id
from tests.unit.delivery.room import Room

# --- the way of an effect -----------------------------------------------------------------------------------------


def test_a_ready_driver_gets_the_effect_at_once_and_once_and_its_ack_is_the_receipt(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1", event_id=7, extra={"x-scene": 3})
    assert room.sent_ids() == ["e1"]
    room.loop.advance(0.05)
    room.ack("fan", "e1")
    (receipt,) = room.receipts_of("e1")
    assert receipt == {
        "id": "e1",
        "effect_type": "wind",
        "status": "done",
        "devices": {"fan": "done"},
        "reason": "",
        "latency_ms": 50.0,
        "event_id": 7,
        "at": receipt["at"],
        "x-scene": 3,
    }
    room.loop.advance(120)
    assert (room.sent_ids(), room.statuses("e1"), len(room.told)) == (["e1"], ["done"], 1)


def test_what_is_sent_is_sealed_with_a_rising_seq_and_the_deadline_of_this_boot(room):
    room.delivery.ready("fan", "g1")
    before = answers.unix_ms()
    room.accept("e1", ttl_ms=300)
    room.accept("e2")
    (_, first), (_, second) = room.sent
    assert 0 < first.seq < second.seq
    assert (first.deadline.boot, first.deadline.ms) == (boot_id(), int(room.loop.now * 1000) + 300)
    assert before + 300 <= first.expires_at <= answers.unix_ms() + 300


def test_seq_rises_over_a_restart_of_the_dispatcher():
    first, second = Room(), Room()
    for room in (first, second):
        room.delivery.ready("fan", "g1")
        room.accept("e1")
    assert first.sent[0][1].seq < second.sent[0][1].seq


@pytest.mark.parametrize(("at", "statuses"), [(0.0999, ["done"]), (0.1001, ["accepted", "done"])])
def test_accepted_is_said_after_100_ms_and_only_if_the_final_word_is_not_there_by_then(room, at, statuses):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.loop.advance(at)
    room.ack("fan", "e1")
    room.loop.advance(10)
    assert room.statuses("e1") == statuses


def test_an_effect_is_held_until_its_driver_is_ready_and_then_sent_in_order(room):
    room.delivery.not_ready("fan", "fan is starting")
    for number in range(5):
        room.accept(f"e{number}")
    room.loop.advance(0.5)
    assert room.sent == []
    assert room.receipts_of("e0")[0]["reason"] == "waiting: fan is starting"
    room.delivery.ready("fan", "g1")
    assert room.sent_ids() == ["e0", "e1", "e2", "e3", "e4"]
    room.ack("fan", "e3")
    assert room.statuses("e3") == ["accepted", "done"]


def test_what_could_not_start_in_time_is_expired_and_the_receipt_names_what_was_missing(room):
    room.delivery.not_ready("fan", "fan is degraded: no such port")
    room.accept("e1", ttl_ms=1500)
    room.loop.advance(1.499)
    assert room.statuses("e1") == ["accepted"]
    room.loop.advance(0.002)
    assert room.statuses("e1") == ["accepted", "expired"]
    assert room.receipts_of("e1")[-1]["reason"] == "fan is degraded: no such port"
    (letter,) = room.dead("expired")
    assert (letter["id"], letter["topic"], letter["payload"]) == ("e1", "effects/wind", "payload of e1")
    room.delivery.ready("fan", "g1")
    assert room.sent == []


def test_what_could_not_be_sent_to_a_ready_driver_waits_for_the_connection(room):
    room.delivery.ready("fan", "g1")
    room.reachable = False
    room.accept("e1")
    room.accept("e2", ttl_ms=200)
    room.loop.advance(0.3)
    assert room.receipts_of("e2")[-1]["reason"] == "fan could not be reached in time"
    room.delivery.not_ready("fan", "the dispatcher has no connection to the broker")
    room.reachable = True
    room.delivery.ready("fan", "g1")
    assert room.sent_ids() == ["e1"]


# --- several devices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "word", "letters"),
    [
        ("done", "done", "done", {}),
        ("done", "failed", "partial", {"failed": 1}),
        ("superseded", "stopped", "stopped", {}),
        ("expired", "done", "partial", {"expired": 1}),
        ("failed", "expired", "failed", {"failed": 1}),
    ],
)
def test_over_two_devices_the_final_word_waits_for_both_and_says_each(room, first, second, word, letters):
    for device in ("fan", "lamp"):
        room.delivery.ready(device, "g1")
    room.accept("e1", "fan", "lamp", note="near enough")
    assert [device for device, _ in room.sent] == ["fan", "lamp"]
    room.ack("fan", "e1", first, "because")
    room.loop.advance(0.2)
    assert room.statuses("e1") == ["accepted"]
    assert room.receipts_of("e1")[0]["devices"] == {"fan": first}
    room.ack("lamp", "e1", second)
    (_, receipt) = room.receipts_of("e1")
    assert (receipt["status"], receipt["devices"]) == (word, {"fan": first, "lamp": second})
    assert receipt["reason"] == "near enough; fan: because"
    assert {name: len(room.dead(name)) for name in ("failed", "expired") if room.dead(name)} == letters


def test_a_device_that_is_away_delays_only_its_own_share(room):
    room.delivery.ready("lamp", "g1")
    room.accept("e1", "fan", "lamp")
    room.accept("e2", "lamp")
    assert room.sent_ids("lamp") == ["e1", "e2"]
    room.ack("lamp", "e2")
    assert room.statuses("e2") == ["done"]
    room.ack("lamp", "e1")
    room.loop.advance(3)
    assert room.statuses("e1") == ["accepted", "partial"]
    assert room.receipts_of("e1")[-1]["devices"] == {"fan": "expired", "lamp": "done"}


def test_what_the_broker_confirms_after_its_device_was_removed_is_not_settled_twice(room):
    room.kinds["lamp"] = Device(kind="remote", effects=("wind",), options={"ack": False})
    room.delivery.configure(room.kinds)
    room.delivery.ready("lamp", "g1")
    room.accept("e1", "lamp")
    room.delivery.configure({"fan": room.kinds["fan"]})
    (taken,) = room.taken
    taken()
    assert room.statuses("e1") == ["failed"]
