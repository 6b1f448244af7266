"""Suppresses repeated log lines, so that a client's mistake cannot fill the log."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_KEPT = 200  # keys remembered; beyond that the oldest may be logged again


class Once:
    """`first(key)` is true once in `seconds` for each key."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._said: OrderedDict[Hashable, float] = OrderedDict()

    def first(self, key: Hashable) -> bool:
        now = self._clock()
        if now - self._said.get(key, -self._seconds) < self._seconds:
            return False
        self._said[key] = now
        self._said.move_to_end(key)
        if len(self._said) > _KEPT:
            self._said.popitem(last=False)
        return True
