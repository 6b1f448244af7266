"""When an actuator was on, noted before it moves: what a budget and min_off_ms count from, over death and reboot.

Times are whole ms of CLOCK_MONOTONIC in this boot; a beginning is rounded down and an end up. What another boot noted
is taken as if it had just ended, because nobody can tell how long the machine was off: a wait may be too long by that,
and never too short (docs/decisions/0016-budget-and-flash.md).
"""

import math
from typing import Any

import msgspec

from effectd.base.journal import Notes

Span = tuple[int, int]

_KEY = "on-time"
_SPANS = 32  # remembered; with more, the two that are nearest to each other become one


class _Noted(msgspec.Struct):
    boot: str
    spans: list[Span]
    on: int | None


class OnTime:
    """`spans` are over, oldest first; `since` is the beginning of the one that lasts, None while the actuator is off.

    `kept_ms`: how long an ended span counts. `most_ms`: for how long it was on where nobody knows.
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
            self._note()  # under this boot, so that the next run takes it as it is

    def began(self, now: float) -> bool:
        """It is about to go on, if it is not on. False: that cannot be noted, so it must not."""
        if self.since is not None:
            return True
        self.since = math.floor(now * 1000)
        if not self._note():
            self.since = None
        return self.since is not None

    def ended(self, now: float) -> None:
        """It is off. If that cannot be noted, a successor counts on."""
        if self.since is None:
            return
        now_ms = math.ceil(now * 1000)
        recent = [span for span in self.spans if span[1] > now_ms - self._kept_ms]
        self.spans, self.since = [*recent, (self.since, max(self.since, now_ms))], None
        while len(self.spans) > _SPANS:
            self._join()
        self._note()

    def at(self, now_ms: int) -> list[Span]:
        """All of them, the one that lasts as far as it has come."""
        return self.spans if self.since is None else [*self.spans, (self.since, max(self.since, now_ms))]

    def _join(self) -> None:
        """The earlier of two moves up to the later: it counts for as much, and for longer."""
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
