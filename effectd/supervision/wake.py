"""`[rpcinterface:wake]`, inside supervisord: a killed program is back in milliseconds instead of one or two seconds.

supervisord's loop sleeps in poll(1 s) and SIGCHLD does not interrupt it (Python retries EINTR, PEP 475). A wake-up
descriptor in its poll map does; supervisor was only ever offered a shorter poll (its pull request 263, closed). One
pass of the loop reaps the child, the next starts it: so a SIGCHLD wakes twice. Works after `reload` and as a daemon.
It requires that no section has startsecs=0.
"""

import errno
import os
import signal
import sys
from typing import Any

from supervisor import events, states

from effectd.supervision import alone, tail
from effectd.supervision.alarm import Alarm

# Imported while supervisord reads its file: from here on `command=python` means the Python beside this supervisord,
# whether its venv is activated or not.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
alone.guard()  # runs before supervisord opens its log or its socket


class Wakener(Alarm):
    """One end of a pipe in supervisord's poll map; Python's signal machinery writes to the other."""

    def __init__(self, socket_map: dict[int, Any]) -> None:
        """`socket_map`: asyncore's, which supervisord polls. A reload has closed the last pipe and wants a new one."""
        for fd in [fd for fd, place in socket_map.items() if isinstance(place, Wakener)]:
            del socket_map[fd]
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        socket_map[self._out] = self
        signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)

    def handle_read_event(self) -> None:
        try:
            heard = os.read(self._out, 4096)
        except BlockingIOError:
            return
        if signal.SIGCHLD in heard:
            try:
                os.write(self._in, b"\0")  # this pass reaps; the next one must come at once to start it again
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise


class Wake:
    """Its public methods are callable as `wake.<method>` over supervisord's own RPC."""

    def __init__(self, supervisord: Any) -> None:
        self._restarts: dict[str, int] = {}
        Wakener(supervisord.options.get_socket_map())
        events.subscribe(events.ProcessStateStartingEvent, self._starting)

    def restarts(self) -> dict[str, int]:
        """How often each program was started again by itself since supervisord started (or was reloaded)."""
        return dict(self._restarts)

    def _starting(self, event: Any) -> None:
        if event.from_state in (states.ProcessStates.EXITED, states.ProcessStates.BACKOFF):
            name = event.process.config.name
            self._restarts[name] = self._restarts.get(name, 0) + 1


def make_wake(supervisord: Any, **_config: Any) -> Wake:
    """The factory that supervisor.conf names."""
    tail.mend()
    return Wake(supervisord)
