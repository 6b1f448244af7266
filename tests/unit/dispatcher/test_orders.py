"""Stops, acks, and requests through the gate."""

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")


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
