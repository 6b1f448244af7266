"""A loop whose time moves only when the test moves it."""

import heapq
import itertools
from typing import Any

from effectd.base.loop import Callback, Timer


class FakeLoop:
    """The methods of effectd.base.loop.AnyLoop. Nothing runs but in `advance`, and no real time passes there."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.stopped = False
        self.readers: dict[int, tuple[Callback, tuple[Any, ...]]] = {}
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callback, *args: Any) -> Timer:
        timer = Timer(self.now + delay, callback, args)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def call_soon(self, callback: Callback, *args: Any) -> Timer:
        return self.call_later(0.0, callback, *args)

    call_soon_threadsafe = call_soon

    def add_reader(self, fd: int, callback: Callback, *args: Any) -> None:
        self.readers[fd] = (callback, args)

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None

    def add_writer(self, fd: int, callback: Callback, *args: Any) -> None: ...

    def remove_writer(self, fd: int) -> None: ...

    def add_signal_handler(self, sig: int, callback: Callback, *args: Any) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def advance(self, seconds: float) -> None:
        """Let time pass: what falls due meanwhile runs at its own moment, in order."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end + 1e-9:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            timer.callback(*timer.args)
        self.now = end

    def clear(self) -> None:
        """The process has died: none of its timers is ever due."""
        self._timers.clear()

    @property
    def waiting(self) -> int:
        """How many timers are set and not cancelled."""
        return sum(not timer.cancelled for _, _, timer in self._timers)
