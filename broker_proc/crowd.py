"""All connections together: which are behind with reading, which packets are incomplete, and when that is too much."""

import asyncio
from typing import TYPE_CHECKING

from broker_proc.limits import Limits
from broker_proc.reasons import QUOTA

if TYPE_CHECKING:
    from broker_proc.connection import Connection
    from broker_proc.outgoing import Outgoing

LOOK_S = 0.05  # between two checks while a client is behind or a large packet is incomplete
ALWAYS_S = 1.0  # and otherwise, for unacknowledged messages


class Crowd:
    """While `full`, large backlogs get nothing more, and connections with the largest partial packets are closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._loop, self._limits = loop, limits
        self.behind: set[Connection] = set()
        self.partial: set[Connection] = set()
        self.connections: set[Connection] = set()
        self.full = False
        self._timer = loop.call_later(ALWAYS_S, self._look)

    def close(self) -> None:
        self._timer.cancel()

    def takes_much(self, connection: "Outgoing") -> bool:
        session = connection.session
        return connection.behind or (session is not None and session.held > self._limits.settings.session_bytes)

    def _look(self) -> None:
        unread = sum(one.transport.get_write_buffer_size() for one in self.behind)
        unacked = sum(one.session.held for one in self.connections if one.session is not None)
        half = {one: one.frames.waiting for one in self.partial}
        self.partial = {one for one, waiting in half.items() if waiting}
        total, most = unread + unacked + sum(half.values()), self._limits.settings.buffered_bytes
        was, self.full = self.full, total > most
        if self.full:
            if not was:
                self._limits.bite("buffered_bytes", "all clients together", "too much buffered; large backlogs dropped")
            for one in self.connections:
                if self.takes_much(one):
                    one.room = 0
            for one in sorted(half, key=lambda one: half[one], reverse=True):
                if total <= most:
                    break
                total -= half[one]
                one.close(QUOTA, "the partial packets of all clients together are too large")
        self._timer = self._loop.call_later(LOOK_S if self.behind or self.partial else ALWAYS_S, self._look)
