"""The product's loop for tests, with a way to wait for a condition."""

import time
from collections.abc import Callable
from typing import Any

from effectd.base.loop import Loop


class RealLoop(Loop):
    """The product's loop, turned by hand until something is so."""

    def until(self, condition: Callable[[], Any], limit: float = 10.0) -> Any:
        """Turn until `condition` is true and return what it said; fail after `limit` seconds."""
        end = time.monotonic() + limit
        ticking = True

        def tick() -> None:  # a condition may be met by another process, which wakes no selector of ours
            if ticking:
                self.call_later(0.002, tick)

        tick()
        try:
            while not (answer := condition()):
                assert time.monotonic() < end, f"not so within {limit} s"
                self.turn()
        finally:
            ticking = False
        return answer

    def spend(self, seconds: float) -> None:
        """Turn for a while: for what must not happen within that time."""
        end = self.time() + seconds
        self.until(lambda: self.time() >= end)

    def close(self) -> None:
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()
