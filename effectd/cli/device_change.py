"""`effectd device list / remove / set`: changes devices in both files, keeps comments, applies it at once."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from drivers import kinds
from effectd.base.columns import columns
from effectd.base.near import did_you_mean
from effectd.cli import files, scalars, style
from effectd.cli.check import SupervisorFile
from effectd.cli.device import Driven, checked, driver_of, have_in_force, kind_of, readable
from effectd.cli.files import Refused
from effectd.config import reader, yamlchange
from effectd.config.reader import FILE, SUPERVISOR_FILE, Config
from effectd.config.schema import Bus, Device
from effectd.config.yamlfile import YamlFile
from effectd.supervision.health import Health, Row

_OPTIONS, _DEVICES, _BUSES = "options", "devices", "buses"


def show(home: Path) -> int:
    """A row per device: its section in config.yaml, and the state of its program."""
    tree = reader.load(home)
    with Health(home) as look:
        rows = look.look()
    lines = [("DEVICE", "KIND", "EFFECTS", "WHERE", "STATE")]
    for name, device in tree.devices.items():
        where = " ".join((device.location, *device.zones))
        kind = f"{device.kind} on {device.bus}" if device.bus else device.kind
        lines.append((name, kind, ",".join(device.effects), where, _state(rows.get(device.bus or name), device)))
    lines += [(error.device, "-", "-", "-", str(error)) for error in tree.errors if error.device]
    lines += [(name, "-", "-", "-", row.reason) for name, row in rows.items() if row.left_over]
    for line in columns([[style.clean(word) for word in line] for line in lines]):
        typer.echo(line)
    return 0


def _state(row: Row | None, device: Device) -> str:
    if row is None:
        return "its driver is elsewhere" if device.remote else "-"
    return row.state + (f", stale: {', '.join(row.stale)}" if row.stale else "")


def remove(home: Path, name: str) -> int:
    """Take it out of both files; its actuator goes off, its program ends, and the broker keeps nothing of it."""
    before = readable(home)
    if not files.edit(home, lambda: _without(home, name)):
        return os.EX_CONFIG
    typer.echo(f"{name} is taken out of {FILE} and {SUPERVISOR_FILE}")
    after = readable(home)
    if before is not None and after is not None:
        for effect in sorted(_types(before) - _types(after)):
            typer.echo(f"no device does {effect} any more: such an effect will be undeliverable")
        for bus in sorted(set(before.programs) - set(after.programs) - {name}):
            typer.echo(f"no device is on {bus} any more: its program ends, its section in buses: stays")
    return have_in_force(home, name, {name, *_programs(before, name)})


def _types(tree: Config) -> set[str]:
    """The effect types that some device does."""
    return {effect for device in tree.devices.values() for effect in device.effects}


def _programs(tree: Config | None, name: str) -> set[str]:
    """Which program drives the device, or is the bus."""
    if tree is None or name in tree.buses:
        return {name}
    device = tree.devices.get(name)
    return {device.bus or name} if device is not None else {name}


def _without(home: Path, name: str) -> dict[Path, bytes]:
    path = (home / FILE).resolve()
    if _section(home, path.read_bytes(), name) != _DEVICES:
        raise Refused(f"{name} is a bus: remove its devices, and then its section in {FILE} by hand")
    return _with_sections(home, yamlchange.take(home / FILE, path.read_bytes(), (_DEVICES, name)), {name})


def _with_sections(home: Path, data: bytes, perhaps: set[str]) -> dict[Path, bytes]:
    """The changes: config.yaml, and in supervisor.conf the sections that programs have lost or gained by that.

    `perhaps`: programs that are gone, though they were in no valid configuration before.
    """
    conf = SupervisorFile(home / SUPERVISOR_FILE)
    if conf.broken:
        raise conf.problems[0].error
    before, after = readable(home), reader.load(home, data)
    earlier = set(before.programs) if before is not None else set()
    text = conf.path.read_bytes()
    for program in sorted((earlier | perhaps) - set(after.programs)):
        text = files.without_section(conf.path, program, text)
    for program in after.programs:
        if program not in earlier and program not in conf.programs:
            text = files.with_section(conf.path, program, text)
    changes = {(home / FILE).resolve(): data}
    if text != conf.path.read_bytes():
        changes[conf.path.resolve()] = text
    return changes


def _section(home: Path, data: bytes, name: str) -> str:
    """`devices` or `buses`: where `name` stands. Raises Refused where it stands nowhere."""
    found = YamlFile(home / FILE, data).data
    sections = {key: (found.get(key) if isinstance(found, dict) else None) or {} for key in (_DEVICES, _BUSES)}
    for section, names in sections.items():
        if name in names:
            return section
    devices = sections[_DEVICES]
    raise Refused(f"no device {name!r}; known: {', '.join(devices) or 'none'}{did_you_mean(name, devices)}")


def set_(home: Path, name: str, pairs: Sequence[tuple[str, str]]) -> int:
    """Change keys of one device, or bus; a key without a value goes back to its default."""
    before = readable(home)
    if not files.edit(home, lambda: _changed(home, name, pairs)):
        return os.EX_CONFIG
    typer.echo(f"{name}: " + ", ".join(f"{key}={value}" if value else f"{key} as by default" for key, value in pairs))
    return have_in_force(home, name, _programs(before, name) | _programs(readable(home), name))


def _changed(home: Path, name: str, pairs: Sequence[tuple[str, str]]) -> dict[Path, bytes]:
    data = (home / FILE).read_bytes()
    section = _section(home, data, name)
    struct = Device if section == _DEVICES else Bus
    for key, text in pairs:
        keys = tuple(key.split("."))
        if not all(re.fullmatch(r"[A-Za-z0-9_-]+", each) for each in keys):
            raise Refused(f"{key!r} is no key; such as limits.max_on_ms, options.topic, location")
        file: Any = YamlFile(home / FILE, data).data
        there = file[section][name]
        if text:
            kind = _kind(struct, there, keys, file.get(_BUSES) or {})
            data = yamlchange.put(home / FILE, data, (section, name, *keys), scalars.value(text, kind))
        elif _is_there(there, keys):
            data = yamlchange.take(home / FILE, data, (section, name, *keys))
        elif keys[0] not in struct.__struct_fields__:
            known = struct.__struct_fields__
            raise Refused(f"{key}: no such key; known are {', '.join(known)}{did_you_mean(keys[0], known)}")
    checked(home, name, data)
    return _with_sections(home, data, set())


def _is_there(data: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _kind(struct: type[msgspec.Struct], there: Any, keys: Sequence[str], buses: Any) -> Any:
    """The type that the value at `keys` has to be of, as far as it is known here."""
    if keys[0] != _OPTIONS:
        return kind_of(struct, keys[0]) if len(keys) == 1 else Any
    if len(keys) != 2:
        return Any
    try:
        if struct is Bus:
            return kind_of(kinds.options_of(kinds.find_bus(there["kind"])), keys[1])
        return kind_of(driver_of(Driven(there.get("kind"), there.get("bus")), buses)[1], keys[1])
    except Exception:  # noqa: BLE001 - an unknown kind, or a user's driver file that fails: `checked` says it
        return Any
