"""What may wait, and for how long."""

import pytest

from dispatcher_proc.lane import HELD, WINDOW
from effectd.messages import answers


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
