"""What waits to be told: the window, the order, what is dropped first and what never; overload is counted."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc import outbox as outbox_module
from dispatcher_proc.outbox import WINDOW, Outbox
from dispatcher_proc.overload import FLYING, Overload
from effectd.messages.topics import Topics
from effectd.testing import FakeLink, FakeLoop

LETTERS = "dead-letters/"


@pytest.fixture
def wire():
    return FakeLink()


@pytest.fixture
def outbox(wire):
    return Outbox(wire, LETTERS, foreign=False)


def test_what_the_broker_has_not_confirmed_is_told_again_in_order_and_what_it_has_is_not(wire, outbox):
    for number in range(4):
        outbox.put("receipts/e", b"%d" % number)
    wire.confirm(2)
    wire.lose()
    outbox.put("receipts/e", b"4")
    wire.up, wire.published = True, []
    outbox.resend()
    assert wire.published == [("receipts/e", b"%d" % number, 1, False) for number in (2, 3, 4)]
    wire.confirm()
    wire.published.clear()
    outbox.resend()
    assert wire.published == []


def test_no_more_than_a_window_is_on_its_way_and_the_rest_follows_what_is_confirmed(wire, outbox):
    for number in range(3 * WINDOW):
        outbox.put("receipts/e", b"%d" % number)
    assert len(wire.published) == WINDOW
    wire.confirm(10)
    assert len(wire.published) == WINDOW + 10
    while wire.unconfirmed:
        wire.confirm()
    assert wire.payloads() == [b"%d" % number for number in range(3 * WINDOW)]


def test_the_window_counts_bytes_as_well(wire, outbox):
    for _ in range(40):
        outbox.put("receipts/e", b"x" * 60_000)
    assert sum(map(len, wire.payloads())) < outbox_module.WINDOW_BYTES + 60_000


def test_a_connection_without_room_gets_nothing_until_it_has(wire, outbox):
    wire.room = False
    outbox.put("receipts/e", b"1")
    assert wire.published == []
    wire.room = True
    outbox.pump()
    assert wire.payloads() == [b"1"]


def test_receipts_go_before_dead_letters_that_wait(wire, outbox):
    wire.up = False
    for number in range(3):
        outbox.put(LETTERS + "refused", b"letter %d" % number)
        outbox.put("receipts/e", b"%d" % number)
    wire.up = True
    outbox.resend()
    assert wire.payloads() == [b"0", b"1", b"2", b"letter 0", b"letter 1", b"letter 2"]


def test_of_what_a_broker_that_is_away_costs_the_oldest_letters_go_first_and_a_final_receipt_never(
    wire, outbox, monkeypatch, caplog
):
    monkeypatch.setattr(outbox_module, "MESSAGES", 10)
    wire.up = False
    had = []
    for number in range(25):
        outbox.put(LETTERS + "refused", b"letter %d" % number)
        outbox.put(f"receipts/{number}", b"%d" % number, lambda number=number: had.append(number))
    outbox.put("receipts/again", b"told again")  # may be dropped: who needs it asks again
    wire.up = True
    outbox.resend()
    while wire.unconfirmed:
        wire.confirm()
    assert had == list(range(25))
    assert wire.payloads() == [b"%d" % n for n in range(25)] + [b"letter %d" % n for n in range(16, 25)]
    assert "dead letters or repeated receipts are dropped: the broker is away" in caplog.text


def test_a_broker_that_is_there_and_slow_is_not_said_to_be_away(wire, outbox, monkeypatch, caplog):
    monkeypatch.setattr(outbox_module, "MESSAGES", 10)
    for number in range(WINDOW + 20):
        outbox.put(LETTERS + "refused", b"letter %d" % number)
    assert "the broker acknowledges them too slowly" in caplog.text


def test_it_is_busy_while_a_receipt_waits_for_long_and_not_because_of_letters(wire, outbox, monkeypatch):
    monkeypatch.setattr(outbox_module, "BUSY_S", -1.0)
    for _ in range(2 * WINDOW):
        outbox.put(LETTERS + "refused", b"letter")
    assert not outbox.busy
    while wire.unconfirmed:
        wire.confirm()
    for _ in range(WINDOW + 1):
        outbox.put("receipts/e", b"")
    assert outbox.busy
    wire.confirm(1)
    assert not outbox.busy


@given(st.lists(st.sampled_from(["put", "confirm", "lose", "back"]), max_size=40))
def test_every_message_reaches_a_broker_that_stays_and_none_before_the_one_put_before_it(history):
    wire, number = FakeLink(), 0
    outbox = Outbox(wire, LETTERS, foreign=False)
    for what in [*history, "back"]:
        if what == "put":
            outbox.put("receipts/e", msgspec.json.encode(number))
            number += 1
        elif what == "confirm":
            wire.confirm(1)
        elif what == "lose":
            wire.lose()
        elif not wire.up:
            wire.up = True
            outbox.resend()
    firsts = list(dict.fromkeys(wire.payloads()))
    assert firsts == [msgspec.json.encode(n) for n in range(number)]


# --- overload ---------------------------------------------------------------------------------------------------


@pytest.fixture
def letters():
    return []


@pytest.fixture
def loop():
    return FakeLoop()


@pytest.fixture
def overload(loop, wire, letters):
    return Overload(loop, wire, lambda _topic, payload: letters.append(json.loads(payload)), Topics())


def refuse(overload, effect_id, reason="overload: too much"):
    overload.refuse(effect_id, "wind", "effects/wind", b"60", reason)


def test_each_refusal_is_a_short_receipt_and_all_of_a_second_are_one_letter_that_says_how_many(
    overload, loop, wire, letters
):
    for number in range(50):
        refuse(overload, f"e{number}")
    assert [json.loads(payload)["status"] for payload in wire.payloads()] == ["refused"] * 50
    assert [topic for topic, *_ in wire.published] == [f"receipts/e{number}" for number in range(50)]
    assert max(map(len, wire.payloads())) < 250
    loop.advance(0.99)
    assert [letter["id"] for letter in letters] == ["e0"]
    loop.advance(0.01)
    assert [letter["id"] for letter in letters] == ["e0", "e49"]
    assert "(49 refused " in letters[1]["detail"]
    loop.advance(60)
    assert len(letters) == 2


def test_what_has_no_id_gets_no_receipt_and_is_counted(overload, wire, letters):
    refuse(overload, None)
    assert wire.published == []
    assert "(1 refused " in letters[0]["detail"]


def test_a_slow_broker_gets_no_more_receipts_of_refusals_than_it_confirms(overload, wire):
    for number in range(3 * FLYING):
        refuse(overload, f"e{number}")
    assert len(wire.published) == FLYING
    wire.confirm(1)
    refuse(overload, "next")
    assert wire.published[-1][0] == "receipts/next"
    wire.lose()
    wire.up = True
    overload.connected()
    for number in range(3 * FLYING):
        refuse(overload, f"f{number}")
    assert len(wire.published) == 2 * FLYING + 1
