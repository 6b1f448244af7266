"""Stores the holds of a home: each program receives and stores them itself, and all share one file, `run/holds`.

A program notes a hold in the file before it acts on it. One that was dead, or disconnected from the broker, when a hold
came or was released reads it there; a program that finds the file missing or out of date rewrites it. A released hold
stays in it as released, so that a lost file releases nothing, and an old one holds nothing again. The later note wins:
by CLOCK_MONOTONIC, which all programs of one machine share; a note of this boot wins over one of an earlier boot
(docs/decisions/0017-holds.md).
"""

import contextlib
import logging
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from effectd.base import in_place
from effectd.base.loop import AnyLoop, Cancellable
from effectd.base.rounds import next_round
from effectd.messages import answers, holds
from effectd.messages.effect import boot_id
from effectd.messages.holds import Hold
from effectd.readiness.gate import Request

FILE = "holds"
LOOK_EVERY_S = 0.25
_STANDING, _RELEASED = 500, 100  # remembered

log = logging.getLogger(__name__)


class Note(msgspec.Struct, frozen=True):
    """The last message about one name, and when: `ms` of CLOCK_MONOTONIC in the boot `boot`."""

    hold: Hold
    standing: bool
    boot: str
    ms: int


class Holds:
    """`standing`: the active holds by name, oldest first. `watch` reports each change, from any program."""

    def __init__(self, run: Path, program: str, loop: AnyLoop) -> None:
        self._path, self._fresh = run / FILE, run / f"{FILE}.{program}.new"
        self._loop, self._boot = loop, boot_id()
        self._notes: dict[str, Note] = {}
        self._seen: in_place.Mark = ()  # the file's identity when its notes equalled ours
        self._on_change: Callable[[], object] = lambda: None
        self._on_trouble: Callable[[str], object] = lambda _trouble: None
        self._timer: Cancellable | None = None
        self.standing: dict[str, Hold] = {}
        self._look()

    def watch(self, on_change: Callable[[], object], on_trouble: Callable[[str], object]) -> None:
        """From now on both are called: at a change, and if the file cannot be written ("" = it can again)."""
        self._on_change, self._on_trouble = on_change, on_trouble
        self._again()

    def hear(self, name: str, payload: bytes) -> None:
        """A message on `holds/<name>`, or the same from elsewhere: note it, then act on it."""
        if not holds.named(name):
            log.error("a hold under the name %r: a name is one level of a topic, at most 200 bytes", name[:64])
            return
        self._merge(self._read())
        if self._news(name, hold := holds.decode(name, payload, answers.unix_ms())):
            known = self._notes.get(name)
            if hold is not None and known is not None and known.standing:
                hold = msgspec.structs.replace(hold, since=known.hold.since)
            now_ms = math.floor(self._loop.time() * 1000)
            self._notes[name] = Note(hold or Hold(name=name), hold is not None, self._boot, now_ms)
            self._write()
        self._update()  # also if another program has noted it before

    def _news(self, name: str, hold: Hold | None) -> bool:
        """Whether it has to be noted."""
        known = self._notes.get(name)
        stands = known.hold if known is not None and known.standing else None
        if hold is None or stands is not None:
            return (hold and (hold.reason, hold.target)) != (stands and (stands.reason, stands.target))
        if len(self.standing) >= _STANDING:
            log.error("%d holds are active already; %r is not accepted", _STANDING, name[:64])
            return False
        return True

    def asked(self, request: Request) -> dict[str, str]:
        """The same by a gate: `hold` or `release`, without the broker. Returns what is wrong with it; {} = done."""
        name = request.get("name")
        if not isinstance(name, str) or not holds.named(name):
            return {"error": "name: one level of a topic, at most 200 bytes"}
        self.hear(name, holds.from_request(request) if request["do"] == "hold" else b"")
        return {}

    def why(self, device: str, zones: tuple[str, ...]) -> str:
        """Who holds the device, and why; "" = no one."""
        return holds.why(self.standing.values(), device, zones)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self._timer = self._loop.call_later(next_round(self._loop, LOOK_EVERY_S), self._again)
        self._look()

    def _look(self) -> None:
        """Merge the notes of the other programs, and rewrite what is missing."""
        found = in_place.content(self._path)
        if found == self._seen and (found or not self._notes):
            return
        if self._merge(self._read()) and self._notes:
            self._write()
        self._update()

    def _merge(self, found: dict[str, Note]) -> bool:
        """Whether something known here is missing in the file."""
        missing = False
        for name, ours in self._notes.items():
            missing |= name not in found or self._later(ours, found[name]) is not found[name]
        for name, theirs in found.items():
            self._notes[name] = self._later(theirs, self._notes.get(name, theirs))
        return missing

    def _later(self, one: Note, other: Note) -> Note:
        if one.boot == other.boot:
            first, second = (one.ms, one.standing), (other.ms, other.standing)
            return one if first > second else other
        if self._boot in {one.boot, other.boot}:
            return one if one.boot == self._boot else other
        return one if one.standing else other  # it is unknown which is older: stay held

    def _update(self) -> None:
        found = sorted((note.hold for note in self._notes.values() if note.standing), key=lambda hold: hold.since)
        standing = {hold.name: hold for hold in found}
        if standing == self.standing:
            return
        for name in standing.keys() - self.standing.keys():
            target = standing[name].target
            log.warning("%s%s", standing[name], "" if target is None else f" (only {', '.join(target)})")
        for name in self.standing.keys() - standing.keys():
            log.info("released by %s", name)
        self.standing = standing
        self._on_change()

    def _read(self) -> dict[str, Note]:
        try:
            self._seen = in_place.content(self._path)
            data = self._path.read_bytes()
            return {note.hold.name: note for note in msgspec.json.decode(data, type=list[Note])}
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, RecursionError) as error:
            log.error("run/%s cannot be read: %s", FILE, error)
            return {}

    def _write(self) -> None:
        released = sorted((note for note in self._notes.values() if not note.standing), key=lambda note: note.ms)
        for note in released[:-_RELEASED]:
            del self._notes[note.hold.name]
        try:
            in_place.clear(self._path)
            self._fresh.unlink(missing_ok=True)
            fd = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(list(self._notes.values())))
            self._fresh.rename(self._path)
            self._seen = in_place.content(self._path)
            # the disk may take a second: on a thread
            threading.Thread(target=_to_disk, args=(self._path,), name="holds", daemon=True).start()
        except OSError as error:
            self._seen = ()  # try again at the next look
            self._on_trouble(f"run/{FILE} cannot be written: {error.strerror}")
        else:
            self._on_trouble("")


def own_name() -> str:
    """Whose hold it is if no name is given: this user's."""
    import getpass  # a driver needs it never

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in a container
        return f"uid-{os.getuid()}"


def _to_disk(path: Path) -> None:
    """Sync it to the disk, so that it survives a power cut as well."""
    for each in (path, path.parent):  # the file, and its name
        try:
            fd = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # replaced meanwhile: its successor is synced
        with contextlib.suppress(OSError):
            os.fsync(fd)
        os.close(fd)
