"""How often a bus may be shown, and when it is shown again though nothing has changed."""

from collections.abc import Callable

from effectd.base.loop import AnyLoop, Cancellable
from effectd.driver import Bus


class Refresh:
    """`wake` is called when what had to wait is allowed; `again` where nothing was shown for `repeat_s`."""

    def __init__(self, loop: AnyLoop, bus: Bus, wake: Callable[[], object], again: Callable[[], object]) -> None:
        self._loop, self._bus, self._wake, self._again = loop, bus, wake, again
        self._shown_at = float("-inf")
        self._look: Cancellable | None = None
        if bus.repeat_s:
            loop.call_later(bus.repeat_s, self._repeat)

    def shown(self) -> None:
        """It is shown now."""
        self._shown_at = self._loop.time()

    def allows(self) -> bool:
        """Whether `refresh_hz` allows a call now; else `wake` comes when it does."""
        if self._look is not None:
            return False
        wait = self._shown_at + 1 / self._bus.refresh_hz - self._loop.time()
        if wait <= 1e-9:
            return True
        self._look = self._loop.call_later(wait, self._looked)
        return False

    def _looked(self) -> None:
        self._look = None
        self._wake()

    def _repeat(self) -> None:
        """Some devices time out otherwise."""
        due = self._shown_at + self._bus.repeat_s - self._loop.time()
        if due <= 1e-9:
            self._again()
        self._loop.call_later(due if due > 1e-9 else self._bus.repeat_s, self._repeat)
