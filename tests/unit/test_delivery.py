"""Every accepted effect gets exactly one final status: histories played into the real Delivery, Receipts and Outbox."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.lane import HELD, WINDOW
from dispatcher_proc.ledger import Ledger
from dispatcher_proc.receipts import REMEMBERED_S, Receipts
from effectd.base.errors import EffectRefused
from effectd.config.schema import Device, Limits
from effectd.messages import answers
from effectd.messages.answers import Ack
from effectd.messages.effect import Effect, boot_id
from effectd.messages.topics import Topics
from effectd.testing import FakeLoop, MemoryJournal

MAX_APPLY_MS = 700
FINAL = answers.FINAL


class Room:
    """A dispatcher's inside with two devices and a clock that moves when told; keeps what is sent and what is told."""

    def __init__(self, *devices: str) -> None:
        self.loop = FakeLoop()
        self.sent: list[tuple[str, Effect]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.reachable = True
        self.broker_has = True
        self.overloaded: list[str] = []
        self.taken: list[Callable[[], None]] = []  # to be called when the broker has what was sent
        self.on_sent: Callable[[str, Effect], None] = lambda _device, _effect: None
        self.journal = MemoryJournal()
        limits = Limits(max_apply_ms=MAX_APPLY_MS)
        names = devices or ("fan", "lamp")
        self.kinds = {name: Device(kind="virtual", effects=("wind",), limits=limits) for name in names}
        self.live()

    def live(self) -> None:
        ledger = Ledger(self.journal, boot_id())
        self.receipts = Receipts(self._put, Topics(), self.loop.time, ledger)
        self.delivery = Delivery(self.loop, self._send, self.receipts, ledger, self._overloaded)
        self.delivery.configure(self.kinds)
        found = ledger.restore(self.loop.time(), REMEMBERED_S)
        self.receipts.restore(found)
        self.delivery.restore(found)

    def die(self) -> None:
        """kill -9: nothing of this run goes on but its journal; a successor takes over at once."""
        self.loop.clear()
        self.journal = self.journal.reborn()
        self.live()

    def _put(self, topic: str, payload: bytes, delivered: Callable[[], None] | None) -> None:
        self.told.append((topic, json.loads(payload)))
        if delivered is not None and self.broker_has:
            delivered()

    def _overloaded(self, effect_id: str, _topic: str, _payload: bytes, _reason: str) -> None:
        self.overloaded.append(effect_id)

    def _send(self, device: str, effect: Effect, taken: Callable[[], None] | None) -> bool:
        if self.reachable:
            if taken is not None:
                self.taken.append(taken)
            self.sent.append((device, effect))
            self.on_sent(device, effect)
        return self.reachable

    def accept(self, effect_id: str, *devices: str, note: str = "", **fields: Any) -> None:
        effect = Effect(**{"id": effect_id, "effect_type": "wind", "intensity": 60.0, "duration": 100, **fields})
        resolved = dict.fromkeys(devices or ("fan",), effect)
        self.delivery.accept(effect, resolved, note, "effects/wind", f"payload of {effect_id}".encode())

    def ack(self, device: str, effect_id: str, status: str = "done", reason: str = "") -> None:
        self.delivery.acked(device, Ack(id=effect_id, status=status, reason=reason))

    def receipts_of(self, effect_id: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.told if topic == f"receipts/{effect_id}"]

    def statuses(self, effect_id: str) -> list[str]:
        """In order; a receipt that is told again, the same to the letter, counts once."""
        told = self.receipts_of(effect_id)
        return [receipt["status"] for number, receipt in enumerate(told) if receipt not in told[:number]]

    def dead(self, word: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.told if topic == f"dead-letters/{word}"]

    def sent_ids(self, device: str = "fan") -> list[str]:
        return [effect.id for name, effect in self.sent if name == device]


def sealed(effect: Effect) -> Effect:
    """Without what is said anew each time it is sent."""
    return msgspec.structs.replace(effect, newest=0, first_sent=0)


@pytest.fixture
def room() -> Room:
    return Room()


# --- the way of an effect ---------------------------------------------------------------------------------------


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


# --- several devices --------------------------------------------------------------------------------------------


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


# --- drivers and connections that come and go -------------------------------------------------------------------


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


# --- stop -------------------------------------------------------------------------------------------------------


def test_a_stop_of_one_device_settles_what_it_holds_and_leaves_the_other_alone(room):
    room.accept("e1", "fan")
    room.accept("e2", "lamp")
    room.accept("e3", "fan", "lamp")
    room.delivery.stop("fan")
    assert (room.statuses("e1"), room.statuses("e2"), room.statuses("e3")) == (["stopped"], [], [])
    room.delivery.ready("fan", "g1")
    room.delivery.ready("lamp", "g1")
    assert [(device, effect.id) for device, effect in room.sent] == [("lamp", "e2"), ("lamp", "e3")]
    room.ack("lamp", "e3")
    assert room.statuses("e3") == ["partial"]


def test_a_stop_of_everything_settles_all_that_is_held_and_what_comes_after_it_is_executed(room):
    room.accept("e1", "fan", "lamp")
    room.delivery.stop()
    assert room.statuses("e1") == ["stopped"]
    room.delivery.ready("fan", "g1")
    room.accept("e2")
    assert room.sent_ids() == ["e2"]


def test_what_the_driver_has_already_it_answers_itself_after_a_stop(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.accept("e2")
    room.delivery.stop("fan")
    assert room.told == []
    room.ack("fan", "e1")
    room.ack("fan", "e2", "stopped")
    assert (room.statuses("e1"), room.statuses("e2")) == (["done"], ["stopped"])


def test_what_was_stopped_is_not_sent_again_under_a_new_connection_and_ends_as_stopped(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.stop()
    room.delivery.not_ready("fan", "fan is waiting: broker is not running")
    room.delivery.ready("fan", "g1")
    room.loop.advance(100)
    assert room.sent_ids() == ["e1"]
    assert room.statuses("e1") == ["accepted", "stopped"]


def test_a_stop_while_the_driver_is_away_settles_what_it_had(room):
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.delivery.not_ready("fan", "fan is not running")
    room.delivery.stop("fan")
    assert room.statuses("e1") == ["stopped"]


def test_a_stop_of_a_device_that_is_not_there_stops_nothing(room):
    room.accept("e1")
    room.delivery.stop("nobody")
    assert room.told == []


# --- limits -----------------------------------------------------------------------------------------------------


def test_beyond_what_may_wait_for_a_device_effects_are_refused_as_overload_and_other_devices_go_on(room):
    for number in range(HELD):
        room.accept(f"e{number}")
    room.accept("one-too-many", "fan", "lamp")
    (receipt,) = room.receipts_of("one-too-many")
    assert receipt["status"] == "refused"
    assert receipt["reason"].startswith("overload: ")
    assert room.overloaded == ["one-too-many"]
    assert room.dead("overload") == []
    room.accept("l1", "lamp")
    room.delivery.ready("lamp", "g1")
    assert room.sent_ids("lamp") == ["l1"]
    room.delivery.ready("fan", "g1")
    assert len(room.sent_ids()) == WINDOW, "more than that only when the driver has answered"
    for number in range(HELD - 1):
        room.ack("fan", f"e{number}")
        room.loop.advance(0)
    assert room.sent_ids() == [f"e{number}" for number in range(HELD)]
    room.accept("one-more")
    assert room.sent_ids()[-1] == "one-more"


@pytest.mark.parametrize("ready", [True, False])
def test_an_effect_whose_expires_at_is_past_is_expired_at_once_and_says_so(room, ready):
    if ready:
        room.delivery.ready("fan", "g1")
    room.accept("e1", "fan", "lamp", expires_at=answers.unix_ms() - 1)
    (receipt,) = room.receipts_of("e1")
    assert (receipt["status"], receipt["reason"]) == (
        "expired",
        "expires_at or ttl_ms: it had passed before the effect was handled",
    )
    room.delivery.ready("fan", "g2")
    room.loop.advance(10)
    assert room.sent == []
    assert len(room.told) == 2  # the receipt and one dead letter


def test_expires_at_shortens_the_time_to_live_and_never_lengthens_it(room):
    room.accept("e1", expires_at=answers.unix_ms() + 500)
    room.accept("e2", expires_at=answers.unix_ms() + 500_000)
    room.loop.advance(0.6)
    assert (room.statuses("e1"), room.statuses("e2")) == (["accepted", "expired"], ["accepted"])
    room.loop.advance(1.5)
    assert room.statuses("e2") == ["accepted", "expired"]


def test_nothing_is_kept_of_an_effect_that_has_ended(room):
    room.delivery.ready("fan", "g1")
    for number in range(50):
        room.accept(f"e{number}", *(["fan", "lamp"] if number % 2 else ["fan"]))
        room.ack("fan", f"e{number}")
    room.delivery.stop()
    room.loop.advance(2)
    assert (len(room.delivery), room.loop.waiting) == (0, 0)
    assert not any(lane.shares for lane in room.delivery._lanes.values())


# --- any history at all -----------------------------------------------------------------------------------------

DEVICES = ("fan", "lamp")
device = st.sampled_from(DEVICES)
effect_id = st.integers(0, 11).map(lambda number: f"e{number}")
event = st.one_of(
    st.tuples(st.just("accept"), st.sets(device, min_size=1), st.sampled_from([1, 150, 2000]), st.booleans()),
    st.tuples(st.just("ready"), device, st.sampled_from(["g1", "g2"])),
    st.tuples(st.just("not_ready"), device),
    st.tuples(st.just("ack"), device, effect_id, st.sampled_from(["done", "expired", "failed", "superseded", "odd"])),
    st.tuples(st.just("stop"), st.none() | device),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 0.05, 0.2, 3.0])),
    st.tuples(st.just("reachable"), st.booleans()),
    st.tuples(st.just("fenced"), device),
    st.tuples(st.just("die")),
    st.tuples(st.just("broker_has"), st.booleans()),
)


@settings(max_examples=120)
@given(st.lists(event, max_size=60))
def test_whatever_happens_each_effect_gets_exactly_one_final_status_and_receipts_never_contradict(history):
    room = Room(*DEVICES)
    asked, generation, had = dict[str, set[str]](), dict[str, str | None](), defaultdict[tuple[str, str], set[Any]](set)
    ended_at_send, stopped = list[str](), set[tuple[str, str]]()

    def sent(name: str, effect: Effect) -> None:
        had[name, effect.id].add(effect.seq)
        if FINAL & set(room.statuses(effect.id)) or (name, effect.id) in stopped:
            ended_at_send.append(effect.id)

    room.on_sent = sent
    for what, *details in history:
        match what, details:
            case "accept", [devices, ttl_ms, past]:
                name = f"e{len(asked)}"
                asked[name] = devices
                expires_at = answers.unix_ms() - 5 if past else None
                room.accept(name, *sorted(devices), ttl_ms=ttl_ms, expires_at=expires_at)
            case "ready", [name, run]:
                generation[name] = run
                room.delivery.ready(name, run)
            case "not_ready", [name]:
                room.delivery.not_ready(name, f"{name} is away")
            case "ack", [name, which, status]:
                room.ack(name, which, status)
            case "stop", [name]:
                stopped |= {(lane, which) for which in asked for lane in DEVICES if name in (None, lane)}
                room.delivery.stop(name)
            case "advance", [seconds]:
                room.loop.advance(seconds)
            case "reachable", [reachable]:
                room.reachable = reachable
            case "fenced", [name]:
                room.delivery.fenced(name)
            case "die", []:
                room.die()
            case "broker_has", [has]:
                room.broker_has = has
    room.loop.advance(60)

    for name, devices in asked.items():
        statuses = room.statuses(name)
        assert Counter(status in FINAL for status in statuses)[True] == 1, statuses
        assert statuses in (statuses[-1:], ["accepted", statuses[-1]])
        final = room.receipts_of(name)[-1]
        assert set(final["devices"]) == devices
        assert final["status"] == answers.overall(final["devices"])
        for receipt in room.receipts_of(name):
            assert receipt["devices"].items() <= final["devices"].items()
    assert not ended_at_send  # neither after its end nor after a stop
    assert all(len(seqs) == 1 for seqs in had.values())  # only ever under one seq
    assert (len(room.delivery), room.loop.waiting) == (0, 0)


# --- receipts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def told() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def clock() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def receipts(told: list[tuple[str, bytes]], clock: FakeLoop, memory: MemoryJournal) -> Receipts:
    ledger = Ledger(memory, boot_id())
    return Receipts(lambda topic, payload, _had: told.append((topic, payload)), Topics("room1"), clock.time, ledger)


@pytest.fixture
def memory() -> MemoryJournal:
    return MemoryJournal()


def wind(effect_id: str = "e1", **fields: Any) -> Effect:
    return Effect(**{"id": effect_id, "effect_type": "wind", **fields})


def test_the_same_effect_again_is_told_its_latest_receipt_byte_for_byte(receipts, told, clock):
    assert receipts.check_id(wind(intensity=3)) == "new"
    receipts.repeat("e1")
    assert told == []
    receipts.publish(wind(intensity=3), "accepted", devices={}, reason="", latency_ms=None)
    clock.advance(1)
    receipts.publish(wind(intensity=3), "done", devices={"fan": "done"}, reason="", latency_ms=1.5)
    clock.advance(59)
    assert receipts.check_id(wind(intensity=3)) == "repeated"
    receipts.repeat("e1")
    assert told[-1] == told[-2] != told[-3]
    assert {topic for topic, _ in told} == {"room1/receipts/e1"}


def test_the_order_of_the_parameters_makes_no_other_effect_but_any_value_does(receipts):
    assert receipts.check_id(wind(parameters={"a": 1, "b": 2})) == "new"
    assert receipts.check_id(wind(parameters={"b": 2, "a": 1})) == "repeated"
    for other in ({"intensity": 99}, {"priority": 6}, {"parameters": {"a": 1, "b": 2, "c": 3}}, {"extra": {"x-a": 1}}):
        assert receipts.check_id(wind(**{"parameters": {"a": 1, "b": 2}, **other})) == "conflicting"


def test_an_id_is_remembered_while_its_effect_is_open_and_for_60_s_after_its_end(receipts, clock):
    receipts.check_id(wind())
    clock.advance(1000)
    assert receipts.check_id(wind()) == "repeated"
    receipts.publish(wind(), "done", devices={}, reason="", latency_ms=0)
    clock.advance(60)
    assert receipts.check_id(wind()) == "repeated"
    clock.advance(0.001)
    assert receipts.check_id(wind(intensity=5)) == "new"


def test_what_was_mended_after_a_refusal_is_new_and_is_remembered_for_its_own_time(receipts, clock):
    receipts.check_id(wind(intensity="gale"))
    receipts.refuse(wind(intensity="gale"), "effects/wind", b"e1", EffectRefused("intensity", "unknown label"))
    assert receipts.check_id(wind(intensity="gale")) == "repeated"
    clock.advance(30)
    assert receipts.check_id(wind(intensity=80)) == "new"
    clock.advance(31)  # 60 s after the refusal, while the mended effect may still be open
    assert receipts.check_id(wind(intensity=80)) == "repeated"


def test_undecoded_effects_with_one_id_are_told_apart_by_their_payloads(receipts):
    assert receipts.check_id(wind(), b'{"intensity": 999}') == "new"
    receipts.refuse(wind(), "effects/wind", b"e1", EffectRefused("intensity", "0 to 100"))
    assert receipts.check_id(wind(), b'{"intensity": 999}') == "repeated"
    assert receipts.check_id(wind(), b'{"intensity": 998}') == "new"


def test_a_refusal_that_is_not_to_be_remembered_leaves_nothing_behind_and_the_id_is_new(receipts, told, memory):
    effect = wind("e1", message_id=5)
    for _ in range(2):
        assert receipts.first_id(effect, "effects/wind") == "e1"
        assert receipts.check_id(effect) == "new"
        receipts.publish(effect, "refused", devices={}, reason="overload: x", latency_ms=None, remember=False)
    assert len(told) == 2
    assert receipts.first_id(wind("e2", message_id=5), "effects/wind") == "e2"
    assert (receipts._known, receipts._ended, memory.kept) == ({}, {}, {})


def test_the_refusal_of_an_effect_whose_id_was_made_here_is_not_remembered_for_nobody_can_repeat_it(
    receipts, told, memory
):
    receipts.check_id(wind("e-18c-4f"))
    receipts.refuse(wind("e-18c-4f"), "effects/wind", b'{"intensity": 999}', EffectRefused("intensity", "0 to 100"))
    assert [topic.partition("/")[2] for topic, _ in told] == ["receipts/e-18c-4f", "dead-letters/refused"]
    assert (receipts._known, receipts._ended, memory.kept) == ({}, {}, {})


def test_a_message_id_is_the_same_effect_on_the_same_topic_within_1_s_only(receipts, clock):
    assert receipts.first_id(wind("a", message_id=1), "effects/wind") == "a"
    receipts.check_id(wind("a", message_id=1))
    clock.advance(0.999)
    assert receipts.first_id(wind("b", message_id=1), "effects/wind") == "a"
    assert receipts.first_id(wind("c", message_id=1), "effects/wind/2") == "c"
    assert receipts.first_id(wind("d", message_id="1"), "effects/wind") == "d"
    assert receipts.first_id(wind("e"), "effects/wind") == "e"
    clock.advance(0.002)
    assert receipts.first_id(wind("f", message_id=1), "effects/wind") == "f"


def test_nothing_is_remembered_for_ever(receipts, clock):
    for number in range(100):
        effect = wind(f"e{number}", message_id=number)
        receipts.first_id(effect, "effects/wind")
        receipts.check_id(effect)
        receipts.publish(effect, "done", devices={}, reason="", latency_ms=0)
    clock.advance(61)
    receipts.first_id(wind("last", message_id="last"), "effects/wind")
    receipts.check_id(wind("last"))
    assert [len(memory) for memory in (receipts._known, receipts._ended, receipts._messages)] == [1, 0, 1]


def test_a_publishers_own_field_never_changes_a_receipts(receipts, told):
    effect = wind(extra={"x-status": "mine"})
    receipts.publish(effect, "done", devices={}, reason="", latency_ms=None)
    assert json.loads(told[0][1]).items() >= {"status": "done", "x-status": "mine", "latency_ms": None}.items()


# --- the journal ------------------------------------------------------------------------------------------------


def test_an_id_that_was_refused_then_mended_and_accepted_is_open_after_a_death_wherever_its_records_stand(room):
    refused = Effect(id="e1", effect_type="wind", intensity="gale")
    assert room.receipts.check_id(refused) == "new"
    room.receipts.refuse(refused, "effects/wind", b"e1", EffectRefused("intensity", "unknown label"))
    room.receipts.check_id(Effect(id="e1", effect_type="wind", intensity=60.0, duration=100))
    room.accept("e1")
    final = room.journal.kept.pop("f:e1")  # a rotation carries it on, behind what is newer
    room.journal.kept["f:e1"] = final
    room.die()
    room.delivery.ready("fan", "g1")
    assert room.sent_ids() == ["e1"]
    room.ack("fan", "e1")
    assert room.statuses("e1") == ["refused", "done"]
    room.die()
    room.die()
    assert len(room.delivery) == 0


def test_at_no_moment_is_neither_the_opening_of_an_effect_nor_its_end_alive_in_the_journal(room):
    alive, missing = set[str](), list[str]()

    class Watched(MemoryJournal):
        def put(self, key: str, value: bytes) -> bool:
            alive.add(key)
            return super().put(key, value)

        def forget(self, key: str) -> None:
            alive.discard(key)
            if not alive & {"a:e1", "f:e1"}:
                missing.append(key)

    room.journal = Watched()
    room.live()
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.loop.advance(0.2)
    room.ack("fan", "e1")
    assert missing == []
    assert alive == {"f:e1", "number"}


def test_nothing_is_carried_on_over_deaths_but_what_is_open_or_remembered(room):
    for number in range(5):
        room.delivery.ready("fan", "g1")
        room.accept(f"e{number}")
        room.ack("fan", f"e{number}")
    room.accept("open")
    room.loop.advance(0.2)
    forgotten = set[str]()

    class Counted(MemoryJournal):
        def forget(self, key: str) -> None:
            forgotten.add(key)

    room.journal = Counted(room.journal.kept)
    room.loop.clear()
    room.live()
    finals = {f"f:e{number}" for number in range(5)}
    assert room.journal.found.keys() - forgotten == finals | {"a:open", "r:open", "s:fan:open", "number"}


def test_a_record_that_cannot_be_read_costs_itself_alone(room):
    room.accept("e1")
    room.journal.kept["a:e2"] = b"\xc1"
    room.journal.kept["f:e3"] = b""
    room.die()
    assert len(room.delivery) == 1


def test_an_effect_that_cannot_be_noted_or_told_leaves_nothing_behind(room):
    for number in range(3):
        name = f"e{number}"
        effect = Effect(id=name, effect_type="wind", intensity=60.0, duration=100, parameters={"n": 2**64})
        room.receipts.check_id(effect)
        with pytest.raises(OverflowError):
            room.delivery.accept(effect, {"fan": effect}, "", "effects/wind", b"")
        room.receipts.check_id(effect)
        with pytest.raises(TypeError):
            room.receipts.publish(effect, "refused", devices={"fan": object()}, reason="", latency_ms=None)
    assert (len(room.delivery), room.loop.waiting, room.receipts._known) == (0, 0, {})
    assert not any(lane.shares for lane in room.delivery._lanes.values())


def test_a_device_that_is_taken_out_and_brought_back_gets_rising_numbers_and_no_timer_of_the_old_one_is_left(room):
    room.delivery.ready("fan", "g1")
    for number in range(3):
        room.accept(f"e{number}")
    room.delivery.stop("fan")
    room.delivery.configure({"lamp": room.kinds["lamp"]})
    assert room.loop.waiting == 0
    room.delivery.configure(room.kinds)
    room.delivery.ready("fan", "g1")
    room.accept("later")
    seqs = [effect.seq for _, effect in room.sent]
    assert seqs == sorted(set(seqs))
