"""Watches the gates of other programs and reports which are ready, at once and without polling.

A start shows by inotify (the gate's socket is moved into `run/`), a change by a line, a death by end of file, a hang by
silence: 2 s without a heartbeat, by this process's own clock.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from effectd.base.in_place import Mark, identity
from effectd.base.loop import AnyLoop
from effectd.base.rounds import next_round
from effectd.readiness.inotify import Inotify
from effectd.readiness.line import Line

STALE_S = 2.0
_CHECK_S = 0.25
_RETRY_S = 0.25  # while `run/` is missing
_FOLDER_S = 1.0  # how often to check that `run/` is still the watched folder


class GateView:
    """Another program's gate, seen from here. `line` is None while there is no connection to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.listeners: list[Callable[[GateView], None]] = []
        self.line: Line | None = None
        self.stale = False
        self.heard = 0.0
        self.sock: socket.socket | None = None
        self.buffer = b""

    def changed(self) -> None:
        for listener in list(self.listeners):
            listener(self)

    @property
    def ready(self) -> bool:
        return self.line is not None and self.line.state == "ready" and not self.stale

    @property
    def blocker(self) -> str:
        """Why it is not ready, in words for a receipt; "" if it is."""
        if self.ready:
            return ""
        if self.line is None:
            return f"{self.name} is not running"
        if self.stale:
            return f"{self.name} does not answer"
        return f"{self.name} is {self.line.state}" + (f": {self.line.reason}" if self.line.reason else "")


class GateWatcher:
    """Watches any number of gates of one home from one loop; never polls a gate while `run/` is there."""

    def __init__(self, loop: AnyLoop, run: Path, *, stale_s: float = STALE_S, late_s: float = _CHECK_S) -> None:
        """`late_s`: a check later than this means that this process itself was held up; it then judges no gate."""
        self._loop, self._run, self._late_s = loop, run, late_s
        self.stale_s = stale_s
        self._watches: dict[str, GateView] = {}
        self._inotify: Inotify | None = None
        self._folder: Mark = ()
        self._folder_due = 0.0
        self._arm()
        self._check_again()

    def watch(self, name: str, on_change: Callable[[GateView], None]) -> GateView:
        """Call `on_change` at each change of that gate: a new line, gone, silent for 2 s, back again."""
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = GateView(name)
            self._connect(watch)
        elif watch.line is not None:
            self._loop.call_soon(on_change, watch)  # a second listener gets what the first one knows
        watch.listeners.append(on_change)
        return watch

    def unwatch(self, name: str) -> None:
        self._disconnect(self._watches.pop(name))

    def close(self) -> None:
        self._timer.cancel()
        for name in list(self._watches):
            self.unwatch(name)
        self._disarm()

    def _arm(self) -> None:
        """Start inotify before the first attempt to connect, so that no gate can appear unnoticed between the two."""
        try:
            self._folder = identity(self._run, follow=True)
            self._inotify = Inotify(self._run)
        except OSError:
            self._loop.call_later(_RETRY_S, self._retry)
        else:
            self._loop.add_reader(self._inotify.fd, self._moved)

    def _disarm(self) -> None:
        if self._inotify:
            self._loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def _moved(self) -> None:
        assert self._inotify is not None
        names = self._inotify.names()
        if names is None:  # the folder was replaced, or events were lost: look at everything again
            self._disarm()
            self._arm()
        self._find(names)

    def _find(self, names: set[str] | None = None) -> None:
        """Connect to the gates that are not connected; `names`: only to gates that were just moved in."""
        for watch in list(self._watches.values()):
            if watch.line is None and (f"{watch.name}.gate" in names if names is not None else watch.sock is None):
                self._disconnect(watch)  # a connected, silent socket may be a foreign one at that path
                self._connect(watch)

    def _retry(self) -> None:
        if self._inotify is None and self._watches:
            self._find()
            self._arm()

    def _connect(self, watch: GateView) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(os.fspath(self._run / f"{watch.name}.gate"))
        except BlockingIOError:  # its backlog is full: as good as silent; look again soon
            sock.close()
            self._loop.call_later(_RETRY_S, self._connect_if_known, watch)
            return
        except OSError:  # not listening: the rename of a new gate will show it
            sock.close()
            return
        watch.sock, watch.buffer, watch.heard = sock, b"", self._loop.time()
        self._loop.add_reader(sock.fileno(), self._read, watch)

    def _connect_if_known(self, watch: GateView) -> None:
        if self._known(watch) and watch.sock is None:
            self._connect(watch)

    def _known(self, watch: GateView) -> bool:
        return self._watches.get(watch.name) is watch

    def _disconnect(self, watch: GateView) -> None:
        if watch.sock:
            self._loop.remove_reader(watch.sock.fileno())
            watch.sock.close()
            watch.sock = None

    def _read(self, watch: GateView) -> None:
        assert watch.sock is not None
        try:
            data = watch.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._disconnect(watch)
            watch.stale = False
            if watch.line is not None:
                watch.line = None
                watch.changed()
            # the successor may have moved its gate in while this connection still stood
            self._connect_if_known(watch)
            return
        watch.heard = self._loop.time()
        *lines, watch.buffer = (watch.buffer + data).split(b"\n")
        before, was_stale = watch.line, watch.stale
        watch.stale = False
        for text in lines:
            try:
                line = msgspec.json.decode(text, type=Line)
            except (msgspec.DecodeError, RecursionError):
                continue  # an answer to a request, or a later contract's word
            if line != watch.line:
                watch.line = line
                watch.changed()
        if was_stale and watch.line is before and self._known(watch):
            watch.changed()

    def _check(self, due: float) -> None:
        now = self._loop.time()
        if now - due < self._late_s:  # else lines may lie unread
            for watch in list(self._watches.values()):
                if watch.line is not None and not watch.stale and now - watch.heard > self.stale_s:
                    watch.stale = True
                    watch.changed()
        if now >= self._folder_due:
            self._folder_due = now + _FOLDER_S
            # moved away, or removed and made anew
            if self._inotify is not None and identity(self._run, follow=True) != self._folder:
                self._disarm()
                self._arm()
                self._find()
        self._check_again()

    def _check_again(self) -> None:
        wait = next_round(self._loop, _CHECK_S)
        self._timer = self._loop.call_later(wait, self._check, self._loop.time() + wait)
