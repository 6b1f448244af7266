"""The crash brake: delays a program that keeps crashing before it works; one that worked and is killed is not delayed.

A crash is a run that ended without being asked to and had not been ready for 2 s. The first five in 60 s cost nothing,
then 1, 2, 4, ... at most 30 s of waiting (inside the program, gate `waiting: crash-loop`). A death together with
supervisord is no crash of the program. It is kept in `run/<program>.starts`.
"""

import json
import os
import time
from pathlib import Path

from effectd.base import in_place

FREE, WITHIN_S, LONGEST_S = 5, 60.0, 30.0
WORKED_S = 2.0


class Crashes:
    """Call `begin` at the start of a run, `worked` as soon as its end would not be a crash."""

    def __init__(self, run: Path, name: str) -> None:
        self._path = run / f"{name}.starts"
        self._times: list[float] = []

    def begin(self) -> float:
        """Note the start; returns how many seconds this run has to wait before it works."""
        now, crashed = time.monotonic(), False
        try:
            before = json.loads(self._path.read_bytes())
            self._times = [float(at) for at in before["crashes"] if now - WITHIN_S < float(at) <= now]
            crashed = bool(before["running"]) and before["parent"] == os.getppid()
            if crashed:
                self._times.append(now)
        except (OSError, ValueError, KeyError, TypeError):
            self._times = []  # the first run, or a file that is not ours
        self._write(running=True)
        above = len(self._times) - FREE
        return min(LONGEST_S, 2.0 ** (above - 1)) if crashed and above > 0 else 0.0

    def worked(self) -> None:
        self._write(running=False)

    def _write(self, *, running: bool) -> None:
        note = {"running": running, "parent": os.getppid(), "crashes": self._times[-20:]}
        try:
            in_place.write(self._path, json.dumps(note).encode())
        except OSError:
            pass  # a full disk: no brake is better than no program
