"""Whether this machine gave the harness its time: a thread that sleeps 10 ms and says when it woke late."""

import threading
import time

from tests.chaos.checker import Stalled
from tests.chaos.log import Log

BEAT_S = 0.01
LATE_MS = 50.0


class Pulse:
    """`with Pulse(log):`"""

    def __init__(self, log: Log) -> None:
        self._log, self._end = log, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._end.wait(BEAT_S):
            late_ms = (time.monotonic() - last - BEAT_S) * 1000
            if late_ms > LATE_MS:
                self._log.write(Stalled(late_ms=late_ms, source="harness"))
            last = time.monotonic()
