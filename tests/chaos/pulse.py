"""Whether this machine gave everybody its time: a thread that sleeps 10 ms and says when it, or others, had to wait."""

import threading
import time
from pathlib import Path

from tests.chaos.events import WINDOW_MS, Crowded, Stalled
from tests.chaos.log import Log

BEAT_S = 0.01
LATE_MS = 50.0
PRESSURE = Path("/proc/pressure/cpu")


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
        last = looked = time.monotonic()
        waited = _waited_ms()
        while not self._end.wait(BEAT_S):
            late_ms = (time.monotonic() - last - BEAT_S) * 1000
            if late_ms > LATE_MS:
                self._log.write(Stalled(late_ms=late_ms, source="harness"))
            last = time.monotonic()
            if (last - looked) * 1000 >= WINDOW_MS:
                looked, before, waited = last, waited, _waited_ms()
                if waited > before:
                    self._log.write(Crowded(waited_ms=waited - before, source="harness"))


def _waited_ms() -> float:
    """For how long, since the start of the machine, at least one task waited for a processor; 0 where nobody counts."""
    try:
        return int(PRESSURE.read_text().partition("total=")[2].split()[0]) / 1000
    except OSError:
        return 0.0
