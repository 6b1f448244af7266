"""What clients cost the broker, counted by mosquitto's names; and the limits: each bite is counted and told once."""

import logging
import time

from effectd.schema import BrokerLimits

TOLD_AGAIN_S = 60.0  # a limit that goes on biting is one line a minute

log = logging.getLogger(__name__)


class Counters:
    """Since the start; read by `$SYS`."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.clients_maximum = self.clients_expired = 0
        self.bytes_received = self.bytes_sent = 0
        self.messages_received = self.messages_sent = 0  # packets of any kind; sent: but for PUBLISH
        self.publish_received = self.publish_bytes_received = 0
        self.publish_sent = self.publish_bytes_sent = self.publish_dropped = 0


class Limits:
    """`broker.limits`, how often each has been in the way, and the log lines about it."""

    def __init__(self, settings: BrokerLimits) -> None:
        self.settings = settings
        self.bites: dict[str, int] = dict.fromkeys(BrokerLimits.__struct_fields__, 0)
        self._told: dict[tuple[str, str], float] = {}

    def bite(self, limit: str, who: str, what: str) -> None:
        """`limit` is in the way of `who`: counted, and said if it has not been said of this one in a minute."""
        self.bites[limit] += 1
        now = time.monotonic()
        last = self._told.get((limit, who))
        if last is not None and now - last < TOLD_AGAIN_S:
            return
        if len(self._told) >= 1000:  # names that nobody will use again
            self._told.clear()
        self._told[limit, who] = now
        log.warning("%s: %s (broker.limits.%s: %d)", who, what, limit, getattr(self.settings, limit))
