"""The readiness gate: own one (watcher.py watches those of others).

A gate is a UNIX stream socket `run/<program>.gate` that belongs to the program. Who connects gets one JSON line at
once, one at each change and a heartbeat each 0.5 s. Ready means: connected, the last line says `ready`, and it is
younger than 2 s by the reader's clock. End of file comes from the kernel, so a dead owner leaves no "ready" behind; no
file is ever believed (docs/decisions/0001-gate.md). Who connects may also send a request, one JSON object a line
(`{"do": "stop"}`).
"""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from effectd.loop import AnyLoop, Cancellable

HEARTBEAT_S = 0.5
_REQUEST_BYTES = 4096

log = logging.getLogger(__name__)
Request = dict[str, Any]
Reply = Callable[[dict[str, Any]], None]


class Line(msgspec.Struct, frozen=True):
    """One line of a gate. `at`: Unix ms at which `state` or `reason` became so (a heartbeat repeats it).

    `generation` names this run of the program, `broker_generation` the run of the broker under which it is ready.
    """

    name: str
    pid: int
    state: str  # starting, waiting, ready, degraded, stopping
    generation: str
    broker_generation: str | None = None
    reason: str = ""
    at: int = 0


class GateHeld(Exception):
    """Another process of this home owns the gate: `pid` (0 where it cannot be seen)."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(f"another {name} (pid {pid or 'unknown'}) holds run/{name}.lock")
        self.pid = pid


def this_generation() -> str:
    """Start time (clock ticks since boot, proc(5) stat field 22) and pid: no two runs on one boot share it."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            started = stat.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        started = f"{time.time_ns():x}"
    return f"{started}-{os.getpid()}"


class Gate:
    """This process's own gate: `open` first of all, `attach` when there is a loop, then `say`."""

    def __init__(self, run: Path, name: str) -> None:
        self.path = run / f"{name}.gate"
        self.line = Line(name, os.getpid(), "starting", this_generation(), at=time.time_ns() // 1_000_000)
        self.on_request: Callable[[Request, Reply], None] | None = None
        self._mirror = run / f"{name}.state"
        self._lock = run / f"{name}.lock"
        self._lock_fd = -1
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._readers: dict[int, tuple[socket.socket, bytearray]] = {}
        self._loop: AnyLoop | None = None
        self._beat: Cancellable | None = None

    def open(self, *, wait: bool) -> None:
        """Take the lock, then the socket. Raises GateHeld where another holds it and `wait` is false.

        The order matters: the lock makes the take-over race-free, the rename makes "exists" imply "listening". The
        socket is never unlinked at exit: an old run would remove its successor's.
        """
        self._lock_fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = GateHeld(self.line.name, _pid_in(self._lock_fd))
            if not wait:
                raise held from None
            log.warning("%s; waiting for its end", held)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode(), 0)
        fresh = self.path.with_suffix(".gate.new")
        fresh.unlink(missing_ok=True)
        self._server.bind(os.fspath(fresh))
        self._server.listen(64)
        self._server.setblocking(False)
        fresh.rename(self.path)
        self._write_mirror()

    def attach(self, loop: AnyLoop) -> None:
        """Serve the gate from `loop`: its heartbeat vouches for that loop and for nothing else."""
        self._loop = loop
        loop.add_reader(self._server.fileno(), self._accept)
        self._beat = loop.call_later(HEARTBEAT_S, self._heartbeat)

    def say(
        self, state: str, reason: str = "", *, broker_generation: str | None = None, generation: str | None = None
    ) -> None:
        """Change what the gate says, and push it to everybody who listens; after `stopping` nothing else is said."""
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
        )
        if msgspec.structs.replace(line, at=self.line.at) == self.line:
            return
        if state != self.line.state:
            log.info("%s%s", state, f": {reason}" if reason else "")
        self.line = line
        self._push()
        self._write_mirror()

    def close(self, *, release: bool = False) -> None:
        """Stop serving. The lock ends with the process, or now: `release`."""
        if release:
            os.close(self._lock_fd)
        if self._beat:
            self._beat.cancel()
        if self._loop:
            self._loop.remove_reader(self._server.fileno())
        self._server.close()
        for fd in list(self._readers):
            self._drop(fd)

    def _heartbeat(self) -> None:
        self._push()
        assert self._loop is not None
        self._beat = self._loop.call_later(HEARTBEAT_S, self._heartbeat)

    def _push(self) -> None:
        data = msgspec.json.encode(self.line) + b"\n"
        for fd, (reader, _) in list(self._readers.items()):
            self._send(fd, reader, data)

    def _send(self, fd: int, reader: socket.socket, data: bytes) -> None:
        try:
            reader.send(data)
        except OSError:  # gone, or so far behind that its buffer is full: it will connect again
            self._drop(fd)

    def _accept(self) -> None:
        assert self._loop is not None
        try:
            reader, _ = self._server.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                # out of descriptors: who waits sees no line, which is the truth; do not spin on the backlog
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
        if not isinstance(request, dict) or self.on_request is None:
            reply({"error": 'a request is a JSON object such as {"do": "stop"}; this program knows no other'})
        else:
            self.on_request(request, reply)

    def _drop(self, fd: int) -> None:
        reader, _ = self._readers.pop(fd)
        assert self._loop is not None
        self._loop.remove_reader(fd)
        reader.close()

    def _write_mirror(self) -> None:
        fresh = self._mirror.with_suffix(".state.new")
        try:
            fresh.write_bytes(msgspec.json.encode(self.line) + b"\n")
            fresh.rename(self._mirror)
        except OSError:  # only advice for `cat`; a full disk must not stop the program
            pass


def _pid_in(fd: int) -> int:
    try:
        return int(os.pread(fd, 32, 0))
    except ValueError:
        return 0
