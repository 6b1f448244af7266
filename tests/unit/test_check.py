"""What the host does for a device beside its effects: it looks after an idle one, and maps onto its useful range."""

import pytest

from drivers import host as host_module
from tests.unit.host import stage as host_stage
from tests.unit.host.stage import Fan, new

__all__ = ["new"]

pytestmark = pytest.mark.usefixtures("no_inotify")


class Plugged(Fan):
    def check(self) -> None:
        self._call("check")


@pytest.fixture
def looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_stage, "Fan", Plugged)
    monkeypatch.setattr(host_module, "CHECK_EVERY_S", 0.01)


@pytest.mark.usefixtures("looked_after")
def test_an_idle_device_that_has_gone_is_degraded_and_opened_again_off_first(new):
    stage = new().start()
    stage.until_calls("check")
    assert stage.gate == "ready"
    stage.fan.errors["check"] = [OSError("unplugged")]
    stage.loop.until(lambda: stage.gate == "degraded")
    stage.loop.until(lambda: stage.gate == "ready")
    calls = [call for call in stage.fan.calls if call != "check"]
    assert calls == ["close", "open", "off"]
    assert stage.on("availability") == [b"offline", b"online"]


@pytest.mark.usefixtures("looked_after")
def test_a_device_is_looked_after_also_while_it_is_on_and_goes_off_in_time(new):
    stage = new().start()
    stage.set("e1", duration=60)
    stage.until_calls("apply e1", "check")
    stage.loop.until(lambda: "off" in stage.fan.calls)
    assert [call for call in stage.fan.calls if call != "check"] == ["apply e1", "off"]
    assert stage.fan.most_inside == 1


@pytest.mark.usefixtures("looked_after")
def test_a_device_that_is_lost_while_it_is_on_is_off_when_it_comes_back(new):
    stage = new().start()
    stage.set("e1", duration=5000)
    stage.loop.until(lambda: stage.state.get("on"))
    stage.fan.errors["check"] = [OSError("unplugged")]
    stage.loop.until(lambda: not stage.state["on"])
    stage.loop.until(lambda: stage.gate == "ready")
    assert [call for call in stage.fan.calls if call != "check"] == ["apply e1", "close", "open", "off"]


@pytest.mark.usefixtures("looked_after")
def test_a_device_of_which_nothing_is_open_is_not_looked_after(new):
    stage = new(prepare=lambda fan: fan.errors.update({"open": [OSError("away")] * 2}))
    stage.loop.until(lambda: stage.gate == "ready")
    assert "check" not in stage.fan.calls[: stage.fan.calls.index("off")]


def test_a_driver_without_a_check_costs_no_timer(new, monkeypatch):
    monkeypatch.setattr(host_module, "CHECK_EVERY_S", 0.01)
    stage = new(prepare=lambda fan: setattr(fan, "check", lambda: fan.calls.append("check"))).start()
    stage.loop.spend(0.05)
    assert stage.fan.calls == []


def test_the_driver_gets_the_mapped_intensity_and_the_state_shows_the_one_asked_for(new):
    stage = new("max_intensity: 50}, range: [30, 80], curve: 1, options: {").start()
    stage.set("e1", intensity=90)
    stage.until_acked("e1", "done")
    stage.loop.until(lambda: stage.state)
    assert (stage.fan.effects_[0].intensity, stage.state["intensity"]) == (55, 50)
    stage.set("e2", intensity=0)
    stage.until_acked("e2", "done")
    assert stage.fan.calls[-1] == "off"
