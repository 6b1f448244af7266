"""Records when the lights of one zone flashed, in a file in run/ that all their drivers share (docs/decisions/0016).

A flash is noted before it is driven, under a lock that the kernel releases when a process dies. What cannot be noted is
not driven. Moments are microseconds of the clock that all processes of a machine share.
"""

import fcntl
import hashlib
import os
import struct
import time
from pathlib import Path

_HEAD = struct.Struct("<16s")  # the boot to which the moments belong
_FLASH = struct.Struct("<QQ")  # when it began, and when its last call had returned
_ALL = struct.Struct("<200Q")  # 100 flashes, the greatest max_flash_hz: no more of the newest are needed
_BYTES = _HEAD.size + _ALL.size
_PATIENCE_S = 0.05  # the lock is held for less than 1 ms; a stopped process that has it must not hold the others up
_SECOND = 1_000_000


class Rises:
    """`known`: this driver has run in this home before, so a missing file is a lost one."""

    def __init__(self, path: Path, boot: str, *, known: bool) -> None:
        self._path, self._known = path, known
        self._boot = hashlib.sha256(boot.encode()).digest()[: _HEAD.size]
        self._fd = -1
        self._began: tuple[int, ...] = ()
        self._ended: tuple[int, ...] = ()
        self._another = False  # it is not the file that was written last time

    def lock(self) -> bool:
        """Open the file that has the name now, and lock it; False: another process keeps the lock for too long."""
        try:
            current = self._fd >= 0 and os.path.samestat(os.fstat(self._fd), os.lstat(self._path))
        except FileNotFoundError:
            current = False
        if not current:
            self._another = self._fd >= 0
            self.close()
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, 0o600)
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.0005)
            else:
                return True

    def unlock(self) -> None:
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def read(self, now: int) -> None:
        """Read the record. What is unknown, because it was lost or is from another boot, counts as just now."""
        found = os.pread(self._fd, _BYTES, 0)
        lost = self._another or (len(found) < _BYTES and self._known)
        if len(found) < _BYTES:
            os.posix_fallocate(self._fd, 0, _BYTES)
            found = found.ljust(_BYTES, b"\0")
        moments = _ALL.unpack_from(found, _HEAD.size)
        if lost or found[: _HEAD.size] != self._boot or max(moments) > now + _SECOND:
            moments = tuple(now if at or lost else 0 for at in moments)
            os.pwrite(self._fd, self._boot + _ALL.pack(*moments), 0)
        self._another, self._known = False, True
        self._began, self._ended = moments[::2], moments[1::2]

    def since(self, then: int) -> int:
        """How many flashes there were after `then`."""
        return sum(at > then for at in self._ended)

    def newest(self) -> int:
        """When the newest began."""
        return max(self._began)

    def note(self, now: int) -> None:
        """A flash begins, in place of the oldest."""
        self._write(min(range(len(self._ended)), key=self._ended.__getitem__), now, now)

    def lasts(self, began: int, now: int) -> None:
        """The flash that began then is over no earlier than now."""
        if began in self._began:
            self._write(self._began.index(began), began, now)

    def _write(self, place: int, began: int, ended: int) -> None:
        os.pwrite(self._fd, _FLASH.pack(began, ended), _HEAD.size + place * _FLASH.size)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
