"""`effectd down`: ends supervisord and every program, devices off first, and waits until they are really gone."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import typer

from effectd.base import lock
from effectd.supervision import living
from effectd.supervision.control import NoAnswer, NotRunning, ShuttingDown, Supervisor

_LIMIT_S = 60.0  # supervisord ends the programs by priority, each within stopwaitsecs, then kills
_STUCK_S = 15.0  # an unreachable supervisord has this long to end after SIGTERM
_LOOK_S = 0.02


def run(home: Path) -> int:
    """0: no process of this home is left. 1: some are, and are named."""
    began = time.monotonic()
    supervisor = Supervisor(home)
    with lock.held(home, lock.LAUNCH, _LIMIT_S):  # an `up` that is just starting supervisord comes first
        everyone = living.everyone(home)
        if not everyone:
            if others := [name for name, pid in lock.holders(home).items() if not pid and name != lock.LAUNCH]:
                typer.echo(f"another user, or another container, runs here: {', '.join(others)}", err=True)
                return 1
            typer.echo(f"nothing runs here: no supervisord answers for {home}")
            return 0
        stuck = _ask(supervisor, everyone)
        left = everyone
        while left and time.monotonic() - began < _LIMIT_S:
            time.sleep(_LOOK_S)
            left = [process for process in left if living.lives(process)]
            if left and stuck and time.monotonic() - began > _STUCK_S:
                _signal(left[:1], signal.SIGKILL)  # a stuck supervisord; at its end every program switches off and ends
            if not left:
                left = living.everyone(home)  # what was started meanwhile
                everyone += left
                _signal(left, signal.SIGTERM)
    for process in left:
        typer.echo(f"pid {process.pid} is still there after {_LIMIT_S:g} s", err=True)
    if left:
        return 1
    typer.echo(f"down: supervisord and {len(everyone) - 1} programs are gone ({time.monotonic() - began:.1f} s)")
    return 0


def _ask(supervisor: Supervisor, everyone: list[psutil.Process]) -> bool:
    """Ask supervisord to end by its socket, else by SIGTERM, which does the same; True if signalled."""
    try:
        supervisor.shutdown()
    except ShuttingDown:
        typer.echo("supervisord is ending already")
    except NotRunning:  # its programs are ending, or were started by hand
        _signal(everyone, signal.SIGTERM)
    except NoAnswer as error:
        typer.echo(f"{error}; it is ended by a signal", err=True)
        _signal(everyone[:1], signal.SIGTERM)
        return True
    return False


def _signal(processes: list[psutil.Process], sig: int) -> None:
    for process in processes:
        if process.pid > 1 and process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                process.send_signal(sig)
                process.send_signal(signal.SIGCONT)
