"""effectd.testing: a driver on the bench is called as its program calls it; nothing is loaded before it is played."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from effectd.driver import Bus, DeviceFailed, Driver, Effect, Options
from effectd.testing import BusBench, DispatcherBench, DriverBench


class LampOptions(Options):
    channel: int = 1


class Lamp(Driver):
    effects = ("light",)
    options: LampOptions
    broken: tuple[str, ...] = ()  # the calls that raise, one each

    def open(self) -> None:
        self._call("open")

    def apply(self, _effect: Effect) -> None:
        self._call("apply")

    def off(self) -> None:
        self._call("off")

    def check(self) -> None:
        self._call("check")

    def _call(self, name: str) -> None:
        if name in self.broken:
            self.broken = tuple(other for other in self.broken if other != name)
            raise DeviceFailed(f"{name}: no such lamp")


class Sender(Lamp):
    uses_out = True

    def apply(self, effect: Effect) -> None:
        self.out(f"{effect.effect_type} {effect.level(255)}", self._never)

    def off(self) -> None:
        self.out("off", self._never)

    def _never(self) -> None:
        raise AssertionError("a dry run touched the device")


def without_checks(bench: DriverBench) -> list[tuple[int, str]]:
    return [call for call in bench.calls if call[1] != "check"]


def broken(*calls: str) -> type[Driver]:
    return type("Broken", (Lamp,), {"broken": calls, "__annotations__": {"options": LampOptions}})


@pytest.mark.parametrize("room", ["drivers", "dispatcher_proc", "broker_proc"])
def test_importing_it_loads_none_of_the_rooms(room):
    code = f"import sys, effectd.testing; sys.exit({room!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bench_of_a_driver_does_not_load_the_dispatcher():
    code = (
        "import sys; from drivers.virtual import Virtual; from effectd.testing import DriverBench; "
        "DriverBench(Virtual).send(); sys.exit('dispatcher_proc' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_off_comes_first_and_again_after_the_duration_and_at_the_end_the_device_is_let_go():
    bench = DriverBench(Lamp)
    effect = bench.send(60, duration=250)
    bench.advance(0.5)
    assert bench.acks == {effect: "done"}
    bench.close()
    assert bench.calls == [(0, "open"), (0, "off"), (0, "apply"), (250, "off"), (500, "off"), (500, "close")]
    assert bench.levels == [(0, 0), (0, 60), (250, 0), (500, 0)]
    too_late = bench.send()
    assert bench.acks[too_late] == "stopped"


def test_the_driver_gets_the_level_within_limits_range_and_curve_and_the_state_shows_it_without_the_range():
    bench = DriverBench(Lamp, limits={"max_intensity": 50}, range=(20, 80), curve=2)
    bench.send(100)
    bench.advance(0.1)
    assert [effect.intensity for effect in bench.applied] == [35]
    assert bench.states[-1]["intensity"] == 50


def test_a_fade_comes_in_steps_at_their_moments():
    bench = DriverBench(Lamp)
    bench.send(50, fade=100, duration=300)
    bench.advance(1)
    assert bench.levels == [(0, 0), (0, 10), (20, 20), (40, 30), (60, 40), (80, 50), (300, 0)]


def test_a_stop_is_off_at_once_and_what_comes_after_it_is_taken():
    bench = DriverBench(Lamp)
    bench.send(60, duration=0)
    bench.stop()
    after = bench.send(30)
    assert bench.levels == [(0, 0), (0, 60), (0, 0)]
    bench.advance(1)
    assert bench.acks[after] == "done"


def test_an_effect_that_waits_beyond_its_ttl_is_expired():
    bench = DriverBench(Lamp, limits={"max_rate_hz": 1})
    first, waits = bench.send(60), bench.send(30, ttl_ms=200)
    bench.advance(2)
    assert bench.acks == {first: "done", waits: "expired"}


def test_a_call_that_raises_is_answered_and_the_device_is_opened_again_off_first_after_a_pause():
    bench = DriverBench(broken("apply"))
    failed = bench.send(60)
    assert bench.acks == {failed: "failed"}
    assert bench.reasons == {failed: "apply: no such lamp"}
    good = bench.send(30)
    bench.advance(0.5)
    assert bench.acks[good] == "done"
    assert without_checks(bench) == [
        (0, "open"),
        (0, "off"),
        (0, "apply"),
        (100, "reopen"),
        (100, "off"),
        (100, "apply"),
    ]


def test_the_pauses_grow_until_the_device_can_be_opened():
    bench = DriverBench(broken("open", "off"))
    bench.advance(2)
    assert without_checks(bench) == [(0, "open"), (100, "reopen"), (100, "off"), (300, "reopen"), (300, "off")]


def test_an_idle_device_is_checked_each_second_and_opened_again_when_it_has_gone():
    bench = DriverBench(broken("check"))
    bench.advance(2.5)
    assert bench.calls[2:] == [(1000, "check"), (1100, "reopen"), (1100, "off"), (2000, "check")]


def test_a_dry_run_opens_nothing_and_keeps_what_would_have_left():
    bench = DriverBench(Sender, dry_run=True)
    bench.driver.broken = ("open",)
    bench.send(100, duration=100)
    bench.advance(1)
    assert bench.out == ["off", "light 255", "off"]
    with pytest.raises(TypeError, match="Lamp: uses_out is not True"):
        DriverBench(Lamp, dry_run=True)


@pytest.mark.parametrize(
    "wrong", [{"options": {"canal": 1}}, {"options": {"channel": "one"}}, {"limits": {"max": 1}}, {"shape": 1}]
)
def test_wrong_options_limits_and_keys_are_refused(wrong: dict[str, Any]):
    with pytest.raises(msgspec.ValidationError):
        DriverBench(Lamp, **wrong)


# --- a bus


class Row(Bus):
    effects = ("light",)
    uses_out = True
    refresh_hz = 10.0
    devices: Mapping[str, LampOptions]
    fails = 0  # so many calls of `show` raise

    def show(self, levels: dict[str, Effect | None]) -> None:
        if self.fails:
            self.fails -= 1
            raise DeviceFailed("no such row")
        self.out(
            " ".join(
                f"{self.devices[name].channel}={level.level(255) if level else 0}" for name, level in levels.items()
            ),
            lambda: None,
        )


class Sleepy(Row):
    repeat_s = 1.0


LAMPS = {"left": {"options": {"channel": 1}, "limits": {"max_intensity": 50}}, "right": {"options": {"channel": 2}}}


def test_a_bus_gets_the_levels_of_all_its_devices_no_more_often_than_it_can_show_them():
    bench = BusBench(Row, devices=LAMPS)
    left, right = bench["left"].send(80, 200), bench["right"].send(60, 1000)
    bench.advance(2)
    off, on, right_alone = ({"left": 0, "right": 0}, {"left": 50, "right": 60}, {"left": 0, "right": 60})
    assert bench.shown == [(0, off), (100, on), (300, right_alone), (1100, off)]
    assert (bench["left"].acks, bench["right"].acks) == ({left: "done"}, {right: "done"})
    bench.close()
    bench.advance(1)
    assert bench.calls[-2:] == [(2000, "show"), (2000, "close")]


def test_what_fails_on_a_bus_fails_for_each_of_its_devices_and_it_is_opened_again_off_first():
    bench = BusBench(Row, devices=LAMPS)
    bench.bus.fails = 1
    effects = {device: bench[device].send(60) for device in LAMPS}
    bench.advance(0.5)
    assert {device: bench[device].acks[effect] for device, effect in effects.items()} == dict.fromkeys(LAMPS, "failed")
    assert bench.calls == [(0, "open"), (0, "show"), (100, "show"), (200, "reopen"), (200, "show")]


def test_a_bus_that_falls_asleep_is_shown_the_same_again_and_a_dry_run_keeps_it_all():
    bench = BusBench(Sleepy, devices=LAMPS, dry_run=True)
    bench["right"].send(100, 0)
    bench.advance(2.5)
    assert bench.out == ["1=0 2=0", "1=0 2=255", "1=0 2=255", "1=0 2=255"]


# --- the dispatcher


def test_a_dispatcher_on_the_bench_answers_under_its_topic_root(home):
    bench = DispatcherBench(
        home, "topic_root: room\ndevices: {fan: {kind: virtual, effects: [wind]}}\neffects: {wind: }\n"
    )
    bench.message("effects/wind", {"id": "w1", "intensity": 60})
    assert bench.on("devices/fan/set") == []
    bench.ready("fan")
    assert [sent["intensity"] for sent in bench.on("devices/fan/set")] == [60]
    bench.ack("fan", "w1")
    assert bench.statuses("w1") == ["done"]
    bench.message("effects/rain", {"id": "r1"})
    assert bench.letters() == [("refused", "r1", "effect_type: unknown; known are wind")]
    bench.close()
