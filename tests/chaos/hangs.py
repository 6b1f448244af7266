"""What is there and does nothing: stopped processes, blocked loops, devices that do not answer or take their time."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.fault import HUNG_S, Arena, Fault
from tests.system.home import wait_for


class Pause(Fault):
    """SIGSTOP: the process is there and does nothing; somebody has to notice."""

    def __init__(self, program: str) -> None:
        self.disturbs = self.hangs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pid = arena.home.kill(program, signal.SIGSTOP)
        arena.replaced(program, pid)


class PauseSupervisord(Fault):
    """SIGSTOP of supervisord: nobody restarts, nobody watches; everything else goes on."""

    def strike(self, arena: Arena) -> None:
        pid = arena.home.kill("supervisord", signal.SIGSTOP)
        wait_for(lambda: process_state(pid) == "T", what="supervisord stopped")
        try:
            wait_for(lambda: process_state(pid) != "T", 15, "somebody who wakes supervisord")
        finally:
            os.kill(pid, signal.SIGCONT)


class StuckLoop(Fault):
    """A driver whose loop is blocked."""

    def __init__(self, device: str) -> None:
        self.disturbs = self.hangs = (device,)

    def strike(self, arena: Arena) -> None:
        (device,) = self.disturbs
        arena.replaced(device, arena.home.kill(device, signal.SIGUSR1))


class StuckApply(Fault):
    """A device that does not answer: its driver says so, and ends itself."""

    def __init__(self, device: str) -> None:
        self.disturbs = self.hangs = (device,)

    def strike(self, arena: Arena) -> None:
        (device,) = self.disturbs
        pid = arena.gates.pid(device)
        with _file(arena.home.path / f"stuck-{device}"):
            arena.gates.wait(lambda: arena.gates.pid(device) != pid, HUNG_S, f"the end of the stuck {device}")


class Slow(Fault):
    """A device that takes its time: no reason to kill anybody."""

    def __init__(self, device: str) -> None:
        self._device = device

    def strike(self, arena: Arena) -> None:
        with _file(arena.home.path / f"slow-{self._device}"):
            arena.more(30)

    def __str__(self) -> str:
        return f"Slow {self._device}"


@contextlib.contextmanager
def _file(path: Path) -> Iterator[None]:
    path.touch()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def process_state(pid: int) -> str:
    """The letter of proc(5): T = stopped; ? = gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "?"
