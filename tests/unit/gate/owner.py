"""A gate of this process or of another one, a reader of it, and a watcher."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from effectd.readiness import gate_watcher as watcher_module
from effectd.readiness.gate import Gate
from effectd.readiness.gate_watcher import GateView, GateWatcher
from tests.unit.real_loop import RealLoop

OWNER = """
import sys, pathlib
from effectd.readiness.gate import Gate
from effectd.base.loop import Loop
gate, loop = Gate(pathlib.Path(sys.argv[1]), "fan"), Loop()
gate.open(wait=False)
gate.attach(loop)
gate.say("ready", broker_generation="b1")
loop.run_forever()
"""


@pytest.fixture
def run(home: Path) -> Path:
    return home / "run"


@pytest.fixture
def gate(run: Path, loop: RealLoop) -> Iterator[Gate]:
    """A gate of this very process, served by the test's loop."""
    gate = Gate(run, "fan")
    gate.open(wait=False)
    gate.attach(loop)
    yield gate
    gate.close()
    gate._lock.release()


@pytest.fixture
def watcher(run: Path, loop: RealLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[GateWatcher]:
    monkeypatch.setattr(watcher_module, "_RETRY_S", 3600.0)  # whatever is found is found without polling
    watcher = GateWatcher(loop, run)
    yield watcher
    watcher.close()


@pytest.fixture
def owner(run: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a process that owns the gate `fan` and says `ready`."""
    started = list[subprocess.Popen[bytes]]()

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", OWNER, run], cwd=Path(__file__).parents[3]))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


class Reader:
    """Who connects to a gate by hand, as a foreign program would."""

    def __init__(self, run: Path, loop: RealLoop) -> None:
        self.sock, self._loop, self._rest = socket.socket(socket.AF_UNIX), loop, b""
        self.sock.connect(os.fspath(run / "fan.gate"))
        self.sock.setblocking(False)

    def line(self) -> dict[str, Any]:
        self._loop.until(self._has_line)
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def nothing(self) -> bool:
        return not self._has_line()

    def ended(self) -> bool:
        try:
            while data := self.sock.recv(65536):
                self._rest += data
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    def _has_line(self) -> bool:
        self.ended()
        return b"\n" in self._rest


@pytest.fixture
def reader(run: Path, loop: RealLoop, gate: Gate) -> Iterator[Reader]:
    reader = Reader(run, loop)
    yield reader
    reader.sock.close()


def ignore(_watch: GateView) -> None: ...
