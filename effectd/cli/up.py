"""`effectd up`: checks both files, applies them, and waits until everything is ready."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from functools import partial
from pathlib import Path

import typer

from effectd.base import lock
from effectd.cli import check, in_force, page_url, style, waiting
from effectd.cli.in_force import Done
from effectd.config import programs, reader, run_folder
from effectd.supervision import health
from effectd.supervision.control import NoAnswer, NotRunning, ShuttingDown, Supervisor
from effectd.supervision.health import Health, Row

EX_NOT_READY = 3
PORT_TAKEN = "port "  # prefix of a gate's reason while another program holds its port
_ALONE_S = 90.0  # an `effectd down` before us may wait for its last program
_RPC_S = 10.0  # from the start of supervisord to its first answer, on a machine that swaps


class _CannotStart(Exception):
    """supervisord refused; the message is its own."""


def run(home: Path, wait: float) -> int:
    """The exit code; 3 also if everything works but another program holds the port that clients connect to."""
    began = time.monotonic()
    run_folder.prepare(home)
    if found := check.problems(home):
        for problem in found:
            typer.echo(str(problem.error), err=True)
        if any(problem.paste for problem in found):
            cure = f"{style.tool('effectd', home)} check"
            typer.echo(f"what is missing in {reader.SUPERVISOR_FILE}, ready to paste: {cure}", err=True)
        typer.echo("nothing was started", err=True)
        return os.EX_CONFIG
    try:
        done = _start(home)
        with Health(home) as look:
            rows, pointless = _wait(home, look, wait, done)
            if any(row.stale for row in rows.values()):  # it was just starting, with the old contents
                rows, pointless = _wait(home, look, wait, _start(home))
            return _end(home, look, rows, time.monotonic() - began, pointless=pointless)
    except _CannotStart as error:
        typer.echo(f"supervisord did not start: {error}", err=True)
        return os.EX_CONFIG
    except NoAnswer as error:
        typer.echo(str(error), err=True)
    except xmlrpc.client.Fault as fault:
        typer.echo(f"supervisord did not do it: {fault.faultString}", err=True)
    return EX_NOT_READY


def _end(home: Path, look: Health, rows: dict[str, Row], waited: float, *, pointless: bool) -> int:
    """Print the result; returns the exit code."""
    for name, row in rows.items():
        if words := health.in_words(row):
            typer.echo(f"{name}: {words}", err=True)
    if health.all_ready(rows):
        typer.echo(f"all {len(rows)} programs are {style.paint('ready')} ({waited:.1f} s)")
        if programs.PAGE not in _port_trouble(rows) and (url := page_url.of(reader.load(home))):
            typer.echo(f"the page: {url}")
        return EX_NOT_READY if _port_trouble(rows) else 0
    if look.alone:
        typer.echo("supervisord was ended meanwhile (effectd down?); nothing is waited for", err=True)
        return EX_NOT_READY
    typer.echo(style.health(health.table(waiting.brief(rows), look.restarts())))
    _report_late(home, rows, waited, pointless=pointless)
    return EX_NOT_READY


def _wait(home: Path, look: Health, seconds: float, done: Done | None) -> tuple[dict[str, Row], bool]:
    """Report the programs that were removed, then wait for the others."""
    for name, what in (done or {}).items():
        if name not in look.names:
            typer.echo(f"{name}: {what}")
    advise = partial(_advice, home)
    with waiting.shown(done or {}, advise, everyone=done is None) as show:
        return waiting.wait(look, seconds, show)


def _start(home: Path) -> Done | None:
    """Make supervisord run all programs as in the files; wait for one that is just ending.

    Returns what was done to those that ran; None where supervisord was started.
    """
    with lock.held(home, lock.LAUNCH, _ALONE_S):  # of two at once, the second one finds it running
        done = _bring_or_launch(home, Supervisor(home))
        for line in in_force.forget_former(home):
            typer.echo(line)
        return done


def _bring_or_launch(home: Path, supervisor: Supervisor) -> Done | None:
    end = time.monotonic() + _ALONE_S
    while True:
        try:
            done = in_force.bring(home, supervisor)
            effectd = style.tool("effectd", home)
            for what in supervisor.behind():
                typer.echo(f"{what}; to change over: {effectd} down, {effectd} up")
            return done
        except ShuttingDown:
            if time.monotonic() > end:
                raise NoAnswer(0, f"has been ending for {_ALONE_S:g} s: effectd down") from None
            time.sleep(0.1)
        except NotRunning:
            _launch(home, supervisor)
            return None


def _launch(home: Path, supervisor: Supervisor) -> None:
    """Start supervisord, which becomes a daemon unless its file says nodaemon=true."""
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


def _port_trouble(rows: dict[str, Row]) -> list[str]:
    """The programs whose port another program holds."""
    return [n for n in (programs.BROKER, programs.PAGE) if n in rows and rows[n].reason.startswith(PORT_TAKEN)]


def _advice(home: Path, rows: dict[str, Row]) -> str:
    advice = {programs.BROKER: _ways_out, programs.PAGE: _ways_out_of_the_page}
    return "".join(advice[name](home, rows[name].reason) for name in _port_trouble(rows))


def _ways_out_of_the_page(home: Path, reason: str) -> str:
    tree = reader.load(home)
    port = free_port(tree.page.port) if tree.page is not None else 0
    return f"""
{reason}
So there is no page; everything else works. It comes as soon as the port is free.
Or give it another one:
     page.port in {home / reader.FILE}, for example {port}, then
     {style.tool("effectd", home)} up
"""


def _ways_out(home: Path, reason: str) -> str:
    port = reader.load(home).broker.port
    return f"""
{reason}
This home works meanwhile, by its own commands; other clients cannot come in.
Two ways out:
  1. stop the other one; Debian starts its own mosquitto:
     sudo systemctl stop mosquitto
  2. give this home a port:
     broker.port in {home / reader.FILE}, for example {free_port(port)}, then
     {style.tool("effectd", home)} up
The broker takes the port as soon as it is free.
"""


def free_port(taken: int) -> int:
    """The next port that could be bound now."""
    for port in range(taken + 1, min(taken + 100, 65536)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return 1884


def _report_late(home: Path, rows: dict[str, Row], waited: float, *, pointless: bool) -> None:
    """Print what is not ready (the table says why), what to do, and the last log line of each silent program."""
    late = [name for name, row in rows.items() if not row.ready and not row.left_over]
    end = "; it does not come by itself, so nothing is waited for" if pointless else ""
    typer.echo(style.prose(f"not ready within {waited:.0f} s: {', '.join(late)}{end}"), err=True)
    cures = dict[str, list[str]]()
    for name in late:
        if cure := waiting.cure(name, rows[name], f"{style.tool('effectd', home)} up"):
            cures.setdefault(cure, []).append(name)
    for cure, names in cures.items():
        what = cure.replace("it is", "each is") if len(names) > 1 else cure
        typer.echo(style.prose(f"{', '.join(names)}: {what}"), err=True)
    for name in late:
        log = home / "run" / "log" / f"{name}.log"
        last = log.read_text(errors="replace").rstrip().rpartition("\n")[2] if log.is_file() else ""
        if last and rows[name].generation is None:
            typer.echo(f"the last line of run/log/{name}.log: {style.clean(last, 400)}", err=True)
