"""`effectd restart`: stops one program, or all, and starts it again; a device goes off first."""

import time
from pathlib import Path

import typer

from effectd.base.near import did_you_mean
from effectd.cli import style, waiting
from effectd.cli.program_name import program_of
from effectd.config import programs
from effectd.supervision import health
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from effectd.supervision.health import Health

EX_NOT_READY = 3
READY_S = 15.0


def run(home: Path, name: str | None) -> int:
    """0: it is ready again. It keeps the loaded section of supervisor.conf; `up` loads a changed one."""
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
    if not ours:  # a program of the user's own: all that is known is that supervisord started it
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
