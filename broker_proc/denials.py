"""Messages that clients had no right to publish: dropped, counted, and logged once per client."""

import logging
import time

CLIENTS = 1000  # remembered as logged
LINES, WITHIN_S = 10, 60.0  # at most so many new clients are logged in that time

log = logging.getLogger(__name__)


class Denials:
    """`count` since the start."""

    def __init__(self) -> None:
        self.count = 0
        self._logged: set[str] = set()
        self._lines, self._since = 0, -WITHIN_S

    def note(self, client_id: str, where: str, topic: str) -> None:
        self.count += 1
        if client_id in self._logged:
            return
        now = time.monotonic()
        if now - self._since >= WITHIN_S:
            self._lines, self._since = 0, now
        if self._lines >= LINES:
            return
        self._lines += 1
        if len(self._logged) >= CLIENTS:
            self._logged.clear()
        self._logged.add(client_id)
        log.warning("%s may not publish %r: dropped, as is everything else that it has no right to", where, topic[:100])
