"""Refuses effects under overload, cheaply: a short receipt each, one dead letter a second for all, nothing stored."""

import logging
from collections.abc import Callable

from effectd.base.errors import BrokerLost
from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages import answers
from effectd.messages.answers import Receipt
from effectd.messages.topics import Topics
from effectd.program.link import Publisher

LETTER_EVERY_S = 1.0
FLYING = 100  # receipts that the broker has not confirmed; beyond this a refusal is only counted

log = logging.getLogger(__name__)
Put = Callable[[str, bytes], None]


class Overload:
    """`put` keeps a dead letter until the broker has it; receipts go to the link at once or not at all.

    A refusal never waits: it could arrive after the receipts of a second try.
    """

    def __init__(self, loop: AnyLoop, link: Publisher, put: Put, topics: Topics) -> None:
        self._loop, self._link, self._put, self._topics = loop, link, put, topics
        self._flying = 0
        self._connection = 0
        self._count = 0
        self._last: tuple[str | None, str, bytes, str] = None, "", b"", ""
        self._timer: Cancellable | None = None

    def connected(self) -> None:
        """A new connection: what was in flight is lost."""
        self._connection += 1
        self._flying = 0

    def refuse(self, effect_id: str | None, effect_type: str, topic: str, payload: bytes, reason: str) -> None:
        """Answer the publisher, if its effect has an id, and count it for the next dead letter."""
        if effect_id is not None and self._flying < FLYING and self._link.has_room():
            receipt = Receipt(id=effect_id, effect_type=effect_type, status="refused", reason=reason)
            connection = self._connection
            try:
                self._link.publish(
                    self._topics.receipt(effect_id),
                    answers.encode(receipt),
                    qos=1,
                    acked=lambda: self._acked(connection),
                )
                self._flying += 1
            except BrokerLost:
                pass  # refused without a receipt, which also means not accepted
        self.count(effect_id, topic, payload, reason)

    def count(self, effect_id: str | None, topic: str, payload: bytes, reason: str) -> None:
        """One more that was refused: a dead letter at once, or with the others when the second is over."""
        self._count += 1
        self._last = effect_id, topic, payload, reason
        if self._timer is None:
            self._say()

    def _say(self) -> None:
        effect_id, topic, payload, reason = self._last
        detail = f"{reason} ({self._count} refused since the last letter about it; this is one of them)"
        log.warning("%s: %d effects refused", reason, self._count)
        self._put(self._topics.dead_letter("overload"), answers.dead_letter(effect_id, topic, payload, detail))
        self._count, self._last = 0, (None, "", b"", "")
        self._timer = self._loop.call_later(LETTER_EVERY_S, self._second_over)

    def _second_over(self) -> None:
        self._timer = None
        if self._count:
            self._say()

    def _acked(self, connection: int) -> None:
        if connection == self._connection:
            self._flying -= 1
