"""Server-Sent Events to one client: buffers what is written, and disconnects a client that does not read."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from page_proc.visitor import Visitor

MOST_BYTES = 2 << 20  # unread bytes: some seconds of a busy room, and the first picture of a large one
ALIVE_S = 5.0
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx would buffer the events
]
_ALIVE = b": \n\n"


class Stream:
    """`write` never waits; after `quiet_s` of silence `alive` is sent.

    An ASGI application: it ends when its client, or this program, is gone.
    """

    def __init__(self, quiet_s: float = ALIVE_S, alive: Callable[[], bytes] = lambda: _ALIVE) -> None:
        self._quiet_s, self._alive = quiet_s, alive
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._visitor: Visitor | None = None
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.closed:
            return
        self._queue.append(data)
        self._bytes += len(data)
        self._wake.set()
        if self._bytes > MOST_BYTES:
            self.close()
            if self._visitor is not None:
                self._visitor.abort()

    def close(self) -> None:
        self.closed = True
        self._wake.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._visitor = scope["state"].get("visitor")
        leaving = asyncio.ensure_future(self._await_end(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS + scope["effectd.headers"]})
            while not self.closed:
                if not self._queue:
                    self._wake.clear()
                    try:
                        await asyncio.wait_for(self._wake.wait(), self._quiet_s)
                    except TimeoutError:
                        self.write(self._alive())
                    continue
                data = b"".join(self._queue)
                self._queue.clear()
                await send({"type": "http.response.body", "body": data, "more_body": True})
                self._bytes -= len(data)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.closed = True
            leaving.cancel()

    async def _await_end(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.close()


def event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
