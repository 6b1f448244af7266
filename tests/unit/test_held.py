"""What is held is off and takes nothing, whoever brings it, and both the driver and the dispatcher say who holds it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.stage import Stage
from tests.unit.house import House
from tests.unit.real_loop import RealLoop

pytestmark = pytest.mark.usefixtures("no_inotify")


# --- in the driver -----------------------------------------------------------------------------------------------


@pytest.fixture
def stage(home: Path, loop: RealLoop) -> Iterator[Stage]:
    stage = Stage(home, loop, "max_rate_hz: 1000", lambda _fan: None).start()
    yield stage
    stage.close()


def test_a_hold_switches_off_at_once_and_what_comes_then_is_stopped_with_the_reason(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.send("holds/door", b"open")
    stage.until_calls("off")
    stage.set("e2")
    stage.until_acked("e2", "stopped")
    assert stage.reason("e2") == "held by door: open"
    stage.loop.until(lambda: stage.state.get("reason") == "held by door: open")
    assert stage.state["on"] is False
    assert stage.gate == "ready"
    assert stage.process.gate.line.reason == "held by door: open"
    assert stage.fan.calls == ["apply e1", "off"]


def test_two_holders_must_both_release_and_then_only_what_comes_afterwards_is_driven(stage):
    stage.send("holds/door", b"open", retained=True)
    stage.send("holds/anna", b"")
    stage.send("holds/anna", b'{"reason": "cleaning"}')
    stage.send("holds/door", b"")
    stage.set("e1")
    stage.until_acked("e1", "stopped")
    assert stage.reason("e1") == "held by anna: cleaning"
    stage.send("holds/anna", b"")
    stage.set("e2")  # the dispatcher has not yet ended what was before the hold
    stage.until_acked("e2", "stopped")
    stage.resume()
    stage.set("e3")
    stage.until_acked("e3", "done")
    assert stage.process.gate.line.reason == ""


def test_a_hold_of_others_leaves_a_device_alone(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.send("holds/door", b'{"reason": "open", "target": ["row-a", "lamp"]}')
    stage.loop.spend(0.03)
    assert stage.fan.calls == ["apply e1"]
    stage.send("holds/anna", b'{"target": "fan"}')
    stage.until_calls("off")


def test_who_holds_is_said_also_while_the_broker_is_away(stage):
    stage.send("holds/door", b"open")
    stage.host._broker._links[0].up = False
    stage.host._broker._say()
    assert stage.gate == "waiting"
    assert stage.process.gate.line.reason.endswith("; held by door: open")


def test_by_the_gate_it_works_without_a_broker_and_is_answered_when_the_device_is_off(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    slow, answers = stage.fan.hold("off"), list[dict[str, Any]]()
    stage.host._request({"do": "hold", "name": "front", "reason": "pressed"}, answers.append)
    stage.until_calls("off")
    stage.loop.spend(0.02)
    assert answers == []
    slow.set()
    stage.loop.until(lambda: answers)
    held = {"fan": "held by front: pressed"}
    assert answers == [{"done": "hold", "off": True, "held": held}]
    stage.host._request({"do": "hold", "name": "front", "reason": "pressed"}, answers.append)
    stage.host._request({"do": "hold", "name": "else", "target": "lamp"}, answers.append)
    stage.loop.until(lambda: len(answers) == 3)
    assert sorted((answer["held"] for answer in answers), key=len) == [{}, held, held]
    stage.host._request({"do": "release", "name": "front"}, answers.append)
    stage.host._request({"do": "hold", "name": ""}, answers.append)
    assert answers[3] == {"done": "release", "off": True, "held": {}}
    assert "error" in answers[4]


def test_a_driver_that_is_born_while_it_is_held_is_off_and_takes_nothing(home, loop):
    first = Stage(home, loop, "max_rate_hz: 1000", lambda _fan: None).start()
    first.send("holds/door", b"open")
    first.close()
    second = Stage(home, loop, "max_rate_hz: 1000", lambda _fan: None).start()
    second.set("e1")
    second.until_acked("e1", "stopped")
    assert second.reason("e1") == "held by door: open"
    assert second.fan.calls == []
    second.close()


# --- in the dispatcher -----------------------------------------------------------------------------------------------


def test_an_effect_to_held_devices_alone_is_refused_and_parts_of_others_are_stopped(house):
    house.message("holds/door", b'{"reason": "open", "target": "fan"}')
    house.wind("alone", location="left")
    (receipt,) = house.on("receipts/alone")
    assert (receipt["status"], receipt["reason"], receipt["devices"]) == ("refused", "held by door: open", {})
    assert ("refused", "alone", "held by door: open") in house.letters()
    house.wind("both")
    house.ack("fan-2", "both")
    (receipt,) = house.on("receipts/both")
    assert (receipt["status"], receipt["reason"]) == ("partial", "held by door: open")
    assert receipt["devices"] == {"fan": "stopped", "fan-2": "done"}
    assert house.on("devices/fan/set") == []


def test_what_waits_for_a_device_ends_when_it_is_held(house):
    house.gate("fan", None)
    house.wind("w1", location="left")
    house.message("holds/door", b"open", retained=True)
    (receipt,) = house.on("receipts/w1")
    assert (receipt["status"], receipt["reason"]) == ("stopped", "held by door: open")


def test_those_that_stand_are_published_retained_and_shown_by_the_gate(house):
    house.message("holds/door", b'{"reason": "open", "target": "fan"}')
    house.message("holds/anna", b"cleaning")
    told = json.loads(house.link.payloads("system/holds")[-1])
    assert [(hold["name"], hold["reason"], hold["target"]) for hold in told] == [
        ("door", "open", ["fan"]),
        ("anna", "cleaning", None),
    ]
    assert house.dispatcher._holding.everything
    house.dispatcher._table.asked({"do": "release", "name": "anna"}, lambda _: None)
    house.message("holds/door", b"")
    assert json.loads(house.link.payloads("system/holds")[-1]) == []
    house.wind("w1")
    assert house.statuses("w1") == []  # open, and on its way
    assert not house.dispatcher._holding.everything


def test_a_dispatcher_that_was_dead_knows_the_holds_that_stand(home):
    first = House(home)
    first.message("holds/door", b"open")
    first.close()
    second = House(home)
    second.ready()
    second.wind("w1")
    assert second.on("receipts/w1")[0]["reason"] == "held by door: open"
    second.close()
