"""Locks of a home that deleting files cannot break: the kernel keeps their names (decision 0012).

A lock is a UNIX socket bound to an abstract name (unix(7)) made of the home folder's device and inode: it ends with its
process, however that ends, and there is no file to remove or to replace. supervisord holds a flock of the home folder
itself as well, which also counts between containers that share the folder but not the network.
"""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

SUPERVISORD, LAUNCH, EDIT = "supervisord", "launch", "edit"  # locks beside those of the programs
_AGAIN_S = 0.02


class Lock:
    """One name of one home; at most one process has it."""

    def __init__(self, home: Path, name: str) -> None:
        self._home, self._name = home, name
        self._socket: socket.socket | None = None
        self._folder = -1  # kept open with the lock, so that a removed folder's inode is not used again

    @property
    def taken(self) -> bool:
        return self._socket is not None

    def take(self, wait_s: float = 0.0) -> bool:
        """Whether it is ours now; False if another process still has it after `wait_s` seconds."""
        end = time.monotonic() + wait_s
        taker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        while True:
            try:
                taker.bind(_address(self._home, self._name))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and time.monotonic() < end:
                    time.sleep(_AGAIN_S)
                    continue
                taker.close()
                if error.errno == errno.EADDRINUSE:
                    return False
                raise
            self._socket, self._folder = taker, os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return True

    def release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            os.close(self._folder)
            self._socket = None


class HomeLock:
    """supervisord's lock, one a home. It outlives the daemon's fork and is taken again at a reload."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = Lock(home, SUPERVISORD)
        self._kept: dict[int, tuple[int, int]] = {}  # our descriptors, and what they are

    def take(self) -> bool:
        """False if another supervisord has the home. At a reload supervisord closes its descriptors by number."""
        if self._kept and all(_identity(fd) == what for fd, what in self._kept.items()):
            return True
        self._lock = Lock(self._home, SUPERVISORD)  # the rest of the last one is closed already
        folder = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            return False
        except OSError:
            pass  # a file system without locks of folders (NFS): the name alone has to do
        if not self._lock.take() or self._lock._socket is None:
            os.close(folder)
            return False
        taken = self._lock._socket.detach()  # else a reload would end it with the object
        self._kept = {fd: _identity(fd) for fd in (folder, taken)}
        return True


@contextlib.contextmanager
def held(home: Path, name: str, wait_s: float) -> Iterator[bool]:
    """`with held(home, EDIT, 10) as ours:`"""
    lock = Lock(home, name)
    try:
        yield lock.take(wait_s)
    finally:
        lock.release()


def holders(home: Path) -> dict[str, int]:
    """The held locks of a home, each with its holder's pid; 0 if that is another user's or container's."""
    prefix = "@" + _address(home, "")[1:]
    by_inode: dict[str, str] = {}
    with open("/proc/net/unix", errors="replace") as table:
        for line in table:
            words = line.split()
            if len(words) == 8 and words[7].startswith(prefix):
                by_inode[f"socket:[{words[6]}]"] = words[7].removeprefix(prefix)
    found = dict.fromkeys(by_inode.values(), 0)
    for entry in Path("/proc").glob("[0-9]*/fd") if by_inode else ():
        with contextlib.suppress(OSError):
            for fd in os.scandir(entry):
                with contextlib.suppress(OSError):
                    if name := by_inode.get(os.readlink(fd.path)):
                        found[name] = int(entry.parent.name)
    return found


def _address(home: Path, name: str) -> str:
    where = home.stat()
    return f"\0effectd/{where.st_dev:x}/{where.st_ino:x}/{name}"


def _identity(fd: int) -> tuple[int, int]:
    try:
        found = os.fstat(fd)
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino
