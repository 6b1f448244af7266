"""`$SYS/broker/...`: the counters, by mosquitto's names (mosquitto(8)); computed only while there are subscribers."""

import time
from typing import TYPE_CHECKING

from broker_proc.limits import Limits
from broker_proc.message import Message
from broker_proc.retained import Retained
from effectd import __version__
from effectd.config.schema import BrokerLimits

if TYPE_CHECKING:
    from broker_proc.exchange import Exchange


class SysTopics:
    """Published every `interval_s` (0: never) to the subscribers; a new subscriber gets the current figures."""

    def __init__(self, broker: "Exchange", interval_s: float) -> None:
        self._broker, self._interval = broker, interval_s
        self.retained = Retained(Limits(BrokerLimits()), broker.loop.time)
        self._published: dict[str, bytes] = {}
        self._timer = broker.loop.call_later(interval_s, self._tick) if interval_s else None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def refresh(self) -> None:
        """Update the retained messages."""
        if self._interval:
            for topic, payload in self.figures().items():
                self.retained.keep(topic, Message(topic.encode(), payload, 0, True), "the broker")

    def _tick(self) -> None:
        broker = self._broker
        self._timer = broker.loop.call_later(self._interval, self._tick)
        if not broker.routing.heard("$SYS"):
            return
        for topic, payload in self.figures().items():
            if self._published.get(topic) != payload:
                self._published[topic] = payload
                targets, _ = broker.routing.find(topic)
                message = Message(topic.encode(), payload, 0)
                for target in targets:
                    broker.deliver_if_allowed(target, message, topic)

    def figures(self) -> dict[str, bytes]:
        """Topic -> payload."""
        broker = self._broker
        counters, sessions = broker.counters, broker.sessions
        connected = len(sessions) - len(broker.away)
        held = sum(len(one.queue) + len(one.inflight) for one in sessions.values())
        held_bytes = sum(one.held for one in sessions.values())
        figures: dict[str, object] = {
            "version": f"effectd version {__version__}",
            "uptime": f"{time.monotonic() - counters.started:.0f} seconds",
            "clients/total": len(sessions),
            "clients/connected": connected,
            "clients/active": connected,
            "clients/disconnected": len(broker.away),
            "clients/inactive": len(broker.away),
            "clients/expired": counters.clients_expired,
            "messages/received": counters.messages_received,
            "messages/sent": counters.messages_sent + counters.publish_sent,
            "messages/stored": held + broker.retained.count,
            "store/messages/count": held + broker.retained.count,
            "store/messages/bytes": held_bytes + broker.retained.bytes,
            "retained messages/count": broker.retained.count,
            "subscriptions/count": broker.routing.count,
            "shared_subscriptions/count": broker.routing.shared,
            "bytes/received": counters.bytes_received,
            "bytes/sent": counters.bytes_sent,
            "publish/messages/received": counters.publish_received,
            "publish/messages/sent": counters.publish_sent,
            "publish/messages/dropped": counters.publish_dropped,
            "publish/bytes/received": counters.publish_bytes_received,
            "publish/bytes/sent": counters.publish_bytes_sent,
            "limits/rights": broker.denials.count,
            **{f"limits/{name}": bites for name, bites in broker.limits.bites.items()},
        }
        return {f"$SYS/broker/{name}": str(value).encode() for name, value in figures.items()}
