"""Two at once: supervisord stands still and somebody else dies, or two programs do at one moment."""

import os
import signal

from tests.chaos.fault import HUNG_S, Arena, Fault, end


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


class PausedTogether(Fault):
    """SIGSTOP of two programs at once."""

    def __init__(self, one: str, other: str) -> None:
        self.disturbs = self.hangs = (one, other)

    def strike(self, arena: Arena) -> None:
        pids = {program: arena.home.kill(program, signal.SIGSTOP) for program in self.disturbs}
        for program, pid in pids.items():
            arena.replaced(program, pid, 2 * HUNG_S)

    def __str__(self) -> str:
        return "PausedTogether"


class DeadTogether(Fault):
    """kill -9 of two programs at one moment."""

    def __init__(self, one: str, other: str) -> None:
        self.disturbs = (one, other)

    def strike(self, arena: Arena) -> None:
        pids = {program: arena.home.pid(program) for program in self.disturbs}
        for pid in pids.values():
            end(pid)
        for program, pid in pids.items():
            arena.replaced(program, pid)

    def __str__(self) -> str:
        return "DeadTogether"
