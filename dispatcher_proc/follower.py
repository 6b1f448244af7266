"""Keeps a timeline in step with an external clock: plays while it runs, pauses when it stops, seeks when it jumps.

A timeline that was stopped by a user stays so until the clock has stood still once: no frame undoes a stop.
"""

from dispatcher_proc.conductor import Conductor

STILL_MS = 80.0  # after so long at the same position the clock counts as paused
GONE_MS = 1000.0  # so long the timeline goes on by itself when the clock is silent
EXACT_MS = 2.0  # a smaller difference is the network's jitter


class Follower:
    """Call `heard` at each position of the clock and `look` now and then; positions in ms of the timeline."""

    def __init__(self, conductor: Conductor, name: str) -> None:
        self._conductor, self._name = conductor, name
        self._last: float | None = None
        self._moved_at = self._heard_at = -1e9
        self._plays = False  # started by us
        self._barred = False  # a user has stopped what we started

    def heard(self, position: float) -> None:
        now = self._conductor.now()
        self._heard_at = now
        before, self._last = self._last, position
        if before is None or position == before:
            if now - self._moved_at >= STILL_MS:
                self.stand()
            return
        self._moved_at = now
        show = self._conductor.shows.get(self._name)
        if show is None or show.score is None:
            return
        if self._plays and show.status not in ("playing", "ended"):
            self._plays, self._barred = False, True
        if position < 0:
            self.stand()
        elif self._plays and show.status == "playing":
            if abs(show.position(now) - position) > EXACT_MS:
                self._conductor.seek(self._name, position)
        elif not self._barred and position < show.score.length:
            self._plays = True
            self._conductor.play(self._name, position)

    def look(self) -> None:
        """Notice that positions have stopped coming."""
        now = self._conductor.now()
        still = now - self._moved_at >= STILL_MS and now - self._heard_at < STILL_MS
        if still or now - self._heard_at >= GONE_MS:
            self.stand()

    def stand(self) -> None:
        """The clock stands still, or is gone."""
        self._barred = False
        if self._plays:
            self._plays = False
            self._conductor.pause(self._name)
