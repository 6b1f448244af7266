"""Every program watches supervisord: one that is stopped is resumed, so the system recovers from any two failures.

The watchdog's gate beats from supervisord's own loop. Silent and stopped (state T in /proc): SIGCONT fixes that. Silent
and not stopped, for long: stuck; its end switches everything off, and is right only where a service manager starts it
again (systemd sets INVOCATION_ID, systemd.exec(5)).
"""

import logging
import os
import signal
import zlib

from effectd.base.loop import AnyLoop
from effectd.base.rounds import next_round
from effectd.config import programs
from effectd.program.standstill import stopped
from effectd.readiness.gate_watcher import GateWatcher

WAKE_AFTER_S, END_AFTER_S = 3.0, 30.0  # in addition to the 2 s after which a gate counts as silent
_APART_S = 0.25  # so that the programs of a home do not all act at the same moment
_LOOK_S = 1.0

log = logging.getLogger(__name__)


class SupervisordGuard:
    """Looks at `run/watchdog.gate` once a second; only under supervisord."""

    def __init__(self, loop: AnyLoop, watcher: GateWatcher, name: str) -> None:
        self._loop = loop
        self._parent = os.getppid()
        self._apart_s = zlib.crc32(name.encode()) % 8 * _APART_S
        self._silent_since: float | None = None
        if os.environ.get("SUPERVISOR_ENABLED"):
            self._watch = watcher.watch(programs.WATCHDOG, lambda _watch: None)
            loop.call_later(next_round(loop, _LOOK_S), self._look)

    def _look(self) -> None:
        self._loop.call_later(next_round(self._loop, _LOOK_S), self._look)
        line, now = self._watch.line, self._loop.time()
        if line is not None and not self._watch.stale:
            self._silent_since = None
            return
        self._silent_since = now if self._silent_since is None else self._silent_since
        silent_s = now - self._silent_since - self._apart_s
        if silent_s > WAKE_AFTER_S and stopped(self._parent):
            self._signal(signal.SIGCONT, "waking it")
        elif silent_s > END_AFTER_S and line and line.pid == self._parent and os.environ.get("INVOCATION_ID"):
            self._signal(signal.SIGKILL, "ending it")

    def _signal(self, sig: int, what: str) -> None:
        if os.getppid() == self._parent > 1:
            log.critical("supervisord (pid %d) does not answer; %s", self._parent, what)
            os.kill(self._parent, sig)
