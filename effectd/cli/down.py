"""`effectd down`: end supervisord and every program, devices off first, and wait until they are really gone."""

import contextlib
import time
from pathlib import Path

import psutil
import typer

from effectd.supervision.control import NotRunning, ShuttingDown, Supervisor

_LIMIT_S = 60.0  # supervisord ends the programs by priority, each within stopwaitsecs, then kills
_LOOK_S = 0.02


def run(home: Path) -> int:
    began = time.monotonic()
    supervisor = Supervisor(home)
    everyone: list[psutil.Process] = []
    try:
        everyone = _family(supervisor.pid())
        supervisor.shutdown()
    except ShuttingDown:
        typer.echo("supervisord is ending already")
        _until_silent(supervisor)
    except NotRunning:
        if not everyone:
            typer.echo(f"nothing runs here: no supervisord answers for {home}")
            return 0
    left = everyone
    while left and time.monotonic() - began < _LIMIT_S:
        time.sleep(_LOOK_S)
        left = [process for process in left if _lives(process)]
    for process in left:
        typer.echo(f"pid {process.pid} is still there after {_LIMIT_S:g} s", err=True)
    if left:
        return 1
    programs = f"supervisord and {len(everyone) - 1} programs are" if everyone else "supervisord is"
    typer.echo(f"down: {programs} gone ({time.monotonic() - began:.1f} s)")
    return 0


def _family(pid: int) -> list[psutil.Process]:
    """supervisord and all below it; psutil knows each by pid and start time, so no later process is taken for one."""
    with contextlib.suppress(psutil.Error):
        supervisord = psutil.Process(pid)
        return [supervisord, *supervisord.children(recursive=True)]
    return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE  # a zombie only waits for init
    except psutil.Error:
        return False


def _until_silent(supervisor: Supervisor) -> None:
    end = time.monotonic() + _LIMIT_S
    with contextlib.suppress(NotRunning):
        while time.monotonic() < end:
            with contextlib.suppress(ShuttingDown):
                supervisor.pid()
            time.sleep(_LOOK_S)
