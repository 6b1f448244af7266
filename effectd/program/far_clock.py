"""Tracks the clock of the dispatcher's machine from another machine, by repeated requests over MQTT.

Stored as an offset to this machine's monotonic clock, so that neither a wrong clock here nor one that is corrected
meanwhile breaks a deadline. Of the last answers the quickest one counts: its error is at most half of its round trip.
"""

import json
import time
from collections import deque
from collections.abc import Callable

from effectd.base.errors import BrokerLost
from effectd.base.loop import AnyLoop
from effectd.messages.topics import Topics
from effectd.program.link import Publisher

AGAIN_S, SOON_S, AT_FIRST = 10.0, 0.1, 5  # after a connect some requests in quick succession
ANSWERS = 8  # remembered: enough for one of them to be quick


class FarClock:
    """Call `begin` when a connection is subscribed to `topic_answer`, and `hear` with what comes there."""

    def __init__(self, loop: AnyLoop, topics: Topics, client_id: str, wall: Callable[[], float] = time.time) -> None:
        self._loop, self._wall = loop, wall
        self._topic, self.topic_answer = topics.ask_clock(client_id), topics.answer_clock(client_id)
        self._asked: dict[int, float] = {}
        self._number = self._left = 0
        self._answers: deque[tuple[float, float]] = deque(maxlen=ANSWERS)  # round trip, their clock minus monotonic
        self.on_known: Callable[[], None] = lambda: None  # called at the first answer

    @property
    def known(self) -> bool:
        return bool(self._answers)

    def now_ms(self) -> float:
        """Unix ms there; this machine's own clock while that is unknown."""
        return 1000 * (self._loop.time() + min(self._answers)[1]) if self._answers else 1000 * self._wall()

    @property
    def ahead_ms(self) -> float:
        """How much this machine's clock is ahead of that one."""
        return 1000 * self._wall() - self.now_ms()

    @property
    def within_ms(self) -> float:
        return 1000 * min(self._answers)[0] / 2 if self._answers else float("inf")

    def begin(self, link: Publisher) -> None:
        """There is a new connection: ask several times soon, then now and then."""
        self._left = AT_FIRST
        self._asked.clear()
        self._ask(link, self._number)

    def _ask(self, link: Publisher, after: int) -> None:
        if after != self._number:
            return  # another connection has begun meanwhile
        self._number += 1
        self._asked[self._number] = self._loop.time()
        asked = {"n": self._number} | ({"ahead_ms": round(self.ahead_ms, 1)} if self.known else {})
        try:
            link.publish(self._topic, json.dumps(asked).encode())
        except BrokerLost:
            return
        self._left -= 1
        self._loop.call_later(SOON_S if self._left > 0 else AGAIN_S, self._ask, link, self._number)

    def hear(self, payload: bytes) -> None:
        """Take an answer; anything else is ignored."""
        try:
            said = json.loads(payload)
            began, theirs = self._asked.pop(said["n"]), float(said["at"])
        except (ValueError, RecursionError, KeyError, TypeError):
            return
        took = self._loop.time() - began
        first = not self.known
        self._answers.append((took, theirs / 1000 - began - took / 2))
        if first:
            self.on_known()
