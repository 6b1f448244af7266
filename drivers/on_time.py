"""Records when an actuator was on, before it moves, for budget and min_off_ms, over deaths and reboots.

Times are whole ms of CLOCK_MONOTONIC in this boot; a start is rounded down and an end up. The record of an earlier boot
counts as if it had just ended, because it is unknown how long the machine was off: so a wait may be too long, but never
too short (docs/decisions/0016-budget-and-flash.md).
"""

import math
from typing import Any

import msgspec

from effectd.base.journal import Notes

Span = tuple[int, int]

_KEY = "on-time"
_SPANS = 32  # remembered; with more, the two closest to each other are merged


class _Noted(msgspec.Struct):
    boot: str
    spans: list[Span]
    on: int | None


class OnTime:
    """`spans` are over, oldest first; `since` is the start of the current one, None while the actuator is off.

    `kept_ms`: how long an ended span counts. `most_ms`: how long it was on where that is unknown.
    """

    def __init__(self, journal: Notes, boot: str, now: float, kept_ms: int, most_ms: int) -> None:
        self._journal, self._boot, self._kept_ms = journal, boot, kept_ms
        self.spans: list[Span] = []
        self.since: int | None = None
        found = _decoded(journal.found.get(_KEY))
        now_ms = math.floor(now * 1000)
        if found is not None and found.boot == boot and not journal.lost:
            self.spans, self.since = found.spans, found.on
            return
        if journal.lost or (found is not None and found.on is not None):
            self.since = now_ms - most_ms  # it may have been on all the time; the first `off` of this run ends it
        elif found is not None and found.spans:
            late = now_ms - found.spans[-1][1]
            self.spans = [(start + late, end + late) for start, end in found.spans]
        if found is not None or journal.lost:
            self._note()  # under this boot, so that the next run uses it unchanged

    def began(self, now: float) -> bool:
        """It is about to be switched on, if it is off. False: that cannot be noted, so it must not be."""
        if self.since is not None:
            return True
        self.since = math.floor(now * 1000)
        if not self._note():
            self.since = None
        return self.since is not None

    def ended(self, now: float) -> None:
        """It is off. If that cannot be noted, a successor keeps counting."""
        if self.since is None:
            return
        now_ms = math.ceil(now * 1000)
        recent = [span for span in self.spans if span[1] > now_ms - self._kept_ms]
        self.spans, self.since = [*recent, (self.since, max(self.since, now_ms))], None
        while len(self.spans) > _SPANS:
            self._join()
        self._note()

    def at(self, now_ms: int) -> list[Span]:
        """All spans, the current one up to now."""
        return self.spans if self.since is None else [*self.spans, (self.since, max(self.since, now_ms))]

    def _join(self) -> None:
        """Move the earlier of two spans up to the later: it counts as much, and for longer."""
        spans = self.spans
        where = min(range(len(spans) - 1), key=lambda i: spans[i + 1][0] - spans[i][1])
        (start, end), (after, last) = spans[where : where + 2]
        spans[where : where + 2] = [(after - (end - start), last)]

    def _note(self) -> bool:
        return self._journal.put(_KEY, msgspec.json.encode(_Noted(self._boot, self.spans, self.since)))


def _decoded(noted: bytes | None) -> Any:
    try:
        return msgspec.json.decode(noted, type=_Noted) if noted else None
    except msgspec.DecodeError:
        return None
