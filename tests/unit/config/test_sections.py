"""An error in one device's section concerns that device alone."""

import pytest

from effectd.base.errors import ConfigError
from tests.unit.config.files import FAN, WHOLE, parts


@pytest.mark.parametrize(
    ("fan", "line", "key", "told"),
    [
        (
            "    limit: {}",
            5,
            "devices.fan.limit",
            "allowed here are kind, effects, location, zones, delay_ms, ",
        ),
        (
            "    limits:\n      max_intensity: 5\n      max_on: 1",
            7,
            "devices.fan.limits.max_on",
            "unknown key; allowed here are max_intensity, max_on_ms, max_rate_hz, max_apply_ms",
        ),
        ("    limits: {max_intensity: 101}", 5, "devices.fan.limits.max_intensity", "100"),
        ("    limits:\n      max_intensity: .nan", 6, "devices.fan.limits.max_intensity", "0"),
        ("    limits: {max_on_ms: 0}", 5, "devices.fan.limits.max_on_ms", "1"),
        ("    limits: {max_rate_hz: 0}", 5, "devices.fan.limits.max_rate_hz", "0"),
        ("    limits: {max_rate_hz: .inf}", 5, "devices.fan.limits.max_rate_hz", "1000"),
        (
            "    limits: {max_apply_ms: 1.5}",
            5,
            "devices.fan.limits.max_apply_ms",
            "a whole number from 1 to 600000, not 1.5",
        ),
        ("    delay_ms: -1", 5, "devices.fan.delay_ms", "0"),
        ("    location: upstairs", 5, "devices.fan.location", "allowed are everywhere"),
        ("    location: left:right", 5, "devices.fan.location", "named already"),
        ("    zones: row-a", 5, "devices.fan.zones", "a list, such as [row-a]"),
        ("    zones: [Row A]", 5, "devices.fan.zones", "a zone's name is 1 to 32 of"),
        ("    zones: [row-a, all]", 5, "devices.fan.zones", "none of all, broker"),
        ("    zones: [fan]", 5, "devices.fan.zones", "'fan' is a device"),
        ("    options: 5", 5, "devices.fan.options", "a mapping"),
    ],
)
def test_an_error_in_one_devices_section_is_kept_and_everything_else_is_loaded(load, fan, line, key, told):
    tree = load(FAN.format(fan=fan))
    (error,) = tree.errors
    assert parts(error, tree.home)[:2] == (line, key)
    assert told in error.problem
    assert error.device == "fan"
    assert list(tree.devices) == ["light"]
    assert tree.device("light").kind == "virtual"
    with pytest.raises(ConfigError) as caught:
        tree.device("fan")
    assert caught.value is error


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("{kind: virtual, effects: [fog]}", "devices.fan.effects"),
        ("{kind: virtual, effects: []}", "devices.fan.effects"),
        ("{kind: virtual, effects: wind}", "devices.fan.effects"),
        ("{kind: virtual, effects: [1]}", "devices.fan.effects"),
        ("{kind: '', effects: [wind]}", "devices.fan.kind"),
        ("{kind: virtual}", "devices.fan"),
        ("{effects: [wind]}", "devices.fan"),
        ("", "devices.fan"),
        ("virtual", "devices.fan"),
    ],
)
def test_a_device_without_a_right_kind_and_effects_is_left_out(load, home, section, key):
    tree = load(f"effects: {{wind: }}\ndevices:\n  fan: {section}\n")
    assert [parts(error, home)[:2] for error in tree.errors] == [(3, key)]
    assert tree.devices == {}


def test_an_effect_that_is_no_type_is_named_with_the_types_that_are_known(load):
    (error,) = load("effects: {wind: , fog: }\ndevices: {fan: {kind: virtual, effects: [wind, frog]}}").errors
    assert "'frog'" in error.problem
    assert "wind, fog" in error.problem


TAKEN = ["all", "broker", "buttons", "dispatcher", "dispatcher-2", "page", "playsem", "watchdog"]


@pytest.mark.parametrize("name", [*TAKEN, "Fan", "fan_1", "-fan", "fan 1", "x" * 33])
def test_a_name_that_is_no_device_id_is_told_the_rule(load, home, name):
    tree = load(f"effects: {{wind: }}\ndevices:\n  ok: {{kind: virtual, effects: [wind]}}\n  {name}: {{}}\n")
    (error,) = tree.errors
    assert parts(error, home) == (4, f"devices.{name}", error.problem)
    assert "1 to 32 of a-z 0-9 -" in error.problem
    assert "all, broker, buttons, dispatcher, dispatcher-N, page, playsem, watchdog" in error.problem
    assert list(tree.devices) == ["ok"]


@pytest.mark.parametrize("name", ["a", "0", "x" * 32, "fan-2", "1-"])
def test_a_name_within_the_rule_is_a_device_id(load, name):
    assert list(load(f"effects: {{wind: }}\ndevices: {{'{name}': {{kind: v, effects: [wind]}}}}").devices) == [name]


def test_a_device_that_is_not_there_is_told_with_those_that_are(load, home):
    with pytest.raises(ConfigError) as caught:
        load(WHOLE).device("lamp")
    assert parts(caught.value, home) == (12, "devices.lamp", "missing; known: light, fan-2, esp")


def test_a_drivers_complaint_about_an_option_has_the_options_line(load, home):
    error = load(WHOLE).option_error("fan-2", ("options", "pin"), "no such pin")
    assert parts(error, home) == (25, "devices.fan-2.options.pin", "no such pin")
    assert error.device == "fan-2"
