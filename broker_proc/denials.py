"""What clients published without the right to: dropped, counted, and said in the log once a client."""

import logging
import time

CLIENTS = 1000  # that are remembered as told
LINES, WITHIN_S = 10, 60.0  # new clients that are told of, at most

log = logging.getLogger(__name__)


class Denials:
    """`count` since the start."""

    def __init__(self) -> None:
        self.count = 0
        self._told: set[str] = set()
        self._lines, self._since = 0, -WITHIN_S

    def note(self, client_id: str, where: str, topic: str) -> None:
        self.count += 1
        if client_id in self._told:
            return
        now = time.monotonic()
        if now - self._since >= WITHIN_S:
            self._lines, self._since = 0, now
        if self._lines >= LINES:
            return
        self._lines += 1
        if len(self._told) >= CLIENTS:
            self._told.clear()
        self._told.add(client_id)
        log.warning("%s may not publish %r: dropped, as whatever else it has no right to", where, topic[:100])
