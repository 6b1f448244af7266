"""`effectd device add`: adds a device to both files, checks them before writing either, and starts it at once."""

import os
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import typer

from drivers import kinds
from effectd.base.errors import ConfigError
from effectd.base.near import did_you_mean
from effectd.cli import built, files, in_force, scalars, style, waiting
from effectd.cli.check import SupervisorFile
from effectd.cli.files import Refused
from effectd.config import programs, reader, yamledit
from effectd.config.reader import FILE, SUPERVISOR_FILE, Config
from effectd.config.schema import RemoteOptions
from effectd.config.yamlfile import YamlFile
from effectd.messages import topics
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from effectd.supervision.health import Health

EX_NOT_READY = 3
READY_S = 15.0
# what people breathe is limited from the start, as in a new home (docs/safety.md)
BREATHED = frozenset({"scent", "fog"})
EXPOSURE: dict[str, Any] = {"max_on_ms": 10000, "budget": {"on_ms": 10000, "window_ms": 60000}}


class Driven(NamedTuple):
    """What drives the new device: its own `kind`, or a `bus` of the file."""

    kind: str | None = None
    bus: str | None = None

    def entry(self) -> dict[str, Any]:
        return {"kind": self.kind} if self.bus is None else {"bus": self.bus}


class Wanted(NamedTuple):
    """The new device, as the command line has it."""

    name: str
    driven: Driven
    effects: Sequence[str]
    location: str | None
    options: Sequence[tuple[str, str]]


def add(home: Path, wanted: Wanted) -> int:
    """The exit code."""
    name = wanted.name
    before, changes = readable(home), dict[Path, bytes]()

    def change() -> dict[Path, bytes]:
        changes.update(_changes(home, wanted))
        return changes

    if not files.edit(home, change):
        return os.EX_CONFIG
    tree = reader.load(home)
    for effect in [effect for effect in tree.effects if before is None or effect not in before.effects]:
        typer.echo(f"{effect} is a new effect type, in effects: of {FILE}")
    typer.echo(f"{name} is in {FILE}" + (f" and in {SUPERVISOR_FILE}" if len(changes) > 1 else ""))
    if tree.devices[name].limits.budget is not None:
        change_it = (
            f"{style.tool('effectd', home)} device set {name} limits.budget='{{on_ms: 20000, window_ms: 60000}}'"
        )
        typer.echo(f"people breathe it: on for at most 10 s of any 60 s (limits.budget); other numbers: {change_it}")
    return have_in_force(home, name, {wanted.driven.bus or name})


def readable(home: Path) -> Config | None:
    """What stands in config.yaml; None if it cannot be read."""
    try:
        return reader.load(home)
    except ConfigError:
        return None


def _changes(home: Path, wanted: Wanted) -> dict[Path, bytes]:
    """The new text of each file; raises if the change is not possible."""
    name, driven = wanted.name, wanted.driven
    if not topics.DEVICE_ID.fullmatch(name):
        raise Refused(f"{name!r}: a device id is 1 to 32 of a-z 0-9 -, beginning with a letter or digit")
    path = (home / FILE).resolve()
    file, conf = YamlFile(home / FILE), SupervisorFile(home / SUPERVISOR_FILE)
    data = file.data if isinstance(file.data, dict) else {}
    if name in (data.get("devices") or {}):
        raise file.error(("devices", name), "is there already")
    for section in (f"{sort}:{name}" for sort in ("program", "group", "eventlistener", "fcgi-program")):
        if line := conf.line(section):
            raise ConfigError(conf.path, line, section, "is there already")
    if conf.problems:
        raise conf.problems[0].error
    known = list(data.get("effects") or {})
    buses = data.get("buses")
    entry = _entry(wanted, buses if isinstance(buses, dict) else {}, known)
    grown = yamledit.add(home / FILE, path.read_bytes(), "devices", name, entry)
    for effect in dict.fromkeys(entry["effects"]):
        typo = effect in wanted.effects and did_you_mean(effect, known)  # probably
        if effect not in known and not typo:
            grown = yamledit.add(home / FILE, grown, "effects", effect, {})
    checked(home, name, grown)
    program = driven.bus or name
    if driven.kind == "remote" or conf.line(f"program:{program}"):
        return {path: grown}
    return {path: grown, conf.path.resolve(): files.with_section(conf.path, program)}


def _entry(wanted: Wanted, buses: dict[str, Any], known: list[str]) -> dict[str, Any]:
    """The device's section for config.yaml."""
    driven = wanted.driven
    own, options_type = driver_of(driven, buses)
    effects = wanted.effects or [effect for effect in own if effect in known] or own
    if not effects:
        types = ", ".join(known) or "none"
        raise Refused(
            f"--effect is needed: {driven.bus or driven.kind} does any effect type; effects: in {FILE} has {types}"
        )
    entry = driven.entry() | {"effects": list(effects)}
    if wanted.location is not None:
        entry["location"] = wanted.location
    if BREATHED.intersection(effects) and driven.kind != "remote":  # a remote one's driver is not ours
        entry["limits"] = EXPOSURE
    if wanted.options:
        entry["options"] = {key: scalars.value(text, kind_of(options_type, key)) for key, text in wanted.options}
        if len(entry["options"]) < len(wanted.options):
            raise Refused("--option: the same one is given twice")
    return entry


def kind_of(struct: type[msgspec.Struct], key: str) -> Any:
    """The type of that field; Any where there is none."""
    return next((f.type for f in msgspec.structs.fields(struct) if f.encode_name == key), Any)


def driver_of(driven: Driven, buses: dict[str, Any]) -> tuple[tuple[str, ...], type[msgspec.Struct]]:
    """The effect types that such a device can do (() = any), and its options."""
    if driven.kind == "remote":
        return (), RemoteOptions
    if driven.bus is not None and driven.bus not in buses:
        known = list(buses)
        raise Refused(
            f"--bus: {driven.bus!r} is not a key of buses: (known: {', '.join(known) or 'none'})"
            + did_you_mean(driven.bus, known)
        )
    try:
        if driven.bus is not None:
            bus = kinds.find_bus(buses[driven.bus]["kind"])
            return bus.effects, kinds.device_options_of(bus)
        driver = kinds.find(driven.kind or "")
        return driver.effects, kinds.options_of(driver)
    except Exception as error:  # noqa: BLE001 - a user's driver file may fail in any way when loaded
        option, word = ("--bus", driven.bus) if driven.bus is not None else ("--kind", driven.kind)
        raise Refused(f"{option}: {word!r}: {error}") from None


def checked(home: Path, name: str, grown: bytes) -> None:
    """Build it as its program would; errors of other devices do not matter here."""
    ours = {name}
    try:
        tree = reader.load(home, grown)
        program = name if tree.bus(name) is not None else tree.device(name).bus or name
        ours |= {program, *tree.devices_of(program)}
        if error := built.build_error(tree, program):
            raise error
    except ConfigError as error:
        if error.device not in ours:
            reader.load(home)  # it was wrong before: reported at the line that the user sees
        raise Refused(f"{error.key}: {error.problem}") from None


def have_in_force(home: Path, name: str, programs_: set[str]) -> int:
    """Apply the files for this one device, and wait for it; nothing else is touched.

    `programs_`: which drove it before, and which does now.
    """
    began = time.monotonic()
    tree = reader.load(home)
    try:
        done = in_force.bring(home, Supervisor(home), {name, *programs_})
    except NotRunning:
        typer.echo(f"nothing runs here yet; this starts it: {style.tool('effectd', home)} up")
        return 0
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        return EX_NOT_READY
    except xmlrpc.client.Fault as fault:
        typer.echo(f"supervisord did not load it: {fault.faultString}", err=True)
        return EX_NOT_READY
    for each, what in done.items():
        if each in (name, *programs_) and what != in_force.ADDED:  # that it is added has been said
            typer.echo(f"{each}: {what}")
    if name in tree.devices and tree.devices[name].remote:
        typer.echo(f"{name} is ready once devices/{name}/availability says online")
    run = sorted(programs_ & set(tree.programs))
    if not run:
        return 0
    with Health(home, [programs.BROKER, *run]) as look:
        rows, _ = waiting.wait(look, READY_S)
    waited = time.monotonic() - began
    for each in run:
        row = rows[each]
        if row.ready:
            typer.echo(f"{each} is {style.paint('ready')} ({waited:.1f} s)")
            continue
        typer.echo(f"{each} is {style.paint(row.state)} after {waited:.0f} s: {style.clean(row.reason, 400)}", err=True)
        if cure := waiting.cure(each, row, f"{style.tool('effectd', home)} up"):
            typer.echo(cure, err=True)
    return 0 if all(rows[each].ready for each in run) else EX_NOT_READY
