"""`effectd device list, remove, set`, where nothing runs: what was asked for changes in the files, or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from effectd.cli import check, files
from effectd.config import reader
from tests.unit.test_cli_device import Room


@pytest.fixture
def room(home: Path) -> Iterator[Room]:
    return Room(home)


def device(room: Room, *arguments: str) -> str:
    """What an accepted command says."""
    code, said = room.device(*arguments)
    assert code == 0, said
    assert check.problems(room.path) == []
    return said


def test_a_device_that_is_removed_is_in_neither_file_and_all_comments_are(room):
    before = [data.decode() for data in room.bytes()]
    said = device(room, "remove", "wind")
    assert said.startswith("wind is taken out of config.yaml and supervisor.conf\n")
    assert "no device does wind any more: such an effect will be undeliverable" in said
    assert room.files[0].read_text() == before[0].replace("  wind:\n    kind: virtual\n    effects: [wind]\n", "")
    assert room.files[1].read_text() == before[1].replace(check.section("wind") + "\n", "")


def test_what_was_added_and_removed_again_leaves_the_files_as_they_were(room):
    before = room.bytes()
    device(room, "add", "fan", "--kind", "virtual", "--effect", "wind")
    device(room, "remove", "fan")
    assert [data.rstrip() for data in room.bytes()] == [data.rstrip() for data in before]


def test_all_devices_can_be_removed_one_after_the_other_and_one_added_again(room):
    for name in list(reader.load(room.path).devices):
        device(room, "remove", name)
    assert reader.load(room.path).devices == {}
    device(room, "add", "fan", "--kind", "virtual", "--effect", "wind")


def test_a_remote_device_is_removed_from_config_yaml(room):
    device(room, "add", "far", "--kind", "remote", "--effect", "wind")
    conf = room.files[1].read_bytes()
    device(room, "remove", "far")
    assert "far" not in reader.load(room.path).devices
    assert room.files[1].read_bytes() == conf


def test_a_device_whose_section_is_wrong_can_be_removed(room):
    room.edit("effects: [scent]", "effects: [sent]")
    device(room, "remove", "scent")


@pytest.mark.parametrize("command", [["remove", "wnd"], ["set", "wnd", "location=left"]])
def test_an_unknown_device_is_told_with_the_one_that_was_probably_meant(room, command):
    said = room.refused_device(*command)
    assert said == "no device 'wnd'; known: light, wind, vibration, scent; did you mean wind?\n"


def test_the_comments_before_the_next_section_stay_and_a_section_that_is_not_there_is_no_error(room):
    text = "[supervisord]\n\n[program:a]\ncommand=a\n\n; of b\n[program:b]\ncommand=b\n"
    path = room.path / "other.conf"
    path.write_text(text)
    assert files.without_section(path, "a").decode() == "[supervisord]\n\n; of b\n[program:b]\ncommand=b\n"
    assert files.without_section(path, "c").decode() == text


@pytest.mark.parametrize(
    ("pair", "old", "new"),
    [
        ("limits.max_on_ms=500", "limits: {max_on_ms: 20000}", "limits: {max_on_ms: 500}"),
        ("limits.max_intensity=50", "limits: {max_on_ms: 20000}", "limits: {max_on_ms: 20000, max_intensity: 50}"),
        ("limits=", "    limits: {max_on_ms: 20000}\n", ""),
        ("limits.max_on_ms=", "    limits: {max_on_ms: 20000}\n", ""),
        ("effects=[vibration, wind]", "effects: [vibration]", "effects: [vibration, wind]"),
        ("location=left:front", "{max_on_ms: 20000}\n", "{max_on_ms: 20000}\n    location: left:front\n"),
        ("options.apply_ms=7", "{max_on_ms: 20000}\n", "{max_on_ms: 20000}\n    options: {apply_ms: 7}\n"),
        ("range=[20, 80]", "{max_on_ms: 20000}\n", "{max_on_ms: 20000}\n    range: [20, 80]\n"),
    ],
)
def test_a_key_is_set_where_it_stands_and_nothing_else_changes(room, pair, old, new):
    before = room.files[0].read_text()
    assert old in before
    device(room, "set", "vibration", pair)
    assert room.files[0].read_text() == before.replace(old, new, 1)


def test_several_keys_are_set_together_or_none_of_them(room):
    device(room, "set", "wind", "kind=mqtt", "options.topic=fan/set", "options.off_payload=OFF")
    assert room.entry("wind") == {
        "kind": "mqtt",
        "effects": ["wind"],
        "options": {"topic": "fan/set", "off_payload": "OFF"},
    }
    said = room.refused_device("set", "wind", "location=left", "limits.max_on_ms=0")
    assert said.startswith("devices.wind.limits.max_on_ms: ")


def test_a_device_that_becomes_remote_loses_its_section_and_gets_it_back(room):
    device(room, "set", "wind", "kind=remote")
    assert "[program:wind]" not in room.files[1].read_text()
    device(room, "set", "wind", "kind=virtual")
    assert "[program:wind]" in room.files[1].read_text()


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("speed=5", "devices.wind.speed: unknown key; allowed here are kind,"),
        ("speed=", "speed: no such key; known are kind,"),
        ("limits.max_on=5", "devices.wind.limits.max_on: unknown key; allowed here are max_intensity, max_on_ms,"),
        ("options.speed=5", "devices.wind.options.speed: unknown key; allowed here are apply_ms"),
        ("kind=", "devices.wind"),
        ("limits.max_on_ms=soon", "devices.wind.limits.max_on_ms: "),
        ("effects=[wnd]", "devices.wind.effects: 'wnd' is not a key of effects:"),
        ("a b=5", "'a b' is no key"),
    ],
)
def test_what_cannot_be_set_is_told_by_its_key_and_changes_nothing(room, pair, told):
    assert room.refused_device("set", "wind", pair).startswith(told)


def test_the_list_shows_each_device_with_what_stands_in_the_file(room):
    device(room, "add", "far", "--kind", "remote", "--effect", "wind", "--location", "left")
    said = device(room, "list")
    assert [line.split()[0] for line in said.splitlines()] == ["DEVICE", "light", "wind", "vibration", "scent", "far"]
    assert said.splitlines()[-1].split() == ["far", "remote", "wind", "left", "its", "driver", "is", "elsewhere"]


BUS = """
buses:
  stage:                # one process for both
    kind: virtual
    options: {apply_ms: 1}
devices:
  fan: {bus: stage, effects: [wind]}
  lamp:
    bus: stage
    effects: [light]    # warm white
  solo: {kind: virtual, effects: [wind]}
effects: {wind: {}, light: {}}
"""


@pytest.fixture
def stage(room: Room) -> Room:
    """Two devices on a bus, one by itself."""
    room.files[0].write_text(BUS)
    conf = room.files[1].read_text()
    programs = "".join(f"\n{check.section(name)}" for name in ("stage", "solo"))
    room.files[1].write_text(conf[: conf.index("; One section a device")] + programs)
    assert check.problems(room.path) == []
    return room


def test_a_device_of_a_bus_is_taken_out_and_the_bus_runs_on_with_the_others(stage):
    conf = stage.files[1].read_bytes()
    device(stage, "remove", "fan")
    assert stage.files[0].read_text() == BUS.replace("  fan: {bus: stage, effects: [wind]}\n", "")
    assert stage.files[1].read_bytes() == conf


def test_with_the_last_device_of_a_bus_its_program_goes_and_its_section_in_buses_stays(stage):
    device(stage, "remove", "fan")
    said = device(stage, "remove", "lamp")
    assert "no device is on stage any more: its program ends, its section in buses: stays" in said
    assert "[program:stage]" not in stage.files[1].read_text()
    assert reader.load(stage.path).buses


def test_a_device_goes_onto_a_bus_and_back(stage):
    device(stage, "set", "solo", "kind=", "bus=stage")
    assert "[program:solo]" not in stage.files[1].read_text()
    assert reader.load(stage.path).devices_of("stage") == ["fan", "lamp", "solo"]
    device(stage, "set", "solo", "bus=", "kind=virtual")
    assert "[program:solo]" in stage.files[1].read_text()


def test_a_key_of_a_bus_is_set_and_a_bus_is_not_removed_as_a_device(stage):
    device(stage, "set", "stage", "options.apply_ms=5")
    assert "options: {apply_ms: 5}" in stage.files[0].read_text()
    said = stage.refused_device("set", "stage", "options.speed=5")
    assert said.startswith("buses.stage.options.speed: unknown key; allowed here are ")
    assert stage.refused_device("remove", "stage").startswith("stage is a bus: remove its devices, ")
