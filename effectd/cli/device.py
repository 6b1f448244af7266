"""`effectd device add`: one more device in both files, checked before either is touched, and running at once."""

import contextlib
import os
import shutil
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from drivers import kinds
from effectd.base import lock
from effectd.base.errors import ConfigError
from effectd.cli import check, style
from effectd.cli.check import SupervisorFile
from effectd.config import programs, reader, yamledit
from effectd.config.reader import FILE, SUPERVISOR_FILE
from effectd.config.schema import RemoteOptions
from effectd.config.yamlfile import YamlFile
from effectd.messages import topics
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from effectd.supervision.health import Health

EX_NOT_READY, EX_CONFIG = 3, 78
READY_S = 15.0
_EDIT_S = 30.0


class Refused(Exception):
    """The requested device is not possible in this home; nothing was changed."""


def add(  # noqa: PLR0917 - as they stand on the command line
    home: Path, name: str, kind: str, effects: Sequence[str], location: str | None, options: Sequence[tuple[str, str]]
) -> int:
    """The exit code."""
    try:
        # of two that add a device at the same time, the second one reads what the first one wrote
        with lock.held(home, lock.EDIT, _EDIT_S) as ours, check.own_drivers(home):
            if not ours:
                raise Refused(f"another `device add` has been at work here for {_EDIT_S:g} s")
            write(_changes(home, name, kind, effects, location, options))
    except yamledit.CannotEdit as error:
        where = ConfigError(home / FILE, YamlFile(home / FILE).line("devices"), "devices", str(error))
        typer.echo(f"{where}; add this there by hand, then `effectd check` shows what else is needed:\n", err=True)
        typer.echo(error.paste, err=True)
    except (ConfigError, Refused) as error:
        typer.echo(str(error), err=True)
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
    else:
        typer.echo(f"{name} is in {FILE}" + ("" if kind == "remote" else f" and in {SUPERVISOR_FILE}"))
        return _have_it_run(home, name, remote=kind == "remote")
    typer.echo("nothing was changed", err=True)
    return EX_CONFIG


def write(changes: dict[Path, bytes]) -> None:
    """All of them or none: each file is replaced in one step, and put back if a later one fails."""
    with contextlib.ExitStack() as tidy:
        steps = [
            (path, _beside(path, "new", data, tidy), _beside(path, "old", path.read_bytes(), tidy))
            for path, data in changes.items()
        ]
        with contextlib.ExitStack() as undo:
            for path, new, old in steps:
                os.replace(new, path)
                undo.callback(os.replace, old, path)
            undo.pop_all()


def _beside(path: Path, suffix: str, data: bytes, tidy: contextlib.ExitStack) -> Path:
    """A file with the mode and the owner of `path`, synced to the disk."""
    fresh = path.with_name(f".{path.name}.{suffix}")
    tidy.callback(fresh.unlink, missing_ok=True)
    with open(fresh, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:  # a secret may be in it
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(path, fresh)
    with contextlib.suppress(PermissionError):
        os.chown(fresh, path.stat().st_uid, path.stat().st_gid)
    return fresh


def _changes(  # noqa: PLR0917
    home: Path, name: str, kind: str, effects: Sequence[str], location: str | None, options: Sequence[tuple[str, str]]
) -> dict[Path, bytes]:
    """The new text of each file; raises if the change is not possible."""
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
    entry = _entry(kind, effects, list(data.get("effects") or {}), location, options)
    grown = yamledit.add(home / FILE, path.read_bytes(), "devices", name, entry)
    _check(home, name, grown)
    if kind == "remote":
        return {path: grown}
    return {path: grown, conf.path.resolve(): _with_section(conf.path, name)}


def _entry(
    kind: str, effects: Sequence[str], known: list[str], location: str | None, options: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The device as it is to stand in config.yaml."""
    own, options_type = _driver(kind)
    effects = effects or [effect for effect in own if effect in known]
    if not effects:
        able = ", ".join(own) or "any effect type"
        raise Refused(f"--effect is needed: {kind} does {able}; effects: in {FILE} has {', '.join(known) or 'none'}")
    entry: dict[str, Any] = {"kind": kind, "effects": list(effects)}
    if location is not None:
        entry["location"] = location
    if options:
        takes = {field.encode_name: field.type for field in msgspec.inspect.type_info(options_type).fields}  # type: ignore[attr-defined]
        entry["options"] = {key: _value(text, takes.get(key)) for key, text in options}
        if len(entry["options"]) < len(options):
            raise Refused("--option: the same one is given twice")
    return entry


def _driver(kind: str) -> tuple[tuple[str, ...], type[msgspec.Struct]]:
    """The effect types that a driver of `kind` can do (() = any), and its options."""
    if kind == "remote":
        return (), RemoteOptions
    try:
        driver = kinds.find(kind)
        return driver.effects, kinds.options_of(driver)
    except Exception as error:  # noqa: BLE001 - a user's driver file may fail in any way when loaded
        raise Refused(f"--kind: {kind!r}: {error}") from None


def _value(text: str, kind: msgspec.inspect.Type | None) -> Any:
    """Text if the option is text, even if it looks like JSON; else JSON if it parses."""
    kinds_ = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    if not any(isinstance(each, msgspec.inspect.StrType) for each in kinds_):
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(text)
    return text


def _check(home: Path, name: str, grown: bytes) -> None:
    """Build it as the driver's own process would; errors in other devices do not matter here."""
    try:
        tree = reader.load(home, grown)
        tree.device(name)
        if error := check.build_error(tree, name):
            raise error
    except ConfigError as error:
        if error.device != name:
            reader.load(home)  # it was wrong before: reported at the line that the user sees
        raise Refused(f"{error.key}: {error.problem}") from None


def _with_section(path: Path, name: str) -> bytes:
    """supervisor.conf with the section of `name` as its last one."""
    text = path.read_bytes().decode()
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith(2 * newline) else newline if text.endswith(newline) else 2 * newline
    text += gap + check.section(name).replace("\n", newline)
    if problems := SupervisorFile(path, text).problems:
        raise Refused(problems[0].error.problem)
    return text.encode()


def _have_it_run(home: Path, name: str, *, remote: bool) -> int:
    """Start this one program and have the dispatcher reload config.yaml; nothing else is touched."""
    began = time.monotonic()
    supervisor = Supervisor(home)
    try:
        if not remote:
            supervisor.take_in(name)
        supervisor.reread()
    except NotRunning:
        typer.echo(f"nothing runs here yet; this starts it: {style.tool('effectd', home)} up")
        return 0
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        return EX_NOT_READY
    except xmlrpc.client.Fault as fault:
        typer.echo(f"supervisord did not take it in: {fault.faultString}", err=True)
        return EX_NOT_READY
    if remote:
        typer.echo(f"{name} is ready once devices/{name}/availability says online")
        return 0
    with Health(home, [*programs.of(name).waits_for, name]) as look:
        row = look.wait(READY_S)[name]
    waited = time.monotonic() - began
    if row.ready:
        typer.echo(f"{name} is {style.paint('ready')} ({waited:.1f} s)")
        return 0
    typer.echo(f"{name} is {style.paint(row.state)} after {waited:.0f} s: {style.clean(row.reason, 400)}", err=True)
    return EX_NOT_READY
