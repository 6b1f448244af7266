"""Limits how fast changes follow each other (max_rate_hz), and owns the timer that wakes the program."""

from collections.abc import Callable

from effectd.base.loop import AnyLoop, Cancellable


class Pace:
    """`wake` is called at the earliest moment that `look_at` was given."""

    def __init__(self, loop: AnyLoop, rate_hz: float, wake: Callable[[], object]) -> None:
        self._loop, self._step_s, self._wake = loop, 1 / rate_hz, wake
        self._earliest = 0.0
        self._look: Cancellable | None = None
        self._look_when = 0.0

    def count(self) -> None:
        """A change is made now."""
        self._earliest = self._loop.time() + self._step_s

    def allows(self, *, wanted: bool) -> bool:
        """Whether max_rate_hz allows a change now; otherwise, if one is wanted, `wake` is called when it does."""
        if self._loop.time() >= self._earliest - 1e-9:
            return True
        if wanted:
            self.look_at(self._earliest)
        return False

    def reached(self, when: float) -> bool:
        """Whether it is time; otherwise `wake` is called when it is."""
        if self._loop.time() >= when - 1e-9:
            return True
        self.look_at(when)
        return False

    def look_at(self, when: float) -> None:
        if self._look is not None:
            if self._look_when <= when:
                return
            self._look.cancel()
        self._look_when = when
        self._look = self._loop.call_later(max(0.0, when - self._loop.time()), self._looked)

    def _looked(self) -> None:
        self._look = None
        self._wake()
