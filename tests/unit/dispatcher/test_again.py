"""The same effect again is not executed again."""

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")


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
