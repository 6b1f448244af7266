"""An effect goes to the devices of its type and comes back as a receipt."""

import pytest

from tests.unit.house import House

pytestmark = pytest.mark.usefixtures("no_inotify")


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
