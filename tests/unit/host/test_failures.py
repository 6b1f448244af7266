"""A device that fails, hangs or cannot be opened."""

import itertools

import pytest

from drivers import host as host_module
from tests.unit.host.stage import Fan

pytestmark = pytest.mark.usefixtures("no_inotify")


def test_an_apply_that_raises_is_failed_and_the_device_is_opened_again_off_first_and_ready_again(stage):
    stage.fan.errors["apply e1"] = [OSError("no such port")]
    stage.set("e1")
    stage.until_acked("e1", "failed")
    assert stage.reason("e1") == "no such port"
    assert (stage.gate, stage.process.gate.line.reason) == ("degraded", "no such port")
    assert stage.on("availability") == [b"offline"]
    assert stage.on("state") == []
    stage.loop.until(lambda: stage.gate == "ready")
    assert stage.fan.calls == ["apply e1", "close", "open", "off"]
    assert stage.fan.times[2] - stage.fan.times[0] >= 0.1
    assert stage.on("availability") == [b"offline", b"online"]
    stage.set("e2")
    stage.until_acked("e2", "done")


def test_a_device_that_cannot_be_opened_is_tried_again_with_growing_pauses(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.02, 0.06))

    def prepare(fan: Fan) -> None:
        fan.errors = {"open": [OSError("one"), OSError("two"), OSError("three")], "close": [OSError("not open")] * 2}

    stage = new(prepare=prepare)
    stage.set("e1")
    stage.until_calls("open", "off", "apply e1")
    assert stage.fan.calls == ["open", "close", "open", "close", "open", "close", "open", "off", "apply e1"]
    opened = [at for at, call in zip(stage.fan.times, stage.fan.calls, strict=True) if call == "open"]
    first, second, third = (later - earlier for earlier, later in itertools.pairwise(opened))
    assert (first >= 0.02, second >= 0.06, third >= 0.06) == (True, True, True)
    stage.until_acked("e1", "done")


def test_after_a_device_has_worked_again_the_pauses_begin_anew(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.01, 60))
    stage = new().start()
    for name in ("e1", "e2", "e3"):
        stage.fan.errors[f"apply {name}"] = [OSError("a moment")]
        stage.set(name)
        stage.until_acked(name, "failed")
        stage.until_calls("close", "open", "off")
        stage.loop.until(lambda: stage.gate == "ready")


def test_until_the_device_has_gone_off_nothing_is_driven_and_it_is_not_ready(new, monkeypatch):
    monkeypatch.setattr(host_module, "REOPEN_S", (0.03,))
    stage = new(prepare=lambda fan: fan.errors.update({"off": [OSError("stuck"), OSError("stuck")]}))
    gates = set[str]()
    stage.set("e1")
    stage.loop.until(lambda: gates.add(stage.gate) or "apply e1" in stage.fan.calls)
    assert stage.fan.calls == ["open", "off", *["close", "open", "off"] * 2, "apply e1"]
    assert gates == {"starting", "degraded", "ready"}
    assert stage.on("availability") == [b"online"]


def test_an_apply_that_outlives_its_limit_is_failed_and_if_it_comes_back_the_device_is_switched_off(new):
    stage = new("max_apply_ms: 200").start()
    slow = stage.fan.hold("apply e1")
    stage.set("e1", priority=9, duration=60_000)
    stage.until_acked("e1", "failed")
    assert stage.reason("e1") == "the device did not answer within 200 ms"
    assert stage.gate == "degraded"
    assert stage.on("availability") == [b"offline"]
    stage.set("e2", priority=0)
    slow.set()
    stage.until_acked("e2", "done")
    assert stage.fan.calls == ["apply e1", "off", "apply e2"]
    assert stage.gate == "ready"
    assert stage.on("availability") == [b"offline", b"online"]
    assert stage.ack("e1") == "failed"


def test_a_device_that_hangs_for_twice_its_limit_ends_the_process_with_1_so_that_a_fresh_one_can_start(new):
    stage = new("max_apply_ms: 40").start()
    stage.fan.hold("apply e1")
    stage.set("e1")
    stage.loop.until(lambda: stage.ended)
    assert (stage.host.exit_code, stage.ack("e1"), stage.gate) == (1, "failed", "stopping")
    assert stage.on("availability") == [b"offline"]
