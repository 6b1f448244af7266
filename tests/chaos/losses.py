"""Two deaths at once, and files of `run/` that go while all live, as a cleaner of temporary files takes them."""

import os
import signal
import socket
from pathlib import Path

from tests.chaos.fault import Arena, Fault, end
from tests.system.home import wait_for

BACK_S = 10.0  # a second or two; the machine may be busy


class PauseSupervisordAndKill(Fault):
    """supervisord stands still while another one dies: the living ones have to wake it."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pids = arena.home.pids()
        os.kill(pids["supervisord"], signal.SIGSTOP)
        try:
            end(pids[program])
            arena.replaced(program, pids[program])  # by its gate: a call to supervisord would wake it
        finally:
            os.kill(pids["supervisord"], signal.SIGCONT)


class LostFiles(Fault):
    """Sockets, pid file, mirrors and logs are removed, or something else lies in their place: nobody has to die."""

    PLACES = (".gate", ".sock", ".pid", ".state", ".starts", ".log")

    def strike(self, arena: Arena) -> None:
        run = arena.home.path / "run"
        places = [path for path in (*run.iterdir(), *(run / "log").iterdir()) if path.suffix in self.PLACES]
        arena.random.shuffle(places)
        sockets = [path for path in places if path.suffix in (".gate", ".sock")]
        for path in places[: len(places) // 2 + 1]:
            path.unlink(missing_ok=True)
            if path.suffix != ".log" and arena.random.random() < 0.3:
                path.write_bytes(arena.random.randbytes(50))
        wait_for(lambda: all(_answers(path) for path in sockets), BACK_S, "every socket of run/ bound again")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True
