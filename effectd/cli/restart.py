"""`effectd restart`: one program, or all, stopped and started again; a device goes off first."""

import contextlib
import time
from pathlib import Path

import typer

from effectd.base.errors import ConfigError
from effectd.base.near import did_you_mean
from effectd.cli import style, waiting
from effectd.cli.device import EX_NOT_READY, READY_S
from effectd.config import programs, reader
from effectd.supervision import health
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from effectd.supervision.health import Health


def program_of(home: Path, name: str) -> str:
    """The program that is meant by `name`: of a device on a bus its bus's."""
    with contextlib.suppress(ConfigError):
        device = reader.load(home).devices.get(name)
        if device is not None and device.bus:
            typer.echo(f"{name} is on the bus {device.bus}", err=True)
            return device.bus
    return name


def run(home: Path, name: str | None) -> int:
    """0: it is ready again. Its supervisor.conf section is the one that was taken in; `up` takes in another."""
    began = time.monotonic()
    try:
        supervisor = Supervisor(home)
        known = supervisor.programs()
        name = None if name is None else program_of(home, name)
        if name is not None and name not in known:
            raise typer.BadParameter(f"no program {name!r}; known: {', '.join(known)}{did_you_mean(name, known)}")
        chosen = [name] if name is not None else sorted(known, key=lambda each: programs.of(each).priority)
        supervisor.stop(chosen)
        supervisor.start(chosen)
    except NotRunning:
        typer.echo(f"nothing runs here; this starts it: {style.tool('effectd', home)} up", err=True)
        return EX_NOT_READY
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        return EX_NOT_READY
    with Health(home) as look:
        ours = {each for each in chosen if each in look.names}
    if not ours:  # a program of the user's own: supervisord started it, and nobody else knows more
        return 0
    needed = {other for each in ours for other in programs.of(each).waits_for}
    done = dict.fromkeys(ours, "restarted")
    with Health(home, sorted(ours | needed)) as look, waiting.shown(done) as show:
        rows, _ = waiting.wait(look, READY_S, show)
    if health.all_ready(rows):
        typer.echo(f"ready again ({time.monotonic() - began:.1f} s)")
        return 0
    for each, row in rows.items():
        if not row.ready:
            typer.echo(f"{each} is {style.paint(row.state)}: {style.clean(row.reason, 400)}", err=True)
    return EX_NOT_READY
