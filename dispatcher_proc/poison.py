"""Finds and skips a message at which a foreign broker closes the connection each time it is published.

NATS before 2.10 closes the connection of a client that publishes to a topic with a dot, such as the receipt of an
effect whose id has one. Published again after every connect, one such message would keep the dispatcher from its
broker for good.
"""

import logging

SUSPECT, SURE = 2, 5  # connections lost in a row with the same message as the oldest that was not confirmed
_RARE = ".: "  # characters of ids that not every broker accepts in topics

log = logging.getLogger(__name__)


class Poison:
    """`one_by_one`: nothing else may be in flight, so that it is certain which message it is.

    `foreign`: the broker is not ours. Our own accepts every topic: however often it dies, no message is to blame.
    """

    def __init__(self, *, foreign: bool) -> None:
        self._foreign = foreign
        self._topic, self._times = "", 0
        self._rare = ""  # characters that this broker does not accept
        self._topics: set[str] = set()

    @property
    def one_by_one(self) -> bool:
        return self._times >= SUSPECT

    def known(self, topic: str) -> bool:
        return topic in self._topics or any(character in topic for character in self._rare)

    def passed(self) -> None:
        """The broker has confirmed a message: it was not to blame, or no longer is."""
        self._times = 0

    def suspected(self, topic: str, *, alone: bool) -> bool:
        """The connection was lost while this was the oldest in flight; returns whether to skip it from now on."""
        if not self._foreign:
            return False
        self._times = self._times + 1 if topic == self._topic else 1
        self._topic = topic
        if self._times < SURE or not alone:
            return False
        self._times = 0
        found = next((character for character in _RARE if character in topic), "")
        self._rare += found
        if not found:
            self._topics.add(topic)
        what = f"topics with {found!r}" if found else topic
        log.error("the broker closes the connection at %s: such receipts are not published there", what)
        return True
