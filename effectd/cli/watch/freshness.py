"""Finds programs whose configuration differs from the present config.yaml; checked once a second."""

import time
from pathlib import Path

from effectd.base import in_place
from effectd.base.errors import ConfigError
from effectd.cli.watch.room import Room
from effectd.config import reader
from effectd.readiness.line import Line
from effectd.supervision.stale import Stale

EVERY_S = 1.0


class Freshness:
    """`look` writes into each program of the room its stale keys."""

    def __init__(self, home: Path) -> None:
        self._file, self._home = home / reader.FILE, home
        self._due = 0.0
        self._mark: in_place.Mark = ()
        self._stale: Stale | None = None

    def look(self, room: Room) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_S
        self._reload()
        for program in room.programs.values() if self._stale is not None else ():
            line = Line(program.name, 0, program.state, program.generation, config=program.config or None)
            program.stale = tuple(self._stale.keys(program.name, line))  # type: ignore[union-attr]

    def _reload(self) -> None:
        """Read the file again if it has changed; while it is wrong, the last valid contents count."""
        try:
            if (mark := in_place.content(self._file, follow=True)) and mark != self._mark:
                self._mark = mark
                self._stale = Stale(reader.load(self._home))
        except ConfigError:
            return
