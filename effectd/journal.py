"""What must survive the death of a process: an append-only file of keys and values, bounded, preallocated, torn-proof.

Two files of one size, `NAME` and `NAME.old`. A record goes to the end of one by one write(): the kernel has it then,
whatever becomes of the process (no fsync: a power cut is not what it is for). When that is full the two change places,
and what is still alive in the one that is written over is carried on into it. Both have their space from the start: a
full disk stops nothing.

A record: CRC-32 of what follows, length, key, NUL, value. The CRC is seeded by the file's own salt, so that what an
earlier use left behind in the space is never taken for a record; the first that does not fit ends the file: a torn one
is as if it had never been written. The file with the higher number is the one that is written to.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path

_HEAD = struct.Struct("<8sQI")  # magic, number of this use (rising), salt
_RECORD = struct.Struct("<II")
_MAGIC = b"effectd1"


class _File:
    """One of the two files."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.end = _HEAD.size
        self.number, self.salt = 0, 0
        if os.fstat(self.fd).st_size < size:
            try:
                os.posix_fallocate(self.fd, 0, size)
            except OSError:  # no space now, or a file system without it: it grows as far as there is room
                os.ftruncate(self.fd, size)

    def read(self) -> list[tuple[str, bytes]]:
        """Every whole record, oldest first; from now on `end` is behind the last."""
        if os.fstat(self.fd).st_size < _HEAD.size:
            return []
        with mmap.mmap(self.fd, 0, access=mmap.ACCESS_READ) as data:  # only the pages that hold records are touched
            return self._records(data) if data[: len(_MAGIC)] == _MAGIC else []

    def _records(self, data: mmap.mmap) -> list[tuple[str, bytes]]:
        _, self.number, self.salt = _HEAD.unpack_from(data)
        found, at = [], _HEAD.size
        while at + _RECORD.size <= len(data):
            crc, length = _RECORD.unpack_from(data, at)
            body = data[at + _RECORD.size : at + _RECORD.size + length]
            if not length or len(body) != length or zlib.crc32(body, self.salt) != crc:
                break
            key, _, value = body.partition(b"\0")
            found.append((key.decode(errors="replace"), value))
            at += _RECORD.size + length
        self.end = at
        return found

    def begin(self, number: int) -> None:
        """Forget what is in it: a new number and salt make every old record invalid."""
        self.number, self.salt, self.end = number, int.from_bytes(os.urandom(4), "little"), _HEAD.size
        os.pwrite(self.fd, _HEAD.pack(_MAGIC, self.number, self.salt), 0)

    def append(self, body: bytes) -> None:
        record = _RECORD.pack(zlib.crc32(body, self.salt), len(body)) + body
        os.pwrite(self.fd, record, self.end)
        self.end += len(record)


class Journal:
    """`found` is what was alive at the last run; `put` and `forget` say what is alive now."""

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._now, self._old = _File(path, size), _File(path.with_name(path.name + ".old"), size)
        records = {file.path: file.read() for file in (self._old, self._now)}
        if self._old.number > self._now.number:
            self._now, self._old = self._old, self._now
        if not self._now.number:
            self._now.begin(1)
        self._alive: dict[str, tuple[int, bytes]] = {}
        for file in (self._old, self._now):
            for key, value in records[file.path]:
                self._alive.pop(key, None)
                self._alive[key] = (file.number, value)
        self.found = {key: value for key, (_, value) in self._alive.items()}

    def put(self, key: str, value: bytes) -> bool:
        """Write it; whether it is safe now. Not safe: larger than the whole file, or the disk fails."""
        body = key.encode() + b"\0" + value
        try:
            if self._now.end + _RECORD.size + len(body) > self._size and not self._change_places(len(body)):
                return False
            self._now.append(body)
        except OSError:
            return False
        self._alive.pop(key, None)
        self._alive[key] = (self._now.number, value)
        return True

    def forget(self, key: str) -> None:
        """It need not be carried on. It may still be `found` after a death soon; its value has to tell its age."""
        self._alive.pop(key, None)

    def close(self) -> None:
        os.close(self._now.fd)
        os.close(self._old.fd)

    def _change_places(self, wanted: int) -> bool:
        dying = self._old.number
        carried = [(key, value) for key, (number, value) in self._alive.items() if number == dying and number]
        need = sum(_RECORD.size + len(key.encode()) + 1 + len(value) for key, value in carried)
        if _HEAD.size + need + _RECORD.size + wanted > self._size:
            return False  # more is alive than fits: the caller is told that nothing is safe any more
        self._now, self._old = self._old, self._now
        self._now.begin(self._old.number + 1)
        for key, value in carried:
            self._now.append(key.encode() + b"\0" + value)
            self._alive[key] = (self._now.number, value)
        return True
