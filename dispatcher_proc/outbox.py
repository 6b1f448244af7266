"""What the dispatcher has to tell: kept until the broker has it (PUBACK), told again after a lost connection."""

import itertools
import logging
from collections.abc import Callable
from typing import Protocol

from effectd.errors import BrokerLost

MESSAGES = 20_000  # half a minute of silence of the broker at 500 effects/s with a dead letter each

log = logging.getLogger(__name__)


class Publishes(Protocol):
    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None: ...


class Outbox:
    """Receipts and dead letters, in order, QoS 1."""

    def __init__(self, link: Publishes) -> None:
        self._link = link
        self._waiting: dict[int, tuple[str, bytes, Callable[[], None] | None]] = {}
        self._numbers = itertools.count()

    def put(self, topic: str, payload: bytes, had: Callable[[], None] | None = None) -> None:
        """Publish it until the broker has it; then call `had`."""
        if len(self._waiting) >= MESSAGES:
            del self._waiting[next(iter(self._waiting))]
            log.warning("the broker has been away for so long that the oldest untold receipt is dropped")
        number = next(self._numbers)
        self._waiting[number] = (topic, payload, had)
        self._send(number)

    def resend(self) -> None:
        """The connection is back: what the broker has not confirmed is published again, byte for byte."""
        for number in list(self._waiting):
            self._send(number)

    def _had(self, number: int) -> None:
        message = self._waiting.pop(number, None)
        if message is not None and message[2] is not None:
            message[2]()

    def _send(self, number: int) -> None:
        topic, payload, _ = self._waiting[number]
        try:
            self._link.publish(topic, payload, qos=1, acked=lambda: self._had(number))
        except BrokerLost:
            pass  # it waits
