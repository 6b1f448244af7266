"""Drivers, connections and dispatchers that come and go: what is sent again, and whose word counts."""

import time

import pytest

from effectd.messages.effect import Effect
from tests.unit.delivery.room import MAX_APPLY_MS, sealed


def test_a_driver_that_restarts_between_set_and_ack_is_asked_again_with_the_same_seq_and_its_word_counts(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.not_ready("fan", "fan is not running")
    room.loop.advance(0.02)
    room.delivery.ready("fan", "g2")
    assert room.sent_ids() == ["e1", "e1"]
    assert sealed(room.sent[0][1]) == sealed(room.sent[1][1])
    assert [effect.first_sent for _, effect in room.sent] == [0, 1_000_000]
    assert room.statuses("e1") == []
    room.ack("fan", "e1", "failed", "interrupted: the driver died while it drove the device")
    (receipt,) = room.receipts_of("e1")
    assert receipt["status"] == "failed"
    assert receipt["reason"].startswith("fan: interrupted:")


def test_what_a_dead_dispatcher_had_accepted_is_sent_by_its_successor_with_the_same_seq_and_deadline(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1", ttl_ms=5000)
    room.accept("held", "lamp", ttl_ms=5000)
    room.loop.advance(0.5)
    room.die()
    room.loop.advance(0.1)
    room.delivery.ready("fan", "g1")
    first, again = (effect for name, effect in room.sent if name == "fan")
    assert sealed(first) == sealed(again)
    assert again.first_sent == 1_000_000
    room.ack("fan", "e1")
    assert room.statuses("e1") == ["accepted", "done"]
    room.delivery.ready("lamp", "g1")
    assert room.sent_ids("lamp") == ["held"]
    room.ack("lamp", "held")
    assert room.statuses("held") == ["accepted", "done"]


def test_what_expires_while_the_dispatcher_is_dead_is_told_by_its_successor(room):
    room.accept("e1", ttl_ms=300)
    room.loop.advance(0.2)
    room.die()
    room.loop.advance(10)
    assert room.statuses("e1") == ["accepted", "expired"]


def test_a_final_receipt_that_the_broker_may_not_have_is_told_again_byte_for_byte(room):
    room.delivery.ready("fan", "g1")
    for number in range(64):
        room.accept(f"known{number}")
        room.ack("fan", f"known{number}")
    room.broker_has = False
    room.accept("untold")
    room.ack("fan", "untold")
    before = list(room.told)
    room.die()
    again = room.told[len(before) :]
    assert [message for message in before if message[0] == "receipts/untold"] == again


def test_a_missing_ack_is_asked_for_by_sending_the_same_again(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1", ttl_ms=5000)
    room.loop.advance(2.5)
    assert room.sent_ids() == ["e1", "e1", "e1"]
    assert all(sealed(effect) == sealed(room.sent[0][1]) for _, effect in room.sent)
    room.ack("fan", "e1")
    room.loop.advance(5)
    assert len(room.sent) == 3


def test_an_id_is_remembered_over_the_death_of_the_dispatcher(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.ack("fan", "e1")
    effect = Effect(id="e1", effect_type="wind", intensity=60.0, duration=100)
    room.die()
    assert room.receipts.check_id(effect) == "repeated"
    room.die()
    room.loop.advance(61)
    room.die()
    assert room.receipts.check_id(effect) == "new"


def test_seq_rises_over_the_death_of_the_dispatcher_though_the_clock_is_set_back(room, monkeypatch):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    room.die()
    room.delivery.ready("fan", "g1")
    room.accept("e2")
    assert room.sent[-1][1].seq > room.sent[0][1].seq


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_jump_of_the_wall_clock_expires_nothing_and_lengthens_nothing(room, monkeypatch, jump_s):
    room.accept("e1", ttl_ms=2000)
    jumped = time.time_ns() + jump_s * 10**9
    monkeypatch.setattr("time.time_ns", lambda: jumped)
    room.loop.advance(1.9)
    assert room.statuses("e1") == ["accepted"]
    room.loop.advance(0.2)
    assert room.statuses("e1") == ["accepted", "expired"]


def test_accepted_is_not_said_of_what_would_not_survive(room):
    room.journal.full = True
    room.accept("e1", ttl_ms=1000)
    room.loop.advance(0.5)
    assert room.statuses("e1") == []
    room.loop.advance(1)
    assert room.statuses("e1") == ["expired"]


def test_what_comes_after_a_stop_waits_for_the_fence_and_is_then_sent(room):
    room.delivery.ready("fan", "g1")
    room.accept("before")
    room.delivery.stop()
    room.accept("after", ttl_ms=5000)
    assert room.sent_ids() == ["before"]
    room.delivery.fenced("fan")
    room.loop.advance(0)
    assert room.sent_ids() == ["before", "after"]
    room.loop.advance(2)
    assert room.statuses("before")[-1] == "stopped"


def test_a_fence_whose_stop_was_not_heard_ends_what_was_accepted_before_it(room):
    room.accept("held", ttl_ms=60000)
    room.delivery.fenced("fan")
    room.delivery.ready("fan", "g1")
    assert (room.sent_ids(), room.statuses("held")) == ([], ["stopped"])


def test_of_two_stops_the_second_fence_opens_the_way(room):
    room.delivery.ready("fan", "g1")
    room.delivery.stop()
    room.delivery.stop("fan")
    room.accept("after", ttl_ms=5000)
    room.delivery.fenced("fan")
    room.loop.advance(0)
    assert room.sent_ids() == []
    room.delivery.fenced("fan")
    room.loop.advance(0)
    assert room.sent_ids() == ["after"]


def test_the_same_driver_under_a_new_connection_gets_the_effect_again_with_the_same_seq(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.not_ready("fan", "fan is waiting: broker is not running")
    room.delivery.ready("fan", "g1")
    assert room.sent_ids() == ["e1", "e1"]
    assert sealed(room.sent[0][1]) == sealed(room.sent[1][1])
    room.delivery.ready("fan", "g1")
    assert len(room.sent) == 2
    room.ack("fan", "e1")
    assert room.statuses("e1") == ["done"]


def test_a_driver_that_has_the_effect_gets_its_apply_time_to_answer_and_then_it_is_failed(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1", ttl_ms=1000)
    room.loop.advance(1.0 + MAX_APPLY_MS / 1000 + 0.499)
    assert room.statuses("e1") == ["accepted"]
    room.loop.advance(0.002)
    assert room.statuses("e1") == ["accepted", "failed"]
    assert "does not acknowledge" in room.receipts_of("e1")[-1]["reason"]


def test_an_answer_within_the_apply_time_still_counts(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1", ttl_ms=1000)
    room.loop.advance(1.6)
    room.ack("fan", "e1")
    assert room.statuses("e1") == ["accepted", "done"]


def test_a_late_or_repeated_or_foreign_ack_changes_nothing(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.accept("e2", ttl_ms=10)
    room.ack("lamp", "e1", "failed")
    room.ack("nobody", "e1", "failed")
    room.ack("fan", "e9", "failed")
    room.ack("fan", "e1")
    room.ack("fan", "e1", "failed")
    room.loop.advance(10)
    room.ack("fan", "e2")
    assert room.statuses("e1") == ["done"]
    assert room.statuses("e2") == ["accepted", "failed"]


@pytest.mark.parametrize("word", ["refused", "accepted", "partial", "DONE", ""])
def test_an_ack_with_a_word_that_is_no_devices_word_is_failed(room, word):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.ack("fan", "e1", word, "no such scent")
    (receipt,) = room.receipts_of("e1")
    assert (receipt["status"], receipt["reason"]) == ("failed", "fan: no such scent")
