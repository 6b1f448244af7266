"""What a device publishes, and when."""

import itertools
import threading
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("no_inotify")


def test_the_state_is_told_only_after_the_actuator_has_moved(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.loop.spend(0.08)
    assert stage.on("state") == []
    slow.set()
    stage.loop.until(lambda: stage.state)
    assert (stage.state["on"], stage.state["effect_id"]) == (True, "e1")


def test_at_most_20_states_a_second_are_told_and_the_last_one_always(stage, monkeypatch):
    told = list[float]()
    publish = stage.wire.publish

    def timed(topic: str, *arguments: Any, **keywords: Any) -> None:
        if topic == "devices/fan/state":
            told.append(stage.loop.time())
        publish(topic, *arguments, **keywords)

    monkeypatch.setattr(stage.wire, "publish", timed)
    for number in range(40):
        stage.set(f"e{number}")
        stage.loop.until(lambda number=number: stage.ack(f"e{number}"))
        stage.loop.spend(0.003)
    stage.loop.until(lambda: stage.state["effect_id"] == "e39")
    assert all(later - earlier >= 0.049 for earlier, later in itertools.pairwise(told))
    assert 2 <= len(told) < 40


def test_acks_are_qos_0_and_states_qos_1_and_retained(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.loop.until(lambda: stage.state)
    flags = {topic: (qos, retain) for topic, _, qos, retain in stage.wire.published}
    assert flags == {"devices/fan/ack": (0, False), "devices/fan/state": (1, True)}


def test_after_a_new_connection_everything_retained_is_told_again_and_every_ack_that_was_kept(stage):
    stage.wire.lose()
    stage.set("e1", duration=30)
    stage.until_calls("apply e1", "off")
    stage.set("e2")
    stage.until_calls("apply e2")
    stage.loop.until(lambda: stage.member.actuator._on)
    assert stage.wire.published == []
    stage.wire.up = True
    stage.member.reporter.connected()
    assert [(ack["id"], ack["status"]) for ack in stage.on("ack")] == [("e1", "done"), ("e2", "done")]
    assert stage.state["effect_id"] == "e2"
    assert stage.on("availability") == [b"online"]
    (told,) = stage.on("config")
    assert (told["kind"], told["effects"], told["location"]) == ("virtual", ["wind"], "everywhere")
    assert told["limits"]["max_on_ms"] == 60000
    retained = {topic.rpartition("/")[2] for topic, _, _, retain in stage.wire.published if retain}
    assert retained == {"config", "availability", "state"}
    stage.wire.published.clear()
    stage.member.reporter.connected()
    assert stage.on("ack") == []


def test_the_driver_is_called_from_one_thread_that_is_not_the_loops_and_never_twice_at_a_time(stage):
    for number in range(10):
        stage.set(f"e{number}")
        stage.send("devices/fan/stop")
        stage.loop.turn()
    stage.loop.until(lambda: not stage.host._worker.busy)
    assert len(stage.fan.threads) == 1
    assert threading.get_ident() not in stage.fan.threads
    assert stage.fan.most_inside == 1
