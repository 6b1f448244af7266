"""The thread on which a driver's calls run, each with a time limit: a slow device never holds up the loop."""

import queue
import threading
from collections.abc import Callable
from typing import Any

from effectd.base.loop import AnyLoop, Cancellable

Done = Callable[[Exception | None, bool], None]


class Worker:
    """One job at a time. `overdue(limit, again)` is called when one exceeds its limit, and again at twice the limit."""

    def __init__(self, loop: AnyLoop, overdue: Callable[[float, bool], None]) -> None:
        self._loop, self._overdue = loop, overdue
        self._jobs: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], Done]] = queue.SimpleQueue()
        self._timer: Cancellable | None = None
        self.busy = False
        self.late = False  # the running job has exceeded its limit
        # daemon: a call that never returns must not keep the process from ending
        threading.Thread(target=self._work, name="driver", daemon=True).start()

    def do(self, done: Done, limit_s: float, job: Callable[..., Any], *args: Any) -> None:
        """Run `job(*args)`; then call, on the loop, `done` with what it raised (or None) and whether it was late."""
        assert not self.busy
        self.busy, self.late = True, False
        self._timer = self._loop.call_later(limit_s, self._too_long, limit_s)
        self._jobs.put((job, args, done))

    def _too_long(self, limit_s: float) -> None:
        again, self.late = self.late, True
        if not again:
            self._timer = self._loop.call_later(limit_s, self._too_long, limit_s)
        self._overdue(limit_s, again)

    def _work(self) -> None:
        while True:
            job, args, done = self._jobs.get()
            raised: Exception | None = None
            try:
                job(*args)
            except Exception as error:  # noqa: BLE001 - an exception is a driver's error protocol: the host reports it
                raised = error
            self._loop.call_soon_threadsafe(self._end, done, raised)

    def _end(self, done: Done, raised: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        late, self.late, self.busy = self.late, False, False
        done(raised, late)
