"""Changes both files of a home together, all or nothing, under a lock; keeps their modes and links."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from effectd.base import lock
from effectd.base.errors import ConfigError
from effectd.cli import built, check
from effectd.cli.check import SupervisorFile
from effectd.config import reader, run_folder, yamlchange
from effectd.config.reader import FILE
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlsafe import CannotEdit

_EDIT_S = 30.0


class Refused(Exception):
    """The change is not possible in this home; nothing was changed."""


def edit(home: Path, changes: Callable[[], dict[Path, bytes]], *, section: str = "devices") -> bool:
    """Write what `changes` returns, path -> its new bytes; False, with the reason printed, if nothing was changed.

    Raises NotYours.
    """
    run_folder.check(home)
    try:
        # of two that change the files at the same time, the second one reads what the first one wrote
        with lock.held(home, lock.EDIT, _EDIT_S) as ours, built.own_drivers(home):
            if not ours:
                raise Refused(f"another command has been changing these files for {_EDIT_S:g} s")
            write(changes())
        return True
    except CannotEdit as error:
        where = ConfigError(home / FILE, YamlFile(home / FILE).line(*section.split(".")), section, str(error))
        typer.echo(f"{where}; add this there by hand, then `effectd check` shows what else is needed:\n", err=True)
        typer.echo(error.paste, err=True)
    except (ConfigError, Refused) as error:
        typer.echo(str(error), err=True)
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
    typer.echo("nothing was changed", err=True)
    return False


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


def with_value(home: Path, keys: tuple[str, ...], value: dict[str, Any]) -> bytes:
    """config.yaml with `value` at `keys`; it may be open to the network. Raises ConfigError, CannotEdit."""
    text = yamlchange.put(home / FILE, (home / FILE).read_bytes(), keys, value)
    reader.load(home, text, reach=False)
    return text


def with_section(path: Path, name: str, data: bytes | None = None) -> bytes:
    """supervisor.conf, or `data` in its place, with the section of `name` as its last one."""
    text = (path.read_bytes() if data is None else data).decode()
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith(2 * newline) else newline if text.endswith(newline) else 2 * newline
    return _good(path, text + gap + check.section(name).replace("\n", newline))


def without_section(path: Path, name: str, data: bytes | None = None) -> bytes:
    """supervisor.conf, or `data` in its place, without the section of `name`; comments before the next one stay."""
    data = path.read_bytes() if data is None else data
    lines = data.decode().splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if re.match(rf"\[program:{re.escape(name)}\]", line)), None)
    if first is None:
        return data
    end = next((i for i in range(first + 1, len(lines)) if lines[i].startswith("[")), len(lines))
    while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith((";", "#"))):
        end -= 1
    if end < len(lines) and not lines[end].strip():  # the blank line between it and what follows
        end += 1
    return _good(path, "".join(lines[:first] + lines[end:]))


def _good(path: Path, text: str) -> bytes:
    if problems := SupervisorFile(path, text).problems:
        raise Refused(problems[0].error.problem)
    return text.encode()
