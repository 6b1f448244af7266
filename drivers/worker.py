"""The one thread on which a driver's open, apply, off and close run, so that a slow device never holds up the loop."""

import queue
import threading
from collections.abc import Callable
from typing import Any

from effectd.loop import AnyLoop

Done = Callable[[Exception | None], None]


class Worker:
    """One job at a time; `done` is called on the loop with what the job raised, or None."""

    def __init__(self, loop: AnyLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], Done]] = queue.SimpleQueue()
        self.busy = False
        # daemon: a call that never returns must not keep the process from ending
        threading.Thread(target=self._work, name="driver", daemon=True).start()

    def do(self, done: Done, job: Callable[..., Any], *args: Any) -> None:
        assert not self.busy
        self.busy = True
        self._jobs.put((job, args, done))

    def _work(self) -> None:
        while True:
            job, args, done = self._jobs.get()
            raised: Exception | None = None
            try:
                job(*args)
            except Exception as error:  # noqa: BLE001 - an exception is a driver's error protocol: the host tells it
                raised = error
            self._loop.call_soon_threadsafe(self._end, done, raised)

    def _end(self, done: Done, raised: Exception | None) -> None:
        self.busy = False
        done(raised)
