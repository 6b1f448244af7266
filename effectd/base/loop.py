"""One event loop for the light processes: sockets, timers, signals, calls from a thread.

Its methods have asyncio's names and meanings, so that a Gate or a Link runs on this loop and on the broker's asyncio
loop alike. A driver process that imported asyncio would weigh 7 MB more (measured: docs/measured.md).
An exception in a callback ends the loop: the process dies loudly and supervisord brings it back.
"""

import heapq
import itertools
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_SWEEP_FROM = 256  # timers
Callback = Callable[..., Any]


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class AnyLoop(Protocol):
    """The interface that Gate, GateWatcher and Link need: provided by asyncio's loop and by Loop below."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callback, *args: Any) -> Cancellable: ...
    def call_soon(self, callback: Callback, *args: Any) -> Any: ...
    def call_soon_threadsafe(self, callback: Callback, *args: Any) -> Any: ...
    def add_reader(self, fd: int, callback: Callback, *args: Any) -> None: ...
    def remove_reader(self, fd: int) -> Any: ...
    def add_writer(self, fd: int, callback: Callback, *args: Any) -> None: ...
    def remove_writer(self, fd: int) -> Any: ...
    def add_signal_handler(self, sig: int, callback: Callback, *args: Any) -> None: ...
    def stop(self) -> None: ...


class Timer:
    """A call that is due at `when` (seconds of the loop's clock)."""

    __slots__ = ("args", "callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callback, args: tuple[Any, ...]) -> None:
        self.when, self.callback, self.args, self.cancelled = when, callback, args, False

    def cancel(self) -> None:
        self.cancelled = True
        self.callback, self.args = _nothing, ()  # a cancelled timer must not keep an effect in memory


def _nothing() -> None:
    """Stand in for the callback of a cancelled timer."""


class Loop:
    """The module's loop; single-threaded except for `call_soon_threadsafe`."""

    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()
        self._files: dict[int, dict[int, tuple[Callback, tuple[Any, ...]]]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._sweep_at = _SWEEP_FROM
        self._order = itertools.count()  # equal times run in the order in which they were asked for
        self._soon: deque[tuple[Callback, tuple[Any, ...]]] = deque()
        self._stopping = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.add_reader(self._wake_in.fileno(), self._drain)

    def time(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callback, *args: Any) -> Timer:
        timer = Timer(self.time() + delay, callback, args)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        if len(self._timers) > self._sweep_at:
            self._sweep()
        return timer

    def call_soon(self, callback: Callback, *args: Any) -> None:
        self._soon.append((callback, args))

    def call_soon_threadsafe(self, callback: Callback, *args: Any) -> None:
        self._soon.append((callback, args))
        self._wake()

    def add_reader(self, fd: int, callback: Callback, *args: Any) -> None:
        self._set(fd, _READ, (callback, args))

    def add_writer(self, fd: int, callback: Callback, *args: Any) -> None:
        self._set(fd, _WRITE, (callback, args))

    def remove_reader(self, fd: int) -> None:
        self._set(fd, _READ, None)

    def remove_writer(self, fd: int) -> None:
        self._set(fd, _WRITE, None)

    def add_signal_handler(self, sig: int, callback: Callback, *args: Any) -> None:
        # the byte in the wake-up pipe ends the select; Python's own handler then queues the callback
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        signal.signal(sig, lambda _sig, _frame: self.call_soon(callback, *args))

    def fileno(self) -> int:
        """Readable when a file of this loop is: to nest it in another loop (without its timers)."""
        return int(self._selector.fileno())

    def run_forever(self) -> None:
        """Run until `stop`; what was queued before the stop still runs."""
        self._stopping = False
        while not self._stopping or self._soon:
            self.turn()

    def until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Turn until `condition` holds; False if it does not within `seconds`."""
        end = self.call_later(seconds, lambda: None)
        while not condition():
            if self.time() >= end.when:
                return False
            self.turn()
        end.cancel()
        return True

    def stop(self) -> None:
        self._stopping = True
        self._wake()

    def close(self) -> None:
        """Close the descriptors; nothing may be called afterwards."""
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def turn(self, *, wait: bool = True) -> None:
        """One round: wait for a file or a timer, then run what is due. `wait=False`: only what is due already."""
        for key, events in self._selector.select(self._patience() if wait else 0):
            for event in (_READ, _WRITE):
                call = self._files.get(key.fd, {}).get(event) if events & event else None
                if call is not None:
                    call[0](*call[1])
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            timer.callback(*timer.args)
        for _ in range(len(self._soon)):
            callback, args = self._soon.popleft()
            callback(*args)

    def _sweep(self) -> None:
        """Take out what is cancelled, wherever it lies; again when twice as many lie here as are left now."""
        self._timers = [entry for entry in self._timers if not entry[2].cancelled]
        heapq.heapify(self._timers)
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._timers))

    def _patience(self) -> float | None:
        if self._soon or self._stopping:
            return 0
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.time()) if self._timers else None

    def _set(self, fd: int, event: int, call: tuple[Callback, tuple[Any, ...]] | None) -> None:
        calls = self._files.setdefault(fd, {})
        before = sum(calls)
        if call is None:
            calls.pop(event, None)
        else:
            calls[event] = call
        after = sum(calls)
        if not calls:
            del self._files[fd]
        if before == after:
            return
        if not after:
            self._selector.unregister(fd)
        elif before:
            self._selector.modify(fd, after)
        else:
            self._selector.register(fd, after)

    def _wake(self) -> None:
        try:
            self._wake_out.send(b"\0")
        except BlockingIOError:
            pass  # a full pipe wakes the loop as well

    def _drain(self) -> None:
        try:
            self._wake_in.recv(4096)
        except BlockingIOError:
            pass
