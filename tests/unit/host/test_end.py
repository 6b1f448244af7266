"""SIGTERM: off first, then the end."""

import pytest

from drivers import host as host_module

pytestmark = pytest.mark.usefixtures("no_inotify")


def test_at_sigterm_the_device_goes_off_is_let_go_and_the_process_ends_with_0(stage):
    stage.set("e1", duration=0)
    stage.until_acked("e1", "done")
    stage.host.stop()
    assert stage.gate == "stopping"
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["apply e1", "off", "close"]
    assert stage.host.exit_code == 0
    assert not stage.state["on"]
    assert stage.on("availability")[-1] == b"offline"


def test_at_sigterm_what_waits_or_comes_still_is_stopped_and_the_one_being_applied_goes_off(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2")
    stage.host.stop()
    stage.host.stop()
    stage.set("e3")
    assert (stage.ack("e2"), stage.ack("e3")) == ("stopped", "stopped")
    slow.set()
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["apply e1", "off", "close"]
    assert (stage.ack("e1"), stage.host.exit_code) == ("done", 0)


def test_at_sigterm_while_the_device_is_being_opened_it_goes_off_before_the_end(new):
    stage = new(prepare=lambda fan: fan.hold("open"))
    stage.until_calls("open")
    stage.host.stop()
    stage.fan.held["open"].set()
    stage.loop.until(lambda: stage.ended)
    assert stage.fan.calls == ["open", "off", "close"]


def test_at_sigterm_a_device_that_hangs_does_not_keep_the_process_for_longer_than_its_limit(stage, monkeypatch):
    monkeypatch.setattr(host_module, "STOP_LIMIT_S", 0.05)
    stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.host.stop()
    stage.loop.until(lambda: stage.ended)
    assert stage.host.exit_code == 1


def test_at_sigterm_a_device_that_is_away_does_not_keep_the_process(new):
    stage = new(prepare=lambda fan: fan.errors.update({"open": [OSError("away")] * 9}))
    stage.loop.until(lambda: stage.gate == "degraded")
    stage.host.stop()
    stage.loop.until(lambda: stage.ended, limit=2.0)
    assert stage.gate == "stopping"
