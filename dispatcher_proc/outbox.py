"""The queue of receipts and dead letters: kept until the broker has them, published again on a new connection."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from dispatcher_proc.poison import Poison
from effectd.base.errors import BrokerLost
from effectd.program.link import Publisher

WINDOW, WINDOW_BYTES = 100, 1 << 20  # passed to the connection and not confirmed; the rest waits here
BUSY_S = 0.2  # when a receipt waits here for longer, no new effects should be accepted
MESSAGES, BYTES = 10_000, 16 << 20  # of each kind; beyond this, droppable messages are dropped
_SAY_EVERY_S = 1.0

log = logging.getLogger(__name__)


class _Message(NamedTuple):
    topic: str
    payload: bytes
    delivered: Callable[[], None] | None
    since: float = 0.0  # when it was put here, monotonic clock


class _Queue(deque[_Message]):
    """Messages in order, and their size in bytes."""

    size = 0

    def put(self, message: _Message) -> None:
        self.append(message)
        self.size += len(message.payload)

    def take(self) -> _Message:
        message = self.popleft()
        self.size -= len(message.payload)
        return message

    def put_back(self, message: _Message) -> None:
        self.appendleft(message)
        self.size += len(message.payload)

    @property
    def full(self) -> bool:
        return len(self) >= MESSAGES or self.size >= BYTES


class Outbox:
    """QoS 1. Receipts go first, in order; dead letters follow in theirs, and are the first to be dropped.

    `letters` is what the topics of dead letters begin with. A message with a `delivered` callback is the final
    receipt of an effect, and is never dropped: `busy` says early enough that no more effects should be accepted.
    `foreign`: the broker is not ours, and may close the connection at a topic that it does not accept.
    """

    def __init__(self, link: Publisher, letters: str, *, foreign: bool) -> None:
        self._link, self._prefix = link, letters
        self._receipts, self._letters = _Queue(), _Queue()
        self._flying: dict[int, _Message] = {}
        self._flying_bytes = 0
        self._numbers = itertools.count()
        self._dropped, self._say_at = 0, 0.0
        self._poison = Poison(foreign=foreign)

    def put(self, topic: str, payload: bytes, delivered: Callable[[], None] | None = None) -> None:
        """Publish it until the broker has it; then call `delivered`."""
        message = _Message(topic, payload, delivered, time.monotonic())
        if self._poison.known(topic):
            if delivered is not None:
                delivered()  # the broker will never confirm it
            return
        if topic.startswith(self._prefix):
            self._letters.put(message)
            while self._letters.full:
                self._letters.take()
                self._drop()
        elif (
            delivered is None and self._receipts.full
        ):  # `accepted`, or a repeated receipt: a client that needs it asks again
            self._drop()
        else:
            self._receipts.put(message)
        self.pump()

    @property
    def busy(self) -> bool:
        """Whether receipts have to wait for the broker."""
        return bool(self._receipts) and time.monotonic() - self._receipts[0].since > BUSY_S

    @property
    def lengths(self) -> dict[str, Callable[[], int]]:
        """How many of each kind wait for the connection."""
        return {"receipts": self._receipts.__len__, "letters": self._letters.__len__}

    def resend(self) -> None:
        """The connection is back: what the broker has not confirmed is published again, byte for byte."""
        oldest = next(iter(self._flying.values()), None)
        if oldest is not None and self._poison.suspected(oldest.topic, alone=len(self._flying) == 1):
            self._flying.pop(next(iter(self._flying)))
            if oldest.delivered is not None:
                oldest.delivered()
        for message in reversed(self._flying.values()):
            self._queue(message).put_back(message)
        self._flying.clear()
        self._flying_bytes = 0
        self.pump()

    def pump(self) -> None:
        """Publish what waits, as far as the window and the connection allow."""
        while (queue := self._receipts or self._letters) and self._open():
            message, number = queue.take(), next(self._numbers)
            try:
                self._link.publish(message.topic, message.payload, qos=1, acked=partial(self._acked, number))
            except BrokerLost:
                queue.put_back(message)
                return
            self._flying[number] = message
            self._flying_bytes += len(message.payload)

    def _open(self) -> bool:
        window = 1 if self._poison.one_by_one else WINDOW
        return len(self._flying) < window and self._flying_bytes < WINDOW_BYTES and self._link.has_room()

    def _acked(self, number: int) -> None:
        message = self._flying.pop(number, None)
        if message is not None:
            self._flying_bytes -= len(message.payload)
            self._poison.passed()
            if message.delivered is not None:
                message.delivered()
            self.pump()

    def _queue(self, message: _Message) -> _Queue:
        return self._letters if message.topic.startswith(self._prefix) else self._receipts

    def _drop(self) -> None:
        self._dropped += 1
        if time.monotonic() >= self._say_at:
            why = "acknowledges them too slowly" if self._link.up else "is away"
            log.warning("%d dead letters or repeated receipts are dropped: the broker %s", self._dropped, why)
            self._dropped, self._say_at = 0, time.monotonic() + _SAY_EVERY_S
