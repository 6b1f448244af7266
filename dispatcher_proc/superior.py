"""The watcher is watched: a supervisord whose watchdog is silent is woken, and ended where something brings it back.

The watchdog's gate beats from supervisord's own loop. Silent means that supervisord is stopped (SIGCONT mends that) or
stuck. The end of a stuck one ends everything and switches it off; that is right only where a service manager starts it
again (systemd sets INVOCATION_ID, systemd.exec(5)).
"""

import logging
import os
import signal

from effectd.loop import AnyLoop, Cancellable
from effectd.watcher import Watch, Watcher

WAKE_AFTER_S, END_AFTER_S = 3.0, 30.0  # on top of the 2 s after which a gate counts as silent

log = logging.getLogger(__name__)


class Superior:
    """Looks at `run/watchdog.gate`; only under supervisord."""

    def __init__(self, loop: AnyLoop, watcher: Watcher) -> None:
        self._loop = loop
        self._parent = os.getppid()
        self._timers: list[Cancellable] = []
        if os.environ.get("SUPERVISOR_ENABLED"):
            watcher.watch("watchdog", self._changed)

    def _changed(self, watch: Watch) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if watch.stale and watch.line is not None and watch.line.pid == self._parent == os.getppid():
            self._timers = [
                self._loop.call_later(WAKE_AFTER_S, self._signal, signal.SIGCONT, "waking it"),
            ]
            if os.environ.get("INVOCATION_ID"):
                self._timers.append(self._loop.call_later(END_AFTER_S, self._signal, signal.SIGKILL, "ending it"))

    def _signal(self, sig: int, what: str) -> None:
        if os.getppid() == self._parent > 1:
            log.critical("supervisord (pid %d) does not answer; %s", self._parent, what)
            os.kill(self._parent, sig)
