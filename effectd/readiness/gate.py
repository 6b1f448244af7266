"""The readiness gate of this process (gate_watcher.py watches those of others).

A gate is a UNIX stream socket `run/<program>.gate` that belongs to the program. A client gets one JSON line at
once, one at each change and a heartbeat each 0.5 s. Ready means: connected, the last line says `ready`, and it is
younger than 2 s by the reader's clock. End of file comes from the kernel, so a dead owner leaves no "ready" behind; no
file is ever trusted (docs/decisions/0001-gate.md). A gate that was removed or replaced is bound again with the
next heartbeat. A client may also send a request, one JSON object a line (`{"do": "stop"}`).
"""

import contextlib
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from effectd.base import in_place
from effectd.base.lock import Lock, holders
from effectd.base.loop import AnyLoop, Cancellable
from effectd.base.rounds import next_round
from effectd.readiness.line import Line, this_generation

HEARTBEAT_S = 0.5
_REQUEST_BYTES = 4096

log = logging.getLogger(__name__)
Request = dict[str, Any]
Reply = Callable[[dict[str, Any]], None]


class GateHeld(Exception):
    """Another process of this home owns the gate: `pid` (0 if it cannot be seen)."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(f"another {name} (pid {pid or 'unknown'}) runs in this home")
        self.pid = pid


class Gate:
    """This process's own gate: first `open`, then `attach` to a loop, then `say`."""

    def __init__(self, run: Path, name: str) -> None:
        self.path = run / f"{name}.gate"
        self.line = Line(name, os.getpid(), "starting", this_generation(), at=time.time_ns() // 1_000_000)
        self.on_request: Callable[[Request, Reply], None] | None = None
        self.changed = time.monotonic()  # when `line.state` or its reason last changed, by the monotonic clock
        self.former_address: str | None = None  # the last address of the previous run: a hint where to begin
        self._mirror = run / f"{name}.state"
        self._lock = Lock(run.parent, name)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._marks: dict[Path, in_place.Mark] = {}  # the identity of our two files as we made them
        self._trouble = ""
        self._part: dict[str, Any] = {}
        self._readers: dict[int, tuple[socket.socket, bytearray]] = {}
        self._loop: AnyLoop | None = None
        self._beat: Cancellable | None = None

    def open(self, *, wait: bool) -> None:
        """Take the lock, then the socket. Raises GateHeld if another holds it and `wait` is false.

        The order matters: the lock makes the take-over race-free, the rename makes "exists" imply "listening". The
        socket is never unlinked at exit: an old run would remove its successor's.
        """
        if not self._lock.take():
            held = GateHeld(self.line.name, holders(self.path.parent.parent).get(self.line.name, 0))
            if not wait:
                raise held
            log.warning("%s; waiting for its end", held)
            self._lock.take(float("inf"))
        self._server = self._bind()
        with contextlib.suppress(OSError, msgspec.DecodeError):
            self.former_address = msgspec.json.decode(self._mirror.read_bytes(), type=Line).address
        self._write_mirror()

    @property
    def held(self) -> bool:
        """Whether we have the lock: then the program's files in `run/` are ours."""
        return self._lock.taken

    def attach(self, loop: AnyLoop) -> None:
        """Serve the gate from `loop`: its heartbeat vouches for that loop and for nothing else."""
        self._loop = loop
        loop.add_reader(self._server.fileno(), self._accept)
        self._beat = loop.call_later(next_round(loop, HEARTBEAT_S), self._heartbeat)

    def say(
        self,
        state: str,
        reason: str = "",
        *,
        broker_generation: str | None = None,
        generation: str | None = None,
        address: str | None = None,
    ) -> None:
        """Change the gate's line and push it to all readers; after `stopping` it does not change again."""
        if self.line.state == "stopping":
            return
        line = Line(
            self.line.name,
            self.line.pid,
            state,
            generation or self.line.generation,
            broker_generation,
            reason,
            time.time_ns() // 1_000_000,
            self.line.config,
            address or self.line.address,
        )
        if msgspec.structs.replace(line, at=self.line.at) == self.line:
            return
        if state != self.line.state:
            log.info("%s%s", state, f": {reason}" if reason else "")
        self.line = line
        self.changed = time.monotonic()
        self._push()
        self._write_mirror()

    def configured(self, part: dict[str, Any], digest: str) -> None:
        """From now on the program uses this part of the configuration; it is the answer to `{"do": "config"}`."""
        self._part = part
        self.line = msgspec.structs.replace(self.line, config=digest)
        self._push()
        self._write_mirror()

    def leave_word(self, reason: str) -> None:
        """Write the reason of an early exit, before a reader can connect, into the mirror file."""
        self.line = msgspec.structs.replace(self.line, state="stopping", reason=reason)
        self._write_mirror()

    def close(self, *, release: bool = False) -> None:
        """Stop serving. The lock ends with the process, or now: `release`."""
        if release:
            self._lock.release()
        if self._beat:
            self._beat.cancel()
        if self._loop:
            self._loop.remove_reader(self._server.fileno())
        self._server.close()
        for fd in list(self._readers):
            self._drop(fd)

    def _heartbeat(self) -> None:
        self._push()
        self._mend()
        assert self._loop is not None
        self._beat = self._loop.call_later(next_round(self._loop, HEARTBEAT_S), self._heartbeat)

    def _bind(self) -> socket.socket:
        """A listening socket at our path, replacing anything there. Raises OSError."""
        fresh = self.path.with_suffix(".gate.new")
        in_place.clear(fresh)
        in_place.clear(self.path)
        fresh.unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.bind(os.fspath(fresh))
            server.listen(64)
            server.setblocking(False)
            fresh.rename(self.path)
            self._marks[self.path] = in_place.identity(self.path)
        except OSError:
            server.close()
            raise
        self._server.close()
        return server

    def _mend(self) -> None:
        """Restore what was removed or replaced: `run/` itself, the socket, the mirror. Connections go on."""
        assert self._loop is not None
        if not self.held:  # supervisord's watchdog goes on without a gate if another has it
            return
        try:
            if in_place.identity(self.path) != self._marks.get(self.path):
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
                self._loop.remove_reader(self._server.fileno())
                try:
                    self._server = self._bind()
                finally:
                    self._loop.add_reader(self._server.fileno(), self._accept)
                log.warning("run/%s was removed or replaced; it is bound again", self.path.name)
            if in_place.content(self._mirror) != self._marks.get(self._mirror):
                self._write_mirror()
            self._trouble = ""
        except OSError as error:  # a full disk, lost permissions: the next heartbeat tries again
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("run/%s cannot be bound again: %s", self.path.name, error)

    def _push(self) -> None:
        data = msgspec.json.encode(self.line) + b"\n"
        for fd, (reader, _) in list(self._readers.items()):
            self._send(fd, reader, data)

    def _send(self, fd: int, reader: socket.socket, data: bytes) -> None:
        try:
            whole = reader.send(data) == len(data)
        except OSError:
            whole = False
        if not whole:  # gone, or so far behind that its buffer is full: it will reconnect
            self._drop(fd)

    def _accept(self) -> None:
        assert self._loop is not None
        try:
            reader, _ = self._server.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                # out of descriptors: waiting clients get no line, which is correct; do not spin on the backlog
                self._loop.remove_reader(self._server.fileno())
                self._loop.call_later(HEARTBEAT_S, self._loop.add_reader, self._server.fileno(), self._accept)
                log.warning("the gate cannot be read now: %s", error.strerror)
            return
        reader.setblocking(False)
        fd = reader.fileno()
        self._readers[fd] = (reader, bytearray())
        self._loop.add_reader(fd, self._hear, fd)
        self._send(fd, reader, msgspec.json.encode(self.line) + b"\n")

    def _hear(self, fd: int) -> None:
        reader, buffer = self._readers[fd]
        try:
            data = reader.recv(_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if not data or len(buffer) > _REQUEST_BYTES:
            self._drop(fd)
            return
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            self._handle(fd, reader, line)

    def _handle(self, fd: int, reader: socket.socket, line: bytes) -> None:
        def reply(answer: dict[str, Any]) -> None:
            if self._readers.get(fd, (None,))[0] is reader:
                self._send(fd, reader, json.dumps(answer).encode() + b"\n")

        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if isinstance(request, dict) and request.get("do") == "config":
            reply({"done": "config", "config": self._part})
        elif not isinstance(request, dict) or self.on_request is None:
            reply({"error": 'a request is a JSON object such as {"do": "stop"}; this program knows no other'})
        else:
            self.on_request(request, reply)

    def _drop(self, fd: int) -> None:
        reader, _ = self._readers.pop(fd)
        assert self._loop is not None
        self._loop.remove_reader(fd)
        reader.close()

    def _write_mirror(self) -> None:
        try:
            in_place.write(self._mirror, msgspec.json.encode(self.line) + b"\n")
            self._marks[self._mirror] = in_place.content(self._mirror)
        except OSError:  # the mirror is only for `cat`; a full disk must not stop the program
            pass
