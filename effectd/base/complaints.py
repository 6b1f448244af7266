"""Logs what clients do wrong, one line each, with a rate limit."""

import asyncio
import logging

from effectd.base.once import Once

SAME_S = 60.0
LINES, WITHIN_S = 20, 10.0  # at most so many in that time; the others are counted

log = logging.getLogger(__name__)


class Complaints:
    """`say` a line; lines beyond the limit are reported as a number of `others` once the time is over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, others: str) -> None:
        self._loop, self._others = loop, others
        self._once = Once(SAME_S, loop.time)
        self._said = self._unsaid = 0
        self._timer: asyncio.TimerHandle | None = None

    def say(self, line: str, about: str = "") -> None:
        """`about`: what is the same at each attempt of one client; logged once in SAME_S."""
        if about and not self._once.first(about):
            return
        if self._timer is None:
            self._timer = self._loop.call_later(WITHIN_S, self._sum_up)
        if self._said < LINES:
            self._said += 1
            log.warning("%s", line)
        else:
            self._unsaid += 1

    def close(self) -> None:
        """Log the number of suppressed lines."""
        if self._timer is not None:
            self._timer.cancel()
            self._sum_up()

    def _sum_up(self) -> None:
        if self._unsaid:
            log.warning("%d %s", self._unsaid, self._others)
        self._said = self._unsaid = 0
        self._timer = None
