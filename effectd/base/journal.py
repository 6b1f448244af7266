"""A bounded, preallocated, append-only key-value store whose records survive the death of a process.

Two files of one size, `NAME` and `NAME.old`. A record goes to the end of the newer one by one write(): the kernel has
it then, whatever becomes of the process (no fsync: a power cut is not what it is for). With each record some of what is
still alive in the older file is copied behind it, so that the older one holds nothing any more when the newer one is
full; then its header is overwritten, and the two have changed places. Copy first, switch last: at every moment each
record is in one of them. A `put` takes the same time no matter how much is alive.

A file that was deleted, replaced or truncated while the process lives is rewritten from memory by `check`.
"""

import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from effectd.base.journal_file import HEAD_BYTES, JournalFile, length
from effectd.base.loop import AnyLoop, Cancellable
from effectd.base.rounds import next_round

CHECK_EVERY_S = 0.5
LOST_SHOWN_S = 2.0  # how long `trouble` reports records that could not be read at the start
_COPIED = 3  # bytes copied for each byte put: with at most 3/4 alive the older file is empty in time

log = logging.getLogger(__name__)


class Notes(Protocol):
    """The interface of a journal: the real one, or one in memory for tests."""

    found: dict[str, bytes]
    lost: bool
    new: bool
    trouble: str

    @property
    def crowded(self) -> bool: ...
    def fits(self, key: str, value: bytes) -> bool: ...
    def put(self, key: str, value: bytes) -> bool: ...
    def forget(self, key: str) -> None: ...


class Journal:
    """`found`: what was alive when the last run ended; `put` and `forget` change what is alive now.

    `lost`: some of what was noted could not be read. `new`: no earlier run has left anything. `trouble`: what cannot
    be read or written now, in words; "" = all is well.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._most = (size - HEAD_BYTES) * _COPIED // (_COPIED + 1)
        self.trouble = ""
        self.lost = self.new = False
        self._on_trouble: Callable[[str], None] = lambda _trouble: None
        self._timer: Cancellable | None = None
        self._away = False  # its files are not in place: what is put now would not be found
        self._now, self._old = JournalFile(path, size), JournalFile(path.with_name(path.name + ".old"), size)
        self.found = self._take_over()
        self._lost_until = time.monotonic() + LOST_SHOWN_S

    def put(self, key: str, value: bytes) -> bool:
        """Write it; True once it is safe. If more is alive than fits, or the disk fails, `trouble` says so."""
        if not self.fits(key, value):
            self._say(f"run/{self._path.name} is full: more has to be remembered than {self._most} bytes")
            return False
        if self._away:
            return False
        wanted = length(key, value)
        try:
            if self._now.end + wanted + self._old.alive_bytes > self._size:
                self._change_places()
            self._now.append([(key, value)])
            self._old.drop(key)
            if self._old.alive:
                self._copy(wanted * _COPIED)
        except OSError as error:
            self._cannot_write(error)
            return False
        return True

    @property
    def crowded(self) -> bool:
        """Whether seven eighths of the capacity are in use: time to accept less, before `put` fails."""
        return (self._now.alive_bytes + self._old.alive_bytes) * 8 > self._most * 7

    def fits(self, key: str, value: bytes) -> bool:
        """Whether there is room for it beside all that is alive."""
        return self._now.alive_bytes + self._old.alive_bytes + length(key, value) <= self._most

    def forget(self, key: str) -> None:
        """Stop carrying it on. It may still be `found` after a death soon; its value must show its age."""
        self._now.drop(key)
        self._old.drop(key)

    def watch(self, loop: AnyLoop, on_trouble: Callable[[str], None]) -> None:
        """Check the files from `loop`; `on_trouble` gets `trouble`: now, if there is any, and at each change."""
        self._on_trouble = on_trouble
        if self.trouble:
            on_trouble(self.trouble)

        def look() -> None:
            self.check()
            self._timer = loop.call_later(next_round(loop, CHECK_EVERY_S), look)

        look()

    def check(self) -> None:
        """Rewrite what is not in place, mark how far the records reach, and check whether the trouble is over."""
        try:
            if not (self._now.in_place() and self._old.in_place()):
                self._write_anew()
                log.warning("run/%s was deleted, replaced or cut off; it is written anew", self._path.name)
            self._now.mark()
            if self.trouble:
                self._now.probe()
        except OSError as error:
            self._cannot_write(error)
            return
        alive = self._now.alive_bytes + self._old.alive_bytes
        if self.trouble and alive < self._most * 0.9 and (not self.lost or time.monotonic() > self._lost_until):
            self._say("")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._now.close()
        self._old.close()

    def _take_over(self) -> dict[str, bytes]:
        """Open both files and read what the last run left."""
        records = {}
        for file in (self._now, self._old):
            try:
                file.open()
                records[file] = file.read()
            except OSError as error:
                file.lost = f"cannot be opened: {error.strerror}"
                records[file] = []
        self.new = self._now.new and self._old.new
        for file in (self._now, self._old):
            if file.new and not self.new:
                file.lost = "is missing; what was noted in it is lost"
        damaged = [file for file in (self._now, self._old) if file.lost]
        self.lost = bool(damaged)
        self._say("; ".join(f"run/{file.path.name} {file.lost}" for file in damaged))
        if self._old.number > self._now.number:
            self._now, self._old = self._old, self._now
        for key, value in records[self._old]:
            self._old.keep(key, value)
        for key, value in records[self._now]:
            self._old.drop(key)
            self._now.keep(key, value)
        found = self._old.alive | self._now.alive
        self._away = self._now.fd < 0 or self._old.fd < 0
        try:
            for file in damaged:
                if file.fd >= 0:  # reported now, and not again at each start
                    file.repair()
            if not self._now.number and not self._away:
                self._now.begin(1)
        except OSError as error:
            self._cannot_write(error)
        return found

    def _change_places(self) -> None:
        self._copy(self._size)
        self._now.mark()
        self._old.begin(self._now.number + 1)
        self._now, self._old = self._old, self._now

    def _copy(self, wanted: int) -> None:
        """Copy at least that many bytes of the older file's live records, if there are that many."""
        batch: list[tuple[str, bytes]] = []
        while wanted > 0 and self._old.alive:
            batch.append(self._old.alive.popitem())
            wanted -= length(*batch[-1])
        if not batch:
            return
        try:
            self._now.append(batch)
        except OSError:
            self._old.alive.update(batch)
            raise
        self._old.alive_bytes -= sum(length(key, value) for key, value in batch)

    def _write_anew(self) -> None:
        """Replace a file that was removed or exchanged by a new one with all live records."""
        self._away = True  # until it is done
        now, old = self._now, self._old
        spoilt, other = (old, now) if now.in_place() else (now, old)
        everything = old.alive | now.alive
        fresh = self._replacement(spoilt.path, max(now.number, old.number) + 1, everything)
        spoilt.close()
        if other.in_place():
            other.alive.clear()
            other.alive_bytes = 0
        else:
            other.close()
            other = self._replacement(other.path, 0, {})
        self._now, self._old = fresh, other
        self._away = False

    def _replacement(self, path: Path, number: int, alive: dict[str, bytes]) -> JournalFile:
        file = JournalFile(path.with_name(path.name + ".new"), self._size)
        try:
            file.open(anew=True)
            if number:
                file.begin(number)
                file.append(alive.items())
            file.path.rename(path)
        except OSError:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        file.path = path
        return file

    def _cannot_write(self, error: OSError) -> None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        self._say(
            f"run/{'' if full else self._path.name} {'is full' if full else 'cannot be written'}: {error.strerror}"
        )

    def _say(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        if trouble:
            log.error("%s", trouble)
        else:
            log.info("run/%s can be written again", self._path.name)
        self.trouble = trouble
        self._on_trouble(trouble)
