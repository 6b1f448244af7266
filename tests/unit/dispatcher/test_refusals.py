"""What is refused is told by receipt and dead letter, each of which names the field."""

import base64

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")


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
