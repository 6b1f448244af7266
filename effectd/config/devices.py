"""Reads the sections of config.yaml that map names: effect types, buses and devices."""

import re
from collections.abc import Container
from typing import Any

from effectd.base.near import did_you_mean
from effectd.config import bounds, programs
from effectd.config.convert import convert
from effectd.config.schema import Bus, Button, Device, EffectType, RemoteOptions
from effectd.config.yamlfile import Path_, YamlFile
from effectd.messages import location

STANDARD_LABELS: dict[str, float] = {"off": 0, "low": 25, "medium": 50, "high": 100}


def effect_type(file: YamlFile, name: str, raw: Any) -> EffectType:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise file.error(("effects", name), "a name of at most 64 letters, digits, _ . -")
    found: EffectType = convert(file, ("effects", name), {} if raw is None else raw, EffectType)
    return EffectType({**STANDARD_LABELS, **found.labels}, found.duration_ms)


def bus(file: YamlFile, name: str, raw: Any, devices: Container[str]) -> Bus:
    path = ("buses", name)
    if not programs.is_device(name):
        raise file.error(path, "a bus's name is " + programs.id_rule())
    if name in devices:
        raise file.error(path, "is a device as well; devices, buses and zones share one set of names")
    found: Bus = convert(file, path, raw, Bus)
    return found


def button(file: YamlFile, name: str, raw: Any, devices: dict[str, Device]) -> Button:
    path = ("buttons", name)
    if not programs.is_device(name):
        raise file.error(path, "a button's name is " + programs.id_rule())
    found: Button = convert(file, path, raw, Button)
    known = {*devices, *(zone for each in devices.values() for zone in each.zones)}
    if unknown := [word for word in found.target if word not in known]:
        raise file.error((*path, "target"), f"{unknown[0][:40]!r} is neither a device nor a zone of this home")
    return found


def device(  # noqa: PLR0917
    file: YamlFile,
    name: str,
    raw: Any,
    effects: dict[str, EffectType],
    devices: Container[str],
    buses: dict[str, Any],
) -> Device:
    """`devices`, `buses`: as they stand in the file; zones share one set of names with both."""
    path = ("devices", name)
    if not programs.is_device(name):
        raise file.error(path, "a device id is " + programs.id_rule())
    if isinstance(raw, dict) and raw.get("bus") is not None:
        raw = _on_its_bus(file, path, raw, buses)
    found: Device = convert(file, path, raw, Device)
    if found.remote:
        convert(file, (*path, "options"), found.options, RemoteOptions)
    for effect in found.effects:
        if effect not in effects:
            known, near = ", ".join(effects) or "none", did_you_mean(effect, effects)
            raise file.error((*path, "effects"), f"{effect!r} is not a key of effects: (known: {known}){near}")
    for key in ("range", "curve", "dry_run"):
        if found.remote and key in raw:
            raise file.error((*path, key), "its driver does this: set it in the home in which that runs")
    if problem := next(filter(None, (_zone_problem(zone, devices, buses) for zone in found.zones)), ""):
        raise file.error((*path, "zones"), problem)
    bounds.check(file, name, found, raw)
    if found.range[0] >= found.range[1]:
        raise file.error((*path, "range"), "[low, high] in percent, low below high")
    try:
        location.parse(found.location)
    except ValueError as error:
        raise file.error((*path, "location"), str(error)) from None
    return found


def _zone_problem(zone: str, devices: Container[str], buses: Container[str]) -> str:
    if not programs.is_device(zone):
        return f"{zone[:40]!r}: a zone's name is {programs.id_rule()}"
    if zone in devices or zone in buses:
        what = "device" if zone in devices else "bus"
        return f"{zone!r} is a {what}; devices, buses and zones share one set of names"
    return ""


def _on_its_bus(file: YamlFile, path: Path_, raw: dict[str, Any], buses: dict[str, Any]) -> dict[str, Any]:
    """The section of a device on a bus, with its bus's kind."""
    name = raw["bus"]
    if "kind" in raw:
        raise file.error((*path, "kind"), "stands at the bus; a device has either `kind` or `bus`")
    if not isinstance(name, str) or name not in buses:
        known = ", ".join(buses) or "none"
        near = did_you_mean(str(name), buses)
        raise file.error((*path, "bus"), f"{str(name)[:40]!r} is not a key of buses: (known: {known}){near}")
    if "dry_run" in raw:
        raise file.error((*path, "dry_run"), f"a dry run is for a whole bus: set buses.{name}.dry_run")
    section = buses[name]
    kind = section.get("kind") if isinstance(section, dict) else None
    return raw | {"kind": kind if isinstance(kind, str) and kind else name}  # a bus without a kind has its own error
