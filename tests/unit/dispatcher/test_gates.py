"""Gates and connections: who is ready, what is missing, and what is said of it."""

import errno
import os

import pytest

from effectd.readiness.line import Line

pytestmark = pytest.mark.usefixtures("no_inotify")


def test_a_driver_that_is_ready_under_another_run_of_the_broker_is_not_ready(house):
    house.gate("fan", None)
    house.ready("fan", broker="b0")
    house.wind(location="left")
    house.loop.advance(0.2)
    assert house.on("devices/") == []
    assert house.on("receipts/w1")[0]["reason"] == "waiting: fan is not connected to the broker's new run yet"
    house.ready("fan", broker="b1")
    assert len(house.on("devices/fan/set")) == 1


@pytest.mark.parametrize(
    ("line", "lack"),
    [
        (None, "fan is not running"),
        (Line("fan", 7, "starting", "g1"), "fan is starting"),
        (Line("fan", 7, "degraded", "g1", reason="no such port"), "fan is degraded: no such port"),
    ],
)
def test_an_effect_that_expires_names_what_was_missing(house, line, lack):
    house.gate("fan", line)
    house.wind(location="left")
    house.loop.advance(2.01)
    assert house.statuses("w1") == ["accepted", "expired"]
    assert house.on("receipts/w1")[-1]["reason"] == lack


def test_without_a_connection_effects_are_held_and_receipts_kept_and_both_told_when_it_is_back(house):
    house.wind("w1", location="left")
    house.link.lose()
    house.ack("fan", "w1")  # read from the socket just before
    house.wind("w2", location="left")
    house.link.published.clear()
    house.link.open()
    assert house.statuses("w1") == ["done"]
    assert [sent["id"] for sent in house.on("devices/fan/set")] == ["w2"]


def test_where_the_journal_cannot_be_written_accepted_is_not_said_and_the_gate_is_degraded(house, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.gate("fan", None)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        disk.setattr(os, "posix_fallocate", full)
        house.wind("w1", location="left")
        house.loop.advance(1)
        assert house.statuses("w1") == []
        line = house.process.gate.line
        assert (line.state, line.reason) == ("degraded", "run/ is full: No space left on device")
        house.ready("fan")
        house.ack("fan", "w1")
        assert house.statuses("w1") == ["done"]
    house.loop.advance(1)
    assert house.process.gate.line.state != "degraded"


def test_the_state_of_every_program_is_published_retained_at_each_change_and_again_after_a_connect(house):
    line = Line("fan", 7, "degraded", "g2", reason="no such port", at=5)
    house.gate("fan", line)
    house.gate("fan-2", None)
    house.gate("broker", Line("broker", 3, "ready", "b1"))
    expected = {"name": "fan", "pid": 7, "state": "degraded", "reason": "no such port", "at": 5, "contract": 2}
    assert house.on("system/fan/state")[-1].items() >= expected.items()
    assert house.on("system/fan-2/state")[-1].items() >= {"name": "fan-2", "state": "gone", "contract": 2}.items()
    assert house.on("system/broker/state")[-1].items() >= {"state": "ready", "generation": "b1"}.items()
    house.link.published.clear()
    house.link.open()
    states = {topic: (qos, retain) for topic, _, qos, retain in house.link.published if topic.startswith("system/")}
    programs = [f"system/{name}/state" for name in house.process.config.programs]
    assert states == dict.fromkeys(["system/holds", *programs], (1, True))


def test_at_its_end_the_dispatcher_says_gone_and_ends_the_loop(house):
    house.dispatcher.stop()
    assert house.on("system/dispatcher/state")[-1]["state"] == "gone"
    assert house.process.gate.line.state == "stopping"
    assert house.loop.stopped
