"""One file of a journal: a header, then records, each with a checksum.

Header: magic, number of this use (rising), salt, mark, CRC-32 of these. Record: CRC-32 of what follows, length, key,
NUL, value. The CRC of a record is seeded by the salt, so that what an earlier use left behind in the space is never
taken for a record; the first that does not fit ends the file: a torn one is as if it had never been written. The mark
says how far the records reached when the header was last written: if fewer are found, the file was damaged.

The first layout (magic `effectd1`) has neither mark nor CRC in its header; a file keeps it until its next use.
"""

import errno
import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path

_MAGIC, _FIRST_MAGIC = b"effectd2", b"effectd1"
_FIRST_HEAD = struct.Struct("<8sQI")
_HEAD = struct.Struct("<8sQIQI")
_RECORD = struct.Struct("<II")
HEAD_BYTES = _HEAD.size
_FIXED_BYTES = _RECORD.size + 1
_CHUNK = 1 << 20


class JournalFile:
    """`alive` is what of its records still counts, `alive_bytes` their length. `lost` says what could not be read."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self.fd = -1
        self.end = HEAD_BYTES  # where the next record goes
        self.number, self.salt = 0, 0  # 0: it holds nothing
        self.new = False  # there was no such file
        self.lost = ""
        self.alive: dict[str, bytes] = {}
        self.alive_bytes = 0
        self._head = b""  # as it was last written
        self._emptied = False  # it was truncated: it never was without a length

    def open(self, *, anew: bool = False) -> None:
        """Open or create it, with its space. `anew`: in place of whatever has its name, which stays as it is."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        if anew:
            self.path.unlink(missing_ok=True)
        try:
            self.fd = os.open(self.path, flags)
        except FileNotFoundError:
            self.fd, self.new = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
        self._emptied = not self.new and os.fstat(self.fd).st_size == 0
        try:
            self.reserve()
        except OSError:  # no space now, or not supported by the file system: the file grows as far as there is room
            if os.fstat(self.fd).st_size < self._size:
                os.ftruncate(self.fd, self._size)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def current(self) -> bool:
        """Whether it has a header of the current layout; one of the first layout is used until it is full."""
        return self._head[:8] == _MAGIC

    def reserve(self) -> None:
        """Allocate all the space now, so that a disk that is full later does no harm. Raises OSError."""
        os.posix_fallocate(self.fd, 0, self._size)

    def read(self) -> list[tuple[str, bytes]]:
        """Every whole record, oldest first; from now on `end` is behind the last."""
        try:
            self._head = os.pread(self.fd, HEAD_BYTES, 0)
            mark = self._read_head(self._head)
            records = self._records() if self.number else []
        except OSError as error:
            self.number, self.lost = 0, f"cannot be read: {error.strerror}"
            return []
        if self.end < mark:
            self.lost = f"is damaged at byte {self.end}; what was noted behind that, up to byte {mark}, is lost"
        return records

    def _read_head(self, head: bytes) -> int:
        """Take over number and salt; return the mark. A header that is none leaves the number at 0."""
        if head[:8] == _FIRST_MAGIC and len(head) >= _FIRST_HEAD.size:
            _, self.number, self.salt = _FIRST_HEAD.unpack_from(head)
            self.end = _FIRST_HEAD.size
            if self.number < 1 << 62:
                return 0
        elif head[:8] == _MAGIC and len(head) == HEAD_BYTES:
            _, self.number, self.salt, mark, crc = _HEAD.unpack(head)
            if crc == zlib.crc32(head[:-4]):
                return int(mark)
        elif not self._emptied and (self.new or head == bytes(HEAD_BYTES)):
            return 0  # its space was taken and nothing was written yet
        self.number, self.lost = 0, "has a damaged header; what was noted in it is lost"
        return 0

    def _records(self) -> list[tuple[str, bytes]]:
        found, size = [], os.fstat(self.fd).st_size
        window, base = b"", self.end
        while self.end + _RECORD.size <= size:
            at = self.end - base
            if at + _RECORD.size > len(window):
                window, base, at = os.pread(self.fd, _CHUNK, self.end), self.end, 0
            crc, length = _RECORD.unpack_from(window, at)
            if not length or self.end + _RECORD.size + length > size:
                break
            if at + _RECORD.size + length > len(window):
                window, base, at = os.pread(self.fd, _RECORD.size + length + _CHUNK, self.end), self.end, 0
            body = window[at + _RECORD.size : at + _RECORD.size + length]
            if len(body) != length or zlib.crc32(body, self.salt) != crc:
                break
            key, _, value = body.partition(b"\0")
            found.append((key.decode(errors="replace"), value))
            self.end += _RECORD.size + length
        return found

    def begin(self, number: int) -> None:
        """Forget what is in it: a new number and salt make every old record invalid, at once or not at all."""
        salt = int.from_bytes(os.urandom(4), "little")
        self._write_head(number, salt, HEAD_BYTES)
        if os.fstat(self.fd).st_size > self._size:  # an older run had more space, or had to take more
            os.ftruncate(self.fd, self._size)
        self.number, self.salt, self.end = number, salt, HEAD_BYTES
        self.alive.clear()
        self.alive_bytes = 0

    def mark(self) -> None:
        """Note in the header how far the records reach now."""
        if self.current and _HEAD.unpack(self._head)[3] != self.end:
            self._write_head(self.number, self.salt, self.end)

    def probe(self) -> None:
        """Raise OSError if nothing can be written, or there is no room for what may come."""
        self.reserve()
        if os.pwrite(self.fd, self._head, 0) != len(self._head):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def repair(self) -> None:
        """A header that fits what could be read."""
        if self.number:
            self.mark()
        else:
            self.begin(0)

    def append(self, records: Collection[tuple[str, bytes]]) -> None:
        """Write them by one call, all or none; only what was written is alive here. Raises OSError."""
        parts: list[bytes] = []
        for key, value in records:
            body = key.encode() + b"\0" + value
            parts += _RECORD.pack(zlib.crc32(body, self.salt), len(body)), body
        data = b"".join(parts)
        if os.pwrite(self.fd, data, self.end) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end += len(data)
        for key, value in records:
            self.keep(key, value)

    def keep(self, key: str, value: bytes) -> None:
        """This record of the file is alive."""
        self.drop(key)
        self.alive[key] = value
        self.alive_bytes += length(key, value)

    def drop(self, key: str) -> None:
        value = self.alive.pop(key, None)
        if value is not None:
            self.alive_bytes -= length(key, value)

    def in_place(self) -> bool:
        """Whether its name still leads to it, with its header and its full length."""
        try:
            there, here = os.stat(self.path), os.fstat(self.fd)
            same = (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev) and here.st_size >= self.end
            return same and os.pread(self.fd, HEAD_BYTES, 0) == self._head
        except OSError:
            return False

    def _write_head(self, number: int, salt: int, mark: int) -> None:
        head = _HEAD.pack(_MAGIC, number, salt, mark, 0)[:-4]
        head += struct.pack("<I", zlib.crc32(head))
        if os.pwrite(self.fd, head, 0) != len(head):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._head = head


def length(key: str, value: bytes) -> int:
    """Bytes that a record takes in the file."""
    return _FIXED_BYTES + (len(key) if key.isascii() else len(key.encode())) + len(value)
