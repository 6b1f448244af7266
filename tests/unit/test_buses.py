"""`buses:` in config.yaml: what is read, what is refused and where, and which driver a bus gets."""

from pathlib import Path

import pytest

from drivers import kinds
from drivers.serial_board import Board
from drivers.serial_code import CodeOptions
from drivers.virtual import VirtualBus
from effectd.base.errors import ConfigError
from effectd.cli import check
from effectd.config import reader
from tests.unit.test_cli_check import write

BUS = """buses:
  stage:
    kind: virtual
devices:
  fan:
    bus: stage
    effects: [wind]
  lamp:
    bus: stage
    effects: [light]
  solo:
    kind: virtual
    effects: [wind]
effects: {wind: , light: }
"""


@pytest.fixture(autouse=True)
def log_folder(home: Path) -> None:
    (home / "run" / "log").mkdir()


def load(home: Path, text: str = BUS) -> reader.Config:
    (home / "config.yaml").write_text(text)
    return reader.load(home)


def test_a_bus_is_one_program_and_its_devices_have_its_kind(home):
    tree = load(home)
    assert tree.errors == ()
    assert tree.programs == ["broker", "dispatcher", "stage", "solo"]
    assert (tree.devices_of("stage"), tree.devices_of("solo")) == (["fan", "lamp"], ["solo"])
    assert {device.kind for device in tree.devices.values()} == {"virtual"}


@pytest.mark.parametrize(
    ("change", "line", "key", "problem"),
    [
        (("bus: stage\n    effects: [wind]", "bus: stge\n    effects: [wind]"), 6, "devices.fan.bus", "known: stage"),
        (
            ("    bus: stage\n    effects: [l", "    bus: stage\n    kind: gpio\n    effects: [l"),
            10,
            "devices.lamp.kind",
            "either",
        ),
        (
            ("    bus: stage\n    effects: [l", "    bus: stage\n    dry_run: true\n    effects: [l"),
            10,
            "devices.lamp.dry_run",
            "stage",
        ),
        (("  stage:\n", "  solo:\n"), 2, "buses.solo", "share one set of names"),
        (("  stage:\n    kind", "  stage:\n    knd"), 3, "buses.stage.knd", "kind, dry_run, options"),
        (("  stage:\n", "  Stage:\n"), 2, "buses.Stage", "1 to 32 of"),
        (("    effects: [light]", "    effects: [light]\n    zones: [stage]"), 11, "devices.lamp.zones", "is a bus"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(home, change, line, key, problem):
    assert change[0] in BUS
    errors = {error.key: str(error) for error in load(home, BUS.replace(*change)).errors}
    assert f"config.yaml:{line}: {key}: " in errors[key]
    assert problem in errors[key]


def test_a_wrong_device_is_left_out_and_its_bus_drives_the_others(home):
    tree = load(home, BUS.replace("effects: [light]", "effects: [lightt]"))
    assert [error.device for error in tree.errors] == ["lamp"]
    assert isinstance(built := kinds.build("stage", tree), VirtualBus)
    assert list(built.devices) == ["fan"]


def test_a_wrong_bus_stops_only_its_own_program(home):
    tree = load(home, BUS.replace("    kind: virtual\ndevices", "    kind: 5\ndevices"))
    assert [error.device for error in tree.errors] == ["stage"]
    with pytest.raises(ConfigError, match=r"config.yaml:3: buses\.stage\.kind"):
        kinds.build("stage", tree)
    kinds.build("solo", tree)


def test_a_bus_without_devices_is_no_program_and_says_so_when_it_is_started(home):
    tree = load(home, BUS.replace("bus: stage", "kind: virtual"))
    assert "stage" not in tree.programs
    with pytest.raises(ConfigError, match=r"config\.yaml:2: buses\.stage: no device has `bus: stage`"):
        kinds.build("stage", tree)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "kind: virtual\ndevices",
            "kind: gpio\ndevices",
            r"config.yaml:3: buses\.stage\.kind: 'gpio': .*0 bus classes",
        ),
        (
            "kind: virtual\ndevices",
            "kind: fann\ndevices",
            r"config.yaml:3: buses\.stage\.kind: 'fann': no such kind",
        ),
        (
            "kind: virtual\ndevices",
            "kind: virtual\n    options: {apply_m: 1}\ndevices",
            r"config.yaml:4: buses\.stage\.options\.apply_m: unknown key; allowed here are apply_ms",
        ),
        (
            "bus: stage\n    effects: [wind]",
            "bus: stage\n    effects: [wind]\n    options: {x: 1}",
            r"config.yaml:8: devices\.fan\.options\.x: unknown key",
        ),
    ],
)
def test_what_its_driver_refuses_is_told_at_its_line(home, old, new, told):
    assert old in BUS
    with pytest.raises(ConfigError, match=told):
        kinds.build("stage", load(home, BUS.replace(old, new)))


def test_a_device_of_a_bus_has_no_driver_of_its_own(home):
    with pytest.raises(ConfigError, match=r"devices\.fan\.bus: is driven by its bus: python -m drivers stage"):
        kinds.build("fan", load(home))


def test_a_serial_board_takes_the_port_and_each_device_its_own_line(home):
    text = BUS.replace("kind: virtual\ndevices", "kind: serial\n    options: {port: auto}\ndevices")
    text = text.replace("effects: [light]", "effects: [light]\n    options: {line: 'L$hex\\n'}")
    assert isinstance(built := kinds.build("stage", load(home, text)), Board)
    assert built.devices == {"fan": CodeOptions(), "lamp": CodeOptions(line=r"L$hex\n")}
    wrong = text.replace("L$hex", "L$hax")
    with pytest.raises(ConfigError, match=r"config.yaml:12: devices\.lamp\.options: .*\$hax is not known here"):
        kinds.build("stage", load(home, wrong))


def test_check_wants_a_section_for_the_bus_and_none_for_its_devices(home):
    write(home, BUS, programs=("broker", "dispatcher", "solo"))
    (missing,) = check.problems(home)
    assert ":2: buses.stage: no [program:stage] in supervisor.conf runs it" in str(missing.error)
    assert "command=python -m drivers stage --home" in missing.paste
    write(home, BUS, programs=("broker", "dispatcher", "stage", "solo"))
    assert check.problems(home) == []
    write(home, BUS, programs=("broker", "dispatcher", "stage", "solo", "fan"))
    (needless,) = check.problems(home)
    assert "device 'fan' is driven by the program of its bus 'stage'; remove this section" in str(needless.error)


def test_check_advises_a_bus_where_devices_share_a_serial_port(home, capsys):
    shared = "{kind: serial, effects: [wind], options: {port: auto, shared: true}}"
    write(home, f"devices: {{fan: {shared}}}\neffects: {{wind: }}\n", programs=("broker", "dispatcher", "fan"))
    assert check.run(home) == 0
    assert "devices.fan.options.shared: works; one process for the board does it better" in capsys.readouterr().out


def test_check_says_that_a_bus_without_devices_needs_no_program(home, capsys):
    text = BUS.replace("bus: stage", "kind: virtual")
    write(home, text, programs=("broker", "dispatcher", "fan", "lamp", "solo"))
    assert check.run(home) == 0
    assert "buses.stage: no device has `bus: stage`: it needs no program" in capsys.readouterr().out
