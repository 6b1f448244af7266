"""`effectd device list / remove / set`: the devices of both files, changed with the comments kept, in force at once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from effectd.base.errors import ConfigError
from effectd.base.near import did_you_mean
from effectd.cli import files, scalars, style
from effectd.cli.check import SupervisorFile
from effectd.cli.device import EX_CONFIG, checked, driver_of, have_in_force, kind_of
from effectd.cli.files import Refused
from effectd.config import reader, yamlchange
from effectd.config.reader import FILE, SUPERVISOR_FILE
from effectd.config.schema import Device
from effectd.config.yamlfile import YamlFile
from effectd.supervision.health import Health, Row

_OPTIONS = "options"


def show(home: Path) -> int:
    """A row per device: what stands in config.yaml, and what its program says now."""
    tree = reader.load(home)
    with Health(home) as look:
        rows = look.look()
    lines = [("DEVICE", "KIND", "EFFECTS", "WHERE", "STATE")]
    for name, device in tree.devices.items():
        where = " ".join((device.location, *device.zones))
        lines.append((name, device.kind, ",".join(device.effects), where, _state(rows.get(name), device)))
    lines += [(error.device, "-", "-", "-", str(error)) for error in tree.errors if error.device]
    lines += [(name, "-", "-", "-", row.reason) for name, row in rows.items() if row.left_over]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    table = (
        "  ".join(f"{style.clean(word):<{w}}" for word, w in zip(line, [*widths, 0], strict=True)) for line in lines
    )
    for line in table:
        typer.echo(line.rstrip())
    return 0


def _state(row: Row | None, device: Device) -> str:
    if row is None:
        return "its driver is elsewhere" if device.remote else "-"
    return row.state + (f", stale: {', '.join(row.stale)}" if row.stale else "")


def remove(home: Path, name: str) -> int:
    """Take it out of both files; its actuator goes off, its program ends, and the broker keeps nothing of it."""
    before = _types_done(home)
    if not files.edit(home, lambda: _without(home, name)):
        return EX_CONFIG
    typer.echo(f"{name} is taken out of {FILE} and {SUPERVISOR_FILE}")
    for effect in sorted(before - _types_done(home)):
        typer.echo(f"no device does {effect} any more: such an effect will be undeliverable")
    return have_in_force(home, name)


def _types_done(home: Path) -> set[str]:
    """The effect types that some device does."""
    try:
        return {effect for device in reader.load(home).devices.values() for effect in device.effects}
    except ConfigError:
        return set()


def _without(home: Path, name: str) -> dict[Path, bytes]:
    path, conf = (home / FILE).resolve(), SupervisorFile(home / SUPERVISOR_FILE)
    _known(home, name)
    if conf.broken:
        raise conf.problems[0].error
    changes = {path: yamlchange.take(home / FILE, path.read_bytes(), ("devices", name))}
    if conf.line(f"program:{name}"):
        changes[conf.path.resolve()] = files.without_section(conf.path, name)
    return changes


def _known(home: Path, name: str) -> dict[str, Any]:
    """The device as it stands in the file. Raises Refused where there is none."""
    data = YamlFile(home / FILE).data
    devices = (data.get("devices") if isinstance(data, dict) else None) or {}
    if name not in devices:
        raise Refused(f"no device {name!r}; known: {', '.join(devices) or 'none'}{did_you_mean(name, devices)}")
    found = devices[name]
    return found if isinstance(found, dict) else {}


def set_(home: Path, name: str, pairs: Sequence[tuple[str, str]]) -> int:
    """Change keys of one device; a key without a value goes back to its default."""
    if not files.edit(home, lambda: _changed(home, name, pairs)):
        return EX_CONFIG
    typer.echo(f"{name}: " + ", ".join(f"{key}={value}" if value else f"{key} as by default" for key, value in pairs))
    return have_in_force(home, name)


def _changed(home: Path, name: str, pairs: Sequence[tuple[str, str]]) -> dict[Path, bytes]:
    path, conf = (home / FILE).resolve(), SupervisorFile(home / SUPERVISOR_FILE)
    data = path.read_bytes()
    remote = _known(home, name).get("kind") == "remote"
    for key, text in pairs:
        keys = tuple(key.split("."))
        if not all(re.fullmatch(r"[A-Za-z0-9_-]+", each) for each in keys):
            raise Refused(f"{key!r} is no key; such as limits.max_on_ms, options.topic, location")
        there = _device(home, data, name)
        if text:
            value = scalars.value(text, _kind(there, keys))
            data = yamlchange.put(home / FILE, data, ("devices", name, *keys), value)
        elif _is_there(there, keys):
            data = yamlchange.take(home / FILE, data, ("devices", name, *keys))
        elif keys[0] not in Device.__struct_fields__:
            raise Refused(f"{key}: no such key; known are {', '.join(Device.__struct_fields__)}")
    checked(home, name, data)
    becomes_remote = _device(home, data, name).get("kind") == "remote"
    if becomes_remote and not remote:
        return {path: data, conf.path.resolve(): files.without_section(conf.path, name)}
    if remote and not becomes_remote:
        return {path: data, conf.path.resolve(): files.with_section(conf.path, name)}
    return {path: data}


def _device(home: Path, data: bytes, name: str) -> Any:
    file: Any = YamlFile(home / FILE, data).data
    return file["devices"][name]


def _is_there(data: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _kind(device: Any, keys: Sequence[str]) -> Any:
    """The type that the value at `keys` has to be of, as far as it is known here."""
    if keys[0] != _OPTIONS:
        return kind_of(Device, keys[0]) if len(keys) == 1 else Any
    if len(keys) != 2:
        return Any
    try:
        return kind_of(driver_of(device["kind"])[1], keys[1])
    except (Refused, LookupError, TypeError, msgspec.ValidationError):
        return Any
