"""The fence after a stop: nothing drives the actuator until the dispatcher has ended what it had queued.

At a stop the driver makes a token and publishes it on `devices/<device>/fence` (retained, so that a dispatcher that was
dead meanwhile finds it). The dispatcher ends what it accepted before, and returns the token on `.../resume`: on its
connection that follows every `set` from before the stop. The token is in the journal, in case the driver dies in
between.
"""

import logging
import time
from collections.abc import Callable

from effectd.base.journal import Notes

_KEY = "fence"
_ALL = b"all-"

log = logging.getLogger(__name__)


class Fence:
    """`publish` gets the token at each change, b"" = the fence is down; `up` while nothing may be driven."""

    def __init__(self, journal: Notes, publish: Callable[[bytes], None]) -> None:
        self._journal, self._publish = journal, publish
        self._token = journal.found.get(_KEY, b"")
        if journal.lost:  # a fence may have been lost with the journal, so raise one
            self.raise_()

    @property
    def up(self) -> bool:
        return bool(self._token)

    def raise_(self, *, everything: bool = False) -> None:
        """A stop has arrived. Each has its own token, so that the answer to an earlier stop does not lower the fence.

        `everything`: it was for all devices; a dispatcher that was dead then stops its timelines, too.
        """
        everything = everything or self._token.startswith(_ALL)
        self._set((_ALL if everything else b"") + b"%x" % time.monotonic_ns())

    def resume(self, token: bytes) -> None:
        """The dispatcher's answer."""
        if token == self._token:
            self._set(b"")

    def connected(self) -> None:
        """A new connection: the broker, and so the dispatcher, may know nothing of the fence."""
        self._publish(self._token)

    def repeat(self) -> None:
        """Publish it again while it is up: some brokers give a dispatcher that starts later no retained one."""
        if self._token:
            self._publish(self._token)

    def _set(self, token: bytes) -> None:
        self._token = token
        if not self._journal.put(_KEY, token):
            log.error("a stop may be forgotten if this driver dies now: its fence cannot be noted")
        self._publish(token)
