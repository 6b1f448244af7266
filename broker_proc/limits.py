"""Counters of what clients cost the broker, by mosquitto's names; and the limits: each hit is counted, logged once."""

import logging
import time

from effectd.config.schema import BrokerLimits

LOGGED_AGAIN_S = 60.0  # a limit that keeps being hit is logged once a minute per client
LINES = 10  # and at most so many in that time for all of them

log = logging.getLogger(__name__)


class Counters:
    """Since the start; read by `$SYS`."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.clients_expired = 0
        self.bytes_received = self.bytes_sent = 0
        self.messages_received = self.messages_sent = 0  # packets of any kind; sent: but for PUBLISH
        self.publish_received = self.publish_bytes_received = 0
        self.publish_sent = self.publish_bytes_sent = self.publish_dropped = 0


class Limits:
    """`broker.limits`, how often each was hit, and the log lines about it."""

    def __init__(self, settings: BrokerLimits) -> None:
        self.settings = settings
        self.bites: dict[str, int] = dict.fromkeys(BrokerLimits.__struct_fields__, 0)
        self._logged: dict[str, dict[str, float]] = {name: {} for name in self.bites}  # limit -> of whom, when

    def bite(self, limit: str, who: str, what: str) -> None:
        """`who` has hit `limit`: count it, and log it if it was not logged for this client lately."""
        self.bites[limit] += 1
        now = time.monotonic()
        logged = self._logged[limit]
        if who in logged or len(logged) >= LINES:
            if now - min(logged.values()) < LOGGED_AGAIN_S:
                return
            logged.clear()
        logged[who] = now
        who = who[:60] if who.isprintable() else repr(who[:60])
        log.warning("%s: %s (broker.limits.%s: %d)", who, what, limit, getattr(self.settings, limit))
