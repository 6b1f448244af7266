"""Inside supervisord: kills hung programs and restarts those that it gave up (docs/decisions/0008-watchdog.md).

It watches every program's gate with the same GateWatcher as all other programs, driven by supervisord's own loop.
Killing is free of races there: a child that supervisord has not reaped keeps its pid. It uses SIGKILL, because SIGTERM
stays pending on a stopped process. Its own gate, `run/watchdog.gate`, beats from the same loop: while it does,
supervisord itself works.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from supervisor import events, states
from supervisor.datatypes import RestartWhenExitUnexpected

from effectd.base.errors import ConfigError
from effectd.base.loop import Loop
from effectd.config import programs, reader
from effectd.config.schema import Supervision
from effectd.readiness.gate import Gate, GateHeld
from effectd.readiness.gate_watcher import GateWatcher
from effectd.readiness.glance import last_words
from effectd.supervision import code
from effectd.supervision.alarm import Alarm
from effectd.supervision.guarded import KILLS, Guarded
from effectd.supervision.upkeep import Upkeep

START_LIMIT_S = 30.0  # for `starting`, and for RUNNING without a gate
FATAL_AGAIN_S = 30.0
UPKEEP_S = 1.0
LATE_S = 1.5  # supervisord's loop goes round at least once a second
RUNNING = (states.ProcessStates.STARTING, states.ProcessStates.RUNNING)


class Watchdog:
    """`tick` is called at each round of supervisord's loop, at least once a second."""

    def __init__(self, supervisord: Any, home: Path) -> None:
        self._supervisord, self._home, self._run = supervisord, home, home / "run"
        self._log = supervisord.options.logger
        self._loop = Loop()
        self._watcher = GateWatcher(self._loop, self._run, stale_s=Supervision().hung_after_ms / 1000, late_s=LATE_S)
        self.reread()
        self._guarded: dict[str, Guarded] = {}
        self._gate = Gate(self._run, programs.WATCHDOG)
        try:
            self._gate.open(wait=False)
        except (OSError, GateHeld) as error:
            self._log.critical(f"watchdog: no gate of its own: {error}")
        self._gate.attach(self._loop)
        self._gate.say("ready")
        self._last = time.monotonic()
        self._upkeep, self._upkeep_due = Upkeep(supervisord, home), 0.0
        events.subscribe(events.ProcessStateBackoffEvent, self._backoff)
        events.subscribe(events.ProcessStateExitedEvent, self._exited)

    def reread(self) -> None:
        """Reload how long a gate may be silent; a wrong file changes nothing: the programs report that themselves."""
        with contextlib.suppress(ConfigError):
            self._watcher.stale_s = reader.load(self._home).supervision.hung_after_ms / 1000

    def fileno(self) -> int:
        """Readable when a gate has sent something."""
        return self._loop.fileno()

    def tick(self) -> None:
        """Read the gates, then judge every program."""
        self._loop.turn(wait=False)
        now = time.monotonic()
        if now >= self._upkeep_due:
            self._upkeep_due = now + UPKEEP_S
            self._upkeep.look()
        # this process itself was held up (a stalled disk, SIGSTOP): lines of the others have not been read yet
        late, self._last = now - self._last > LATE_S, now
        if late:
            return
        worst = ""
        for process in self._processes():
            name = process.config.name
            if name not in self._guarded:
                self._guarded[name] = Guarded(self._watcher.watch(name, lambda _watch: None))
            worst = self._judge(process, self._guarded[name], now) or worst
        self._gate.say("degraded" if worst else "ready", worst)

    def close(self) -> None:
        """Release everything, the gate's lock too: after a reload the next one takes it in this same process."""
        self._watcher.close()
        self._gate.close(release=True)
        self._loop.close()

    def _processes(self) -> list[Any]:
        return [p for group in self._supervisord.process_groups.values() for p in group.processes.values()]

    def _judge(self, process: Any, guarded: Guarded, now: float) -> str:
        """Kill it if it hangs; returns what is wrong with it that killing may not fix, "" = nothing."""
        given_up = (states.ProcessStates.FATAL, states.ProcessStates.EXITED, states.ProcessStates.BACKOFF)
        if guarded.exit_code == os.EX_CONFIG and process.state in given_up and self._has_gate(process):
            return f"{process.config.name} has a wrong configuration: {guarded.wrong}"
        if process.state == states.ProcessStates.FATAL:
            return self._try_again(process, guarded, now)
        if process.state not in RUNNING or process.killing or process.pid in (0, guarded.killed):
            return ""
        why = self._hangs(process, guarded, now)
        if not why:
            guarded.reported = ""
            return ""
        if not guarded.may_kill(now):
            self._report(
                guarded, f"watchdog: {process.config.name} {why}; killed {KILLS} times already, waiting to try again"
            )
            return f"{process.config.name} {why}, again and again"
        guarded.budget -= 1
        guarded.kills += 1
        guarded.killed = process.pid
        self._log.critical(f"watchdog: {process.config.name} (pid {process.pid}) {why}; killing it")
        _kill(process)
        return ""

    def _hangs(self, process: Any, guarded: Guarded, now: float) -> str:
        """Why the program counts as hung, in words; "" if it does not."""
        line = guarded.watch.line
        if line is not None and line.pid == process.pid:
            if guarded.watch.stale:
                return f"has said nothing for {self._watcher.stale_s:g} s"
            if guarded.for_s(line.state, process.pid, now) > START_LIMIT_S and line.state == "starting":
                return f"has been starting for {START_LIMIT_S:g} s"
            return ""
        if self._has_gate(process) and guarded.for_s("no gate", process.pid, now) > START_LIMIT_S:
            return f"has run for {START_LIMIT_S:g} s without a gate"
        return ""

    def _has_gate(self, process: Any) -> bool:
        """Programs of the user's own may run under the same supervisord; only ours have gates."""
        return any(f"-m {module}" in process.config.command for module in programs.modules())

    def _try_again(self, process: Any, guarded: Guarded, now: float) -> str:
        """A program that supervisord gave up is started again after a while."""
        name = process.config.name
        if guarded.for_s("fatal", 0, now) > FATAL_AGAIN_S:
            self._log.critical(f"watchdog: supervisord had given {name} up; starting it again")
            process.spawn()
            return ""
        return f"supervisord has given {name} up; it will be started again after {FATAL_AGAIN_S:g} s"

    def _backoff(self, event: Any) -> None:
        """The first starts that fail go again at once: effectd's own programs brake themselves (process.py).

        supervisor waits 1, 2, 3 ... s, and does not look at `exitcodes` before `startsecs` (its issue 260 asks for it).
        """
        process = event.process
        if not self._has_gate(process):
            return
        if why := self._wrong(process):
            process.spawnerr, process.backoff = why, process.config.startretries + 1  # gives it up at the next turn
        elif process.backoff <= 3:
            process.delay = 0

    def _exited(self, event: Any) -> None:
        """A wrong configuration is final however late it ends: a file may say autorestart=true, not exitcodes=78."""
        process = event.process
        if self._has_gate(process) and (why := self._wrong(process)):
            process.spawnerr = why
            unexpected = process.config.autorestart is RestartWhenExitUnexpected
            if process.config.autorestart and not (unexpected and os.EX_CONFIG in process.config.exitcodes):
                process.change_state(states.ProcessStates.BACKOFF)  # and `_backoff` does the rest

    def _wrong(self, process: Any) -> str:
        guarded = self._guarded.get(process.config.name)
        return guarded.wrong if guarded is not None and guarded.exit_code == os.EX_CONFIG else ""

    def exited(self, name: str, code: int) -> None:
        """The exit code of the last run; supervisord itself forgets it where the run was short."""
        if (guarded := self._guarded.get(name)) is not None:
            guarded.exit_code = code
            if code == os.EX_CONFIG:
                line = last_words(self._run, name)
                guarded.wrong = (line.reason if line else "") or f"see run/log/{name}.log"

    def kills(self) -> dict[str, int]:
        return {name: guarded.kills for name, guarded in self._guarded.items() if guarded.kills}

    def _report(self, guarded: Guarded, text: str) -> None:
        if guarded.reported != text:
            guarded.reported = text
            self._log.critical(text)


def _kill(process: Any) -> None:
    """The children of a driver hang with it: they are killed with it if its section has killasgroup."""
    if process.config.killasgroup:
        os.killpg(process.pid, signal.SIGKILL)  # supervisord makes each program the leader of a group
    else:
        process.signal(signal.SIGKILL)


class Patrol(Alarm):
    """The watchdog's place in supervisord's poll map: `readable` is asked once a round, after it has daemonized."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._home = Path(supervisord.options.here)
        self.watchdog: Watchdog | None = None
        self.sections = code.own_sections(Path(supervisord.options.configfile).resolve())
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._map: dict[int, Any] = supervisord.options.get_socket_map()
        self._map[self._fd] = self
        self._waitpid = supervisord.options.waitpid
        supervisord.options.waitpid = self._reaped
        self._on_duty = True
        # a reload closes every descriptor by number before it makes the next patrol: ours have to be gone by then
        events.subscribe(events.SupervisorStoppingEvent, lambda _event: self.leave())

    def readable(self) -> bool:
        if not self._on_duty:
            return True
        if self.watchdog is None:
            self.watchdog = Watchdog(self._supervisord, self._home)
            self._map[self.watchdog.fileno()] = Alarm()  # a gate's line wakes supervisord's loop
        self.watchdog.tick()
        return True

    def leave(self) -> None:
        """supervisord is ending, or reads its file again."""
        self._on_duty = False
        self._map.pop(self._fd, None)
        if self.watchdog is not None:
            self._map.pop(self.watchdog.fileno(), None)
            self.watchdog.close()

    def _reaped(self) -> Any:
        pid, status = self._waitpid()
        process = self._supervisord.options.pidhistory.get(pid) if pid else None
        if process is not None and self.watchdog is not None:
            self.watchdog.exited(process.config.name, os.waitstatus_to_exitcode(status))
        return pid, status


class Rpc:
    """`watchdog.kills` over supervisord's own RPC."""

    def __init__(self, patrol: Patrol) -> None:
        self._patrol = patrol

    def code(self) -> str:
        """A hash over the files that this supervisord runs by."""
        return code.AT_START

    def sections(self) -> str:
        """A hash over what its file said of this supervisord itself when it was read."""
        return self._patrol.sections

    def reread(self) -> bool:
        """Take in `supervision` of config.yaml."""
        if self._patrol.watchdog:
            self._patrol.watchdog.reread()
        return True

    def kills(self) -> dict[str, int]:
        """How often the watchdog has killed each program."""
        return self._patrol.watchdog.kills() if self._patrol.watchdog else {}


def make_watchdog(supervisord: Any, **_config: Any) -> Rpc:
    """The factory that supervisor.conf names; called again at a reload."""
    return Rpc(Patrol(supervisord))
