"""`effectd up`: check both files, start what does not run, wait until everything is ready, and show each step."""

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import typer

from effectd.base import lock
from effectd.cli import check, style
from effectd.config import programs, reader, run_folder
from effectd.supervision import health
from effectd.supervision.control import NoAnswer, NotRunning, ShuttingDown, Supervisor
from effectd.supervision.health import Health, Row

EX_NOT_READY, EX_CONFIG = 3, 78
PORT_TAKEN = "port "  # how the broker's gate begins its reason while another program holds its port
_ALONE_S = 90.0  # an `effectd down` before us may wait for its last program
_RPC_S = 10.0  # from the start of supervisord to its first answer, on a machine that swaps

Told = Callable[[dict[str, Row]], None]


class _CannotStart(Exception):
    """supervisord refused; in its own words."""


def run(home: Path, wait: float) -> int:
    """The exit code; 3 also if everything works but another program holds the port that clients connect to."""
    began = time.monotonic()
    run_folder.prepare(home)
    if found := check.problems(home):
        for problem in found:
            typer.echo(f"{problem.error}\n\n{problem.paste}" if problem.paste else str(problem.error), err=True)
        typer.echo("nothing was started", err=True)
        return EX_CONFIG
    try:
        with lock.held(home, lock.LAUNCH, _ALONE_S):  # of two at once, the second one finds it running
            _start(home)
    except _CannotStart as error:
        typer.echo(f"supervisord did not start: {error}", err=True)
        return EX_CONFIG
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        return EX_NOT_READY
    with Health(home) as look:
        with _progress(home) as show:
            rows = look.wait(wait, show, hopeless=lambda: look.alone)
        if health.all_ready(rows):
            typer.echo(f"all {len(rows)} programs are {style.paint('ready')} ({time.monotonic() - began:.1f} s)")
            return EX_NOT_READY if _port_trouble(rows) else 0
        if look.alone:
            typer.echo("supervisord was ended meanwhile (effectd down?); nothing is waited for", err=True)
            return EX_NOT_READY
        typer.echo(style.health(health.table(_brief(rows), look.restarts())))
        _report_late(home, rows, time.monotonic() - began)
    return EX_NOT_READY


def _start(home: Path) -> None:
    """Make supervisord run with all its programs started; wait for one that is just ending."""
    supervisor = Supervisor(home)
    end = time.monotonic() + _ALONE_S
    while True:
        try:
            changed = supervisor.take_in_new()
            if _config_moved_on(home):
                typer.echo("the broker waits for a port that config.yaml no longer names: starting everything afresh")
                supervisor.stop_all()
            supervisor.start_all()
            supervisor.reread()
        except ShuttingDown:
            if time.monotonic() > end:
                raise NoAnswer(0, f"has been ending for {_ALONE_S:g} s: effectd down") from None
            time.sleep(0.1)
        except NotRunning:
            _launch(home, supervisor)
            return
        else:
            if changed:
                ctl = style.tool("supervisorctl", home)
                typer.echo(
                    f"changed in supervisor.conf since the start: {', '.join(changed)}; take it in: {ctl} update"
                )
            return


def _config_moved_on(home: Path) -> bool:
    """Whether the broker waits for a taken port, and the user has meanwhile given this home another one."""
    broker = reader.load(home).broker
    with Health(home, [programs.BROKER]) as look:
        reason = look.look()[programs.BROKER].reason
    return reason.startswith(PORT_TAKEN) and not reason.startswith(f"{PORT_TAKEN}{broker.port} of {broker.host} ")


def _launch(home: Path, supervisor: Supervisor) -> None:
    """Start supervisord, which makes itself a daemon unless its file says nodaemon=true."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(home / reader.SUPERVISOR_FILE)]
    with tempfile.TemporaryFile("w+") as said:
        started = subprocess.Popen(
            command, cwd=home, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        end = time.monotonic() + _RPC_S
        while started.poll() is None and time.monotonic() < end:
            with contextlib.suppress(NotRunning, NoAnswer):
                supervisor.pid()
                return
            time.sleep(0.02)
        if started.returncode:
            said.seek(0)
            lines = [line.strip() for line in said if line.strip()] or [f"exit code {started.returncode}"]
            raise _CannotStart(next((line for line in lines if line.startswith("Error:")), lines[-1]))


@contextlib.contextmanager
def _progress(home: Path) -> Iterator[Told]:
    """Show what each program waits for: a live table on a terminal, else a line a change; advise once."""
    before: dict[str, str] = {}
    advice: list[str] = []

    def advise(rows: dict[str, Row], say: Callable[[str], None]) -> None:
        if not advice and _port_trouble(rows):
            advice.append(_ways_out(home, rows[programs.BROKER].reason))
            say(advice[0])

    def tell_lines(rows: dict[str, Row]) -> None:
        for name, row in _brief(rows).items():
            line = _line(f"{name}:", row)
            if before.get(name) != line:
                before[name] = line
                typer.echo(line)
        advise(rows, typer.echo)

    if not sys.stdout.isatty():
        yield tell_lines
        return

    from rich.live import Live  # heavy
    from rich.text import Text

    with Live(Text("starting"), auto_refresh=False, transient=True) as live:

        def show(rows: dict[str, Row]) -> None:
            advise(rows, lambda text: live.console.print(Text(text), soft_wrap=True))
            table = "\n".join(_line(f"{name:<11}", row) for name, row in _brief(rows).items())
            live.update(Text.from_ansi(table), refresh=True)

        yield show


def _line(name: str, row: Row) -> str:
    return f"{name} {style.paint(row.state)}" + (f": {style.clean(row.reason)}" if row.reason else "")


def _brief(rows: dict[str, Row]) -> dict[str, Row]:
    """Leave the broker's reason out of the rows that wait for it."""
    return {
        name: msgspec.structs.replace(row, reason=re.sub(r"^(broker is waiting): .*", r"\1", row.reason))
        for name, row in rows.items()
    }


def _port_trouble(rows: dict[str, Row]) -> bool:
    return programs.BROKER in rows and rows[programs.BROKER].reason.startswith(PORT_TAKEN)


def _ways_out(home: Path, reason: str) -> str:
    port = reader.load(home).broker.port
    return f"""
{reason}
This home works meanwhile, by its own commands; other clients cannot come in. Two ways out:
  1. stop the other one       Debian starts its own mosquitto: sudo systemctl stop mosquitto
  2. give this home a port    broker.port in {home / reader.FILE}, for example {free_port(port)},
                              then {style.tool("effectd", home)} up
The broker takes the port as soon as it is free.
"""


def free_port(taken: int) -> int:
    """The next port that could be bound now."""
    for port in range(taken + 1, min(taken + 100, 65536)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return 1884


def _report_late(home: Path, rows: dict[str, Row], waited: float) -> None:
    """Who is not ready (the table says why), and the last words of each program whose gate says nothing."""
    late = [name for name, row in rows.items() if not row.ready]
    typer.echo(f"not ready within {waited:.0f} s: {', '.join(late)}", err=True)
    for name in late:
        log = home / "run" / "log" / f"{name}.log"
        last = log.read_text(errors="replace").rstrip().rpartition("\n")[2] if log.is_file() else ""
        if last and rows[name].generation is None:
            typer.echo(f"the last line of run/log/{name}.log: {style.clean(last, 400)}", err=True)
