"""Stores what survives the dispatcher: each timeline's position (a journal) and what was loaded by MQTT (a file each).

A loaded document is stored as parsed, not as received: one line about the whole, then a line per effect. It is written
and read a slice at a time, like any document. `lost` finds one that was removed, replaced or damaged while this process
lives.
"""

import logging
import os
from collections.abc import Generator
from pathlib import Path

import msgspec
from msgspec import Struct

from effectd.base.in_place import Mark, content
from effectd.base.journal import Notes
from effectd.messages.effect import Effect
from effectd.timeline.document import Problem, Reading, Timeline

JOURNAL_BYTES = 1 << 20
_SLICE = 200  # effects
_SUFFIX = ".timeline"

log = logging.getLogger(__name__)


class Kept(Struct, array_like=True):
    """Where a timeline was: at `since` (ms of CLOCK_MONOTONIC of the boot `boot`) at `position`.

    `index`: of the first command that was not fired; `document`: a digest of the effects.
    """

    status: str
    loop: bool
    run: str
    position: float
    since: float
    index: int
    boot: str
    document: str
    latest: str = "0"  # run of any timeline


class _Whole(Struct):
    kind: str
    title: str
    duration: int
    fixed: bool
    problems: tuple[Problem, ...]
    effects: int


_effects = msgspec.json.Decoder(Effect)
_effect = msgspec.json.Encoder()


class Shelf:
    """`folder` is created for the first document."""

    def __init__(self, journal: Notes, folder: Path) -> None:
        self._journal, self._folder = journal, folder
        self._written: dict[str, tuple[Timeline, Mark]] = {}

    def found(self) -> dict[str, Kept]:
        """The position of each timeline when the last run ended."""
        kept: dict[str, Kept] = {}
        for name, value in self._journal.found.items():
            try:
                kept[name] = msgspec.msgpack.decode(value, type=Kept)
            except msgspec.DecodeError as error:
                log.error("the position of timeline %s cannot be read: %s", name, error)
        return kept

    def note(self, name: str, kept: Kept) -> None:
        self._journal.put(name, msgspec.msgpack.encode(kept))

    def forget(self, name: str) -> None:
        self._journal.forget(name)

    def documents(self) -> dict[str, Path]:
        return {path.name.removesuffix(_SUFFIX): path for path in sorted(self._folder.glob(f"*{_SUFFIX}"))}

    def keep(self, name: str, timeline: Timeline) -> Generator[None, None, None]:
        """Write a document, a slice at each `next`. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(name)
        fresh = path.with_suffix(".new")
        whole = _Whole(
            timeline.kind,
            timeline.title,
            timeline.duration,
            timeline.fixed,
            timeline.problems,
            len(timeline.effects),
        )
        with fresh.open("wb", buffering=0) as file:
            file.write(_effect.encode(whole) + b"\n")
            for at in range(0, len(timeline.effects), _SLICE):
                file.write(b"".join(_effect.encode(each) + b"\n" for each in timeline.effects[at : at + _SLICE]))
                yield
        os.replace(fresh, path)
        self._note_file(name, path, timeline)

    def read(self, name: str, path: Path) -> Reading:
        """A stored document. Raises OSError, and ValueError if it is incomplete."""
        timeline = yield from _read(path)
        self._note_file(name, path, timeline)
        return timeline

    def lost(self) -> list[tuple[str, Timeline]]:
        """Documents whose files are not as they were written; each is reported once."""
        found = [name for name, (_, mark) in self._written.items() if content(self._path(name), follow=True) != mark]
        return [(name, self._written.pop(name)[0]) for name in found]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _note_file(self, name: str, path: Path, timeline: Timeline) -> None:
        if mark := content(path, follow=True):
            self._written[name] = timeline, mark


def _read(path: Path) -> Reading:
    lines = path.read_bytes().splitlines()
    whole = msgspec.json.decode(lines[0] if lines else b"", type=_Whole)
    if len(lines) != whole.effects + 1:
        raise ValueError(f"{len(lines) - 1} effects of {whole.effects}")
    effects: list[Effect] = []
    for at in range(1, len(lines), _SLICE):
        effects += map(_effects.decode, lines[at : at + _SLICE])
        yield
    return Timeline(whole.kind, whole.title, whole.duration, tuple(effects), whole.problems, whole.fixed)
