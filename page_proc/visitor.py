"""One HTTP connection: uvicorn's, with limits on the number of connections and on their silence."""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 200  # in total: a room has a few pages open, and programs that send effects
FIRST_WITHIN_S = 10.0  # from a connection to its first whole request, and between two


class Visitor(H11Protocol):
    """`abort` disconnects a client that does not read, without waiting for it."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {"visitor": self}
        if len(self.connections) > CONNECTIONS:
            self.abort()
        else:
            self._waiting = self.loop.call_later(FIRST_WITHIN_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def abort(self) -> None:
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """In the same format as every other refusal."""
        body = msgspec.json.encode({"status": "refused", "reason": msg})
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.transport.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        self.transport.close()

    def _look(self) -> None:
        """Disconnect a client that has not sent the whole head of a request since the last look."""
        if self.cycle is None or (self.cycle.response_complete and self.timeout_keep_alive_task is None):
            self.abort()
        else:
            self._waiting = self.loop.call_later(FIRST_WITHIN_S, self._look)
