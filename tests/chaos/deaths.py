"""kill -9: of one, of several, of one that starts, of supervisord; and what a dead one leaves behind."""

import os
import signal
import subprocess

from tests.chaos.fault import Arena, Fault, end
from tests.system.home import wait_for


class Kill(Fault):
    """kill -9 of one program."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        arena.replaced(program, arena.home.kill(program))


class KillBurst(Fault):
    """Five kills at once, of anybody."""

    def __init__(self, programs: list[str]) -> None:
        self.disturbs = (*programs, "page")

    def strike(self, arena: Arena) -> None:
        killed = {}
        for _ in range(5):
            pids = {name: pid for name, pid in arena.home.pids().items() if name in self.disturbs}
            if pids:
                program = arena.random.choice(list(pids))
                killed[program] = pids[program]
                end(pids[program])
        for program, pid in killed.items():
            arena.replaced(program, pid)

    def __str__(self) -> str:
        return "KillBurst"


class KillStarting(Fault):
    """Killed, and its successor killed while it starts."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pid = arena.home.kill(program)
        for _ in range(2):
            pid = wait_for(
                lambda pid=pid: (fresh := arena.home.pids().get(program)) != pid and fresh, what=f"a new {program}"
            )
            end(pid)
        arena.replaced(program, pid)


class StopAmidKill(Fault):
    """A burst, a stop behind it, and kill -9 of somebody while both are on their way."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        seen, pid = arena.generator.stops, arena.home.pid(program)
        arena.generator.stop_all()
        wait_for(lambda: arena.generator.stops > seen, 10, "the stop published")
        end(pid)
        arena.replaced(program, pid)


class KillSupervisord(Fault):
    """kill -9 of supervisord: all goes off and away within a second; then somebody starts it again."""

    everything = True

    def strike(self, arena: Arena) -> None:
        home = arena.home
        os.kill(home.pids()["supervisord"], signal.SIGKILL)
        wait_for(lambda: not home.left(), 5, "everything gone with supervisord")
        self.meanwhile(arena)
        home.start()

    def meanwhile(self, arena: Arena) -> None:
        """What is done to the run folder before the new start."""


class StaleFiles(KillSupervisord):
    """Files of another life lie in the run folder, and name a living process that is none of ours."""

    def __init__(self) -> None:
        self._foreign: subprocess.Popen[bytes] | None = None

    def meanwhile(self, arena: Arena) -> None:
        foreign = self._foreign = subprocess.Popen(["sleep", "600"])
        run = arena.home.path / "run"
        for program in arena.programs:
            (run / f"{program}.gate").unlink(missing_ok=True)
            (run / f"{program}.gate").write_text("no socket\n")
            (run / f"{program}.state").write_text(f'{{"name":"{program}","pid":{foreign.pid},"state":"ready"}}\n')
        (run / "supervisord.pid").write_text(f"{foreign.pid}\n")

    def strike(self, arena: Arena) -> None:
        try:
            super().strike(arena)
            arena.gates.wait_ready(30)
            assert self._foreign is not None
            if self._foreign.poll() is not None:
                arena.complaints.append("a foreign process whose pid stood in a stale file was killed")
        finally:
            if self._foreign is not None:
                self._foreign.kill()
                self._foreign.wait()
