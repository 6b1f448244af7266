"""What waits for its turn, and what a flood or a defect does to the others."""

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")


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
