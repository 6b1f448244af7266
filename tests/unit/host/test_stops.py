"""Stops, by MQTT and through the gate."""

from typing import Any

import pytest

from drivers import host as host_module

pytestmark = pytest.mark.usefixtures("no_inotify")


@pytest.mark.parametrize("topic", ["devices/fan/stop", "stop-all"])
def test_a_stop_switches_off_what_is_on_and_ends_what_waits(stage, topic):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2")
    stage.send(topic, b"whatever")
    assert stage.ack("e2") == "stopped"
    slow.set()
    stage.until_calls("apply e1", "off")
    stage.loop.until(lambda: stage.state and not stage.state["on"])
    assert stage.ack("e1") == "done"
    stage.loop.spend(0.05)
    assert stage.fan.calls == ["apply e1", "off"]
    stage.set("e3")
    assert stage.ack("e3") == "stopped"  # it may have been sent before the stop
    stage.resume()
    stage.set("e4")
    stage.until_acked("e4", "done")


def test_a_retained_set_or_stop_is_an_old_one_and_changes_nothing(stage):
    stage.send("devices/fan/set", stage.payload("e1"), retained=True)
    stage.set("e2")
    stage.until_acked("e2", "done")
    stage.send("devices/fan/stop", b"1", retained=True)
    stage.send("stop-all", b"1", retained=True)
    stage.loop.spend(0.03)
    assert stage.fan.calls == ["apply e2"]
    assert stage.ack("e1") == ""


def test_a_stop_through_the_gate_is_answered_only_when_the_device_is_off(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    slow, answers = stage.fan.hold("off"), list[dict[str, Any]]()
    stage.host._request({"do": "stop"}, answers.append)
    stage.until_calls("off")
    stage.loop.spend(0.02)
    assert answers == []
    slow.set()
    stage.loop.until(lambda: answers)
    assert answers == [{"done": "stop", "off": True}]
    stage.send("stop-all")
    stage.until_calls("off", "off")
    stage.host._request({"do": "dance"}, answers.append)
    stage.resume()
    stage.set("e2")
    stage.until_acked("e2", "done")
    assert ["error" in answer for answer in answers] == [False, True]


def test_a_stop_through_the_gate_is_not_answered_while_the_device_refuses_to_go_off(stage, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.03,))
    stage.fan.errors["off"] = [OSError("stuck")]
    answers = list[dict[str, Any]]()
    stage.host._request({"do": "stop"}, answers.append)
    stage.loop.until(lambda: stage.gate == "degraded")
    assert answers == []
    stage.loop.until(lambda: answers)
    assert stage.fan.calls == ["off", "close", "open", "off"]
