"""`effectd device add`, where nothing runs: both files gain the device, or neither changes by a byte."""

import os
import shlex
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from effectd.cli import app, check, device, init
from effectd.config import reader
from effectd.config.reader import ConfigError

LAMP = """\
from effectd.driver import Driver, Options


class LampOptions(Options):
    host: str
    port: int = 5000
    name: str | None = None
    scale: tuple[int, int] = (0, 100)


class Lamp(Driver):
    effects = {effects}
    options: LampOptions
"""


class Room:
    """A new home, and `device add` in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = (path / "config.yaml", path / "supervisor.conf")
        assert init.run(path, None) == 0

    def add(self, *arguments: str) -> tuple[int, str]:
        return self.device("add", *arguments)

    def device(self, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["--home", str(self.path), "device", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    def refused(self, *arguments: str) -> str:
        """What `add` says where nothing may change."""
        return self.refused_device("add", *arguments)

    def refused_device(self, *arguments: str) -> str:
        before = self.bytes()
        code, said = self.device(*arguments)
        assert code == 78, said
        assert said.endswith("nothing was changed\n")
        assert self.bytes() == before
        assert not [path.name for path in self.path.iterdir() if path.name.startswith(".")]
        return said.removesuffix("nothing was changed\n")

    def bytes(self) -> list[bytes]:
        return [path.read_bytes() for path in self.files]

    def edit(self, old: str, new: str) -> None:
        text = self.files[0].read_text()
        assert old in text
        self.files[0].write_text(text.replace(old, new, 1))

    def entry(self, name: str) -> object:
        return yaml.safe_load(self.files[0].read_text())["devices"][name]

    def driver(self, name: str, effects: str = '("light",)') -> None:
        """A driver of the home's own."""
        (self.path / f"{name}.py").write_text(LAMP.format(effects=effects))


@pytest.fixture
def room(home: Path) -> Iterator[Room]:
    return Room(home)


@pytest.mark.parametrize("effect", ["scent", "fog"])
def test_what_people_breathe_gets_the_budget_of_a_new_home_and_is_told(room, effect):
    of_a_new_home = room.entry("scent")["limits"]
    code, said = room.add("mist", "--kind", "virtual", "--effect", effect)
    assert code == 0
    assert room.entry("mist")["limits"] == of_a_new_home
    told = next(line for line in said.splitlines() if line.startswith("people breathe it"))
    assert "at most 10 s of any 60 s (limits.budget)" in told
    command = shlex.split(told.partition("other numbers: ")[2])
    code, said = room.device(*command[command.index("device") + 1 :])
    assert (code, room.entry("mist")["limits"]["budget"]) == (0, {"on_ms": 20000, "window_ms": 60000}), said


def test_what_nobody_breathes_and_what_is_driven_elsewhere_gets_none(room):
    for name, kind, effect in (("fan", "virtual", "wind"), ("far", "remote", "fog")):
        code, said = room.add(name, "--kind", kind, "--effect", effect)
        assert code == 0
        assert "limits" not in room.entry(name)
        assert "breathe" not in said


def test_a_device_is_in_both_files_at_their_ends_and_all_else_is_as_it_was(room):
    before = [data.decode() for data in room.bytes()]
    code, said = room.add("fan", "--kind", "virtual", "--effect", "wind", "--location", "left")
    assert code == 0
    assert said.startswith("fan is in config.yaml and in supervisor.conf\nnothing runs here yet")
    block = "  fan:\n    kind: virtual\n    effects: [wind]\n    location: left\n"
    assert room.files[0].read_text() == before[0].replace("\n\neffects:", f"\n{block}\neffects:")
    assert room.files[1].read_text() == before[1] + "\n" + check.section("fan")
    assert check.problems(room.path) == []


def test_one_after_the_other_can_be_added(room):
    for name in ("fan", "fan2", "on", "1e3"):
        assert room.add(name, "--kind", "virtual", "--effect", "wind", "--effect", "scent")[0] == 0
    assert check.problems(room.path) == []
    assert list(reader.load(room.path).devices)[4:] == ["fan", "fan2", "on", "1e3"]


def test_two_that_add_at_the_same_time_are_both_there(room):
    threads = [
        threading.Thread(
            target=device.add, args=(room.path, device.Wanted(f"fan{n}", device.Driven("virtual"), ["wind"], None, []))
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"fan{n}" for n in range(6)} <= set(reader.load(room.path).devices)
    assert check.problems(room.path) == []


def test_a_remote_device_is_in_config_yaml_only(room):
    conf = room.files[1].read_bytes()
    code, said = room.add("far", "--kind", "remote", "--effect", "wind", "--option", "ack=false")
    assert code == 0
    assert said.startswith("far is in config.yaml\n")
    assert room.files[1].read_bytes() == conf
    assert room.entry("far") == {"kind": "remote", "effects": ["wind"], "options": {"ack": False}}
    assert check.problems(room.path) == []


def test_an_option_is_text_where_the_driver_takes_text_and_json_where_it_does_not(room):
    options = ["topic=a/b", 'payload={"on": $level}', "off_payload=0", "scale=[0, 255]", "retain=true"]
    code, _ = room.add("l", "--kind", "mqtt", "--effect", "light", *(x for o in options for x in ("--option", o)))
    assert code == 0
    assert room.entry("l")["options"] == {
        "topic": "a/b",
        "payload": '{"on": $level}',
        "off_payload": "0",
        "scale": [0, 255],
        "retain": True,
    }


def test_a_device_on_a_bus_brings_the_section_of_the_bus_once(room):
    room.edit("devices:\n", "buses:\n  board: {kind: serial, options: {port: auto}}\ndevices:\n")
    conf = room.files[1].read_text()
    code, said = room.add("left", "--bus", "board", "--effect", "wind", "--option", "index=1")
    assert (code, said.splitlines()[0]) == (0, "left is in config.yaml and in supervisor.conf")
    assert room.entry("left") == {"bus": "board", "effects": ["wind"], "options": {"index": 1}}
    assert room.files[1].read_text() == conf + "\n" + check.section("board")
    code, said = room.add("right", "--bus", "board", "--effect", "wind", "--option", "line=R$level")
    assert (code, said.splitlines()[0]) == (0, "right is in config.yaml")
    assert room.files[1].read_text() == conf + "\n" + check.section("board")
    assert check.problems(room.path) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--bus", "bord"), "--bus: 'bord' is not a key of buses: (known: board); did you mean board?"),
        (("--bus", "board", "--option", "port=auto"), "devices.left.options.port: unknown key"),
        (("--bus", "board", "--option", "line=$x"), "$x is not known here"),
    ],
)
def test_what_cannot_be_on_a_bus_is_refused(room, arguments, told):
    room.edit("devices:\n", "buses:\n  board: {kind: serial, options: {port: auto}}\ndevices:\n")
    assert told in room.refused("left", "--effect", "wind", *arguments)


def test_a_device_has_either_a_kind_or_a_bus(room):
    for arguments in ((), ("--kind", "virtual", "--bus", "board")):
        code, said = room.add("left", *arguments)
        assert code == 2
        assert "give either --kind or --bus" in said


def test_without_an_effect_the_driver_says_what_it_is_made_for(room):
    room.driver("lamp_a", '("light", "glow")')
    assert room.add("l", "--kind", "lamp_a", "--option", "host=10.0.0.7", "--option", "name=5")[0] == 0
    assert room.entry("l") == {"kind": "lamp_a", "effects": ["light"], "options": {"host": "10.0.0.7", "name": "5"}}


def test_an_option_is_a_yaml_scalar_as_in_the_file(room):
    options = ['off_payload="0"', "payload=OFF", "retain=yes", "topic='a b'", "broker={host: x, port: 1}"]
    code, _ = room.add("l", "--kind", "mqtt", "--effect", "light", *(x for o in options for x in ("--option", o)))
    assert code == 0
    assert room.entry("l")["options"] == {
        "off_payload": "0",
        "payload": "OFF",
        "retain": True,
        "topic": "a b",
        "broker": {"host": "x", "port": 1},
    }


def test_an_effect_type_that_is_new_comes_into_the_file_by_itself(room):
    code, said = room.add("fan", "--kind", "virtual", "--effect", "bubbles", "--effect", "wind")
    assert code == 0
    assert said.startswith("bubbles is a new effect type, in effects: of config.yaml\n")
    assert reader.load(room.path).effects["bubbles"].duration_ms == 1000
    assert check.problems(room.path) == []


def test_a_driver_brings_its_own_effect_type(room):
    room.driver("lamp_b", '("glow",)')
    code, said = room.add("l", "--kind", "lamp_b", "--option", "host=x")
    assert code == 0, said
    assert "glow is a new effect type" in said
    assert room.entry("l")["effects"] == ["glow"]


def test_without_an_effect_of_the_drivers_own_one_is_asked_for(room):
    room.driver("lamp_c", "()")
    told = (
        "--effect is needed: lamp_c does any effect type; effects: in config.yaml has light, wind, vibration, scent\n"
    )
    assert room.refused("l", "--kind", "lamp_c", "--option", "host=x") == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["fan", "--kind", "virtual", "--effect", "wnd"],
            "devices.fan.effects: 'wnd' is not a key of effects: (known: light,",
        ),
        (["fan", "--kind", "nonsense", "--effect", "wind"], "--kind: 'nonsense': no such kind"),
        (["fan", "--kind", "virtual"], "--effect is needed: virtual does any effect type"),
        (["fan", "--kind", "remote"], "--effect is needed: remote does any effect type"),
        (["Fan", "--kind", "virtual", "--effect", "wind"], "'Fan': a device id is 1 to 32 of a-z 0-9 -"),
        (["a: b", "--kind", "virtual", "--effect", "wind"], "'a: b': a device id is"),
        (["a\nb", "--kind", "virtual", "--effect", "wind"], r"'a\nb': a device id is"),
        (["all", "--kind", "virtual", "--effect", "wind"], "devices.all: a device id is"),
        (
            ["fan", "--kind", "virtual", "--effect", "wind", "--location", "here"],
            "devices.fan.location: ",
        ),
        (
            ["fan", "--kind", "virtual", "--effect", "wind", "--option", "apply_ms=soon"],
            "devices.fan.options.apply_ms: ",
        ),
        (
            ["fan", "--kind", "virtual", "--effect", "wind", "--option", "speed=1"],
            "devices.fan.options.speed: unknown key; allowed here are apply_ms",
        ),
        (
            ["fan", "--kind", "virtual", "--effect", "wind", "--option", "apply_ms=1", "--option", "apply_ms=2"],
            "--option: the same one is given twice",
        ),
        (["fan", "--kind", "mqtt", "--effect", "wind"], "devices.fan.options: "),
        (
            ["fan", "--kind", "remote", "--effect", "wind", "--option", "ack=maybe"],
            "devices.fan.options.ack: ",
        ),
    ],
)
def test_what_cannot_be_a_device_is_told_by_its_key_and_changes_nothing(room, arguments, told):
    assert room.refused(*arguments).startswith(told)


def test_a_driver_file_that_cannot_be_loaded_is_told_and_changes_nothing(room):
    (room.path / "broken_lamp.py").write_text("def f(:\n")
    assert "--kind: 'broken_lamp': " in room.refused("l", "--kind", "broken_lamp", "--effect", "light")


def test_an_option_without_a_value_is_a_wrong_argument(room):
    before = room.bytes()
    code, said = room.add("fan", "--kind", "virtual", "--effect", "wind", "--option", "apply_ms")
    assert code == 2
    assert "'apply_ms' is not of the form KEY=VALUE" in said
    assert room.bytes() == before


def test_a_name_that_is_there_is_told_with_its_line_in_either_file(room):
    lines = room.files[0].read_text().splitlines()
    said = room.refused("wind", "--kind", "virtual", "--effect", "wind")
    assert said == f"{room.files[0]}:{lines.index('  wind:') + 1}: devices.wind: is there already\n"
    with room.files[1].open("a") as conf:
        conf.write("[group:both]\nprograms=light,wind\n")
    number = len(room.files[1].read_text().splitlines()) - 1
    said = room.refused("both", "--kind", "virtual", "--effect", "wind")
    assert said == f"{room.files[1]}:{number}: group:both: is there already\n"


def test_what_was_wrong_before_is_told_at_the_line_that_the_user_sees(room):
    room.edit("port: 1883", "port: much")
    said = room.refused("fan", "--kind", "virtual", "--effect", "wind")
    line = room.files[0].read_text().splitlines().index("  port: much") + 1
    assert said.startswith(f"{room.files[0]}:{line}: broker.port: ")


def test_a_wrong_supervisor_conf_is_told_first(room):
    with room.files[1].open("a") as conf:
        conf.write("[program:light]\n")
    assert f"{room.files[1]}:" in room.refused("fan", "--kind", "virtual", "--effect", "wind")


def test_a_device_that_is_wrong_stops_no_other_one(room):
    room.edit("effects: [scent]", "effects: [sent]")
    assert room.add("fan", "--kind", "virtual", "--effect", "wind")[0] == 0
    (problem,) = check.problems(room.path)
    assert problem.error.device == "scent"


@pytest.mark.parametrize("devices", ["devices: {}", "devices:", ""])
def test_the_first_device_of_a_home_can_be_added(room, devices):
    room.files[0].write_text(f"{devices}\neffects: {{wind: {{}}}}\n")
    conf = room.files[1].read_text()
    room.files[1].write_text(conf[: conf.index("; One section a device")])
    assert room.add("fan", "--kind", "virtual", "--effect", "wind")[0] == 0
    assert check.problems(room.path) == []


def test_what_cannot_be_edited_safely_is_refused_with_the_lines_to_add_by_hand(room):
    room.files[0].write_bytes("effects: {wind: {}}\ndevices: {}\n".encode("utf-16"))
    said = room.refused("fan", "--kind", "virtual", "--effect", "wind")
    assert said.startswith(f"{room.files[0]}:2: devices: is written in a way that cannot be edited safely; add this")
    assert said.endswith("\n\ndevices:\n  fan:\n    kind: virtual\n    effects: [wind]\n\n")


def test_the_line_ends_of_windows_and_a_missing_last_newline_are_kept(room):
    for path in room.files:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    assert room.add("fan", "--kind", "virtual", "--effect", "wind")[0] == 0
    for data in room.bytes():
        assert data.count(b"\n") == data.count(b"\r\n")
    assert check.problems(room.path) == []


def test_links_and_modes_of_the_files_are_kept(room):
    real = room.path / "elsewhere.yaml"
    room.files[0].rename(real)
    room.files[0].symlink_to(real)
    real.chmod(0o640)
    assert room.add("fan", "--kind", "virtual", "--effect", "wind")[0] == 0
    assert room.files[0].is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert check.problems(room.path) == []


def test_when_the_second_file_cannot_be_written_the_first_is_put_back(room, monkeypatch):
    replace = os.replace

    def fails(source: Path, target: Path) -> None:
        if target.name == "supervisor.conf":
            raise PermissionError(13, "Permission denied", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    said = room.refused("fan", "--kind", "virtual", "--effect", "wind")
    assert said == f"{room.files[1]}: Permission denied\n"


def test_when_the_disk_is_full_neither_file_changes(room, monkeypatch):
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(os, "fsync", full)
    assert room.refused("fan", "--kind", "virtual", "--effect", "wind") == "disk: No space left on device\n"


def test_without_a_supervisor_conf_nothing_is_added(room):
    room.files[1].unlink()
    before = room.files[0].read_bytes()
    code, said = room.add("fan", "--kind", "virtual", "--effect", "wind")
    assert code == 78
    assert f"{room.files[1]}:1: cannot be read: No such file or directory" in said
    assert room.files[0].read_bytes() == before


def test_where_no_home_is_nothing_is_added(home):
    with pytest.raises(ConfigError, match="no home here"):
        CliRunner().invoke(app, ["--home", str(home), "device", "add", "x", "--kind", "mqtt"], catch_exceptions=False)
