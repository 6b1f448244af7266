"""What the broker keeps for one client id: subscriptions, messages in flight, queued messages.

A message of QoS 0 is given to the connection or dropped. One of QoS 1 or 2 is `inflight` until it is acknowledged; it
waits in `queue` while the client is away or has its window full. Both are bounded in number and bytes: the oldest is
dropped and counted. So a client that does not read or acknowledge harms only itself.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from broker_proc.message import Message
from broker_proc.packets import PUBREL, ack
from broker_proc.routing import Subscription
from effectd.access.grant import EVERYTHING, RECEIVE, Grant

if TYPE_CHECKING:
    from broker_proc.connection import Connection
    from broker_proc.exchange import Exchange

LAST_ID = 65_535


class Delivery:
    """A message on its way to one client. `message` is None once a QoS 2 one is released (PUBREC has come)."""

    __slots__ = ("identifiers", "message", "qos", "retain")

    def __init__(self, message: Message | None, qos: int, retain: bool, identifiers: tuple[int, ...]) -> None:
        self.message, self.qos, self.retain, self.identifiers = message, qos, retain, identifiers


class Session:
    """`expiry` in seconds from the end of a connection (0: it ends with it); `own` is a client of this home."""

    __slots__ = (
        "_broker",
        "answers",
        "client_id",
        "connection",
        "ending",
        "expiry",
        "grant",
        "held",
        "inflight",
        "last_id",
        "login",
        "open",
        "own",
        "plugin_session",
        "queue",
        "received",
        "subscriptions",
        "topics",
        "trusted",
        "username",
        "will",
        "will_timer",
        "window",
    )

    def __init__(self, broker: "Exchange", client_id: str) -> None:
        self._broker = broker
        self.client_id = client_id
        self.connection: Connection | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.expiry = 0.0
        self.inflight: dict[int, Delivery] = {}
        self.queue: deque[Delivery] = deque()
        self.held = 0  # bytes in both
        self.open = 0  # of those in flight, how many are of QoS 2
        self.last_id = 0
        self.received: set[int] = set()  # ids of QoS 2 messages that the client has not released yet
        self.window = broker.settings.unacked  # how many may be in flight at once
        self.own = False
        self.trusted = False  # connected by broker.sock
        self.username: str | None = None
        self.login: str | None = None  # what admitted this user, see door.Visitor
        self.grant: Grant = EVERYTHING
        self.answers: dict[tuple[str, str], bool] = {}  # the plugins' answers about rights
        self.topics: set[bytes] = set()  # to which it may publish, as far as checked
        self.plugin_session: Any = None
        self.ending: Any = None  # timer: when this session expires
        self.will: Any = None  # the delayed will of a connection that has ended
        self.will_timer: Any = None

    def deliver(self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...]) -> None:
        """Send, or keep, or drop: never waits."""
        connection = self.connection
        if connection is not None:
            if message.size > connection.room and not connection.has_room(message.size):
                self._broker.dropped(
                    self, "unread_bytes", "it does not read what it is sent: messages to it are dropped"
                )
                return
            if not qos:
                connection.send_message(message, 0, 0, retain, identifiers)
                return
            if not self.queue and self._may_send(qos):
                self._send(Delivery(message, qos, retain, identifiers))
                if self.held > self._broker.settings.unread_bytes or len(self.inflight) > self.window:
                    self._trim(self._broker.settings.unread_bytes)
                return
        elif not qos or not self.expiry:
            return
        self.queue.append(Delivery(message, qos, retain, identifiers))
        self.held += message.size
        self._trim(self._broker.settings.unread_bytes if connection else self._broker.settings.session_bytes)

    def acknowledged(self, packet_id: int) -> None:
        """PUBACK or PUBCOMP, or a PUBREC that refuses."""
        delivery = self.inflight.pop(packet_id, None)
        if delivery is not None:
            self._done_with(delivery)
        if self.queue:
            self.pump()

    def received_by_client(self, packet_id: int) -> bool:
        """PUBREC: the message can be forgotten, its id not yet. False if there is no such id."""
        delivery = self.inflight.get(packet_id)
        if delivery is None:
            return False
        if delivery.message is not None:
            self.held -= delivery.message.size
            delivery.message = None
        return True

    def purge(self) -> None:
        """Its rights have changed: drop queued messages that it may no longer get, forget where it may publish."""
        self.topics.clear()
        for packet_id, delivery in list(self.inflight.items()):
            if not self._may_hear(delivery):
                self._done_with(self.inflight.pop(packet_id))
        kept = [one for one in self.queue if self._may_hear(one)]
        self.held -= sum(one.message.size for one in self.queue if one.message is not None)
        self.queue = deque(kept)
        self.held += sum(one.message.size for one in kept if one.message is not None)

    def _may_hear(self, delivery: Delivery) -> bool:
        return delivery.message is None or self.grant.may(RECEIVE, delivery.message.topic.decode())

    def pump(self) -> None:
        """Send from the queue as much as the client accepts now."""
        connection, now = self.connection, self._broker.loop.time()
        while self.queue and connection is not None and self._may_send(self.queue[0].qos):
            delivery = self.queue[0]
            message = delivery.message
            assert message is not None
            if not connection.has_room(message.size):
                return  # the connection calls `pump` again when it has been read
            self.queue.popleft()
            self.held -= message.size
            if not message.expires or message.expires > now:
                self._send(delivery)

    def resume(self) -> None:
        """A new connection: resend in order what was in flight, marked as duplicates; then send what was queued."""
        connection = self.connection
        assert connection is not None
        for packet_id, delivery in self.inflight.items():
            if delivery.message is None:
                connection.send(ack(PUBREL, packet_id))
            else:
                connection.send_message(
                    delivery.message, delivery.qos, packet_id, delivery.retain, delivery.identifiers, again=True
                )
        self.pump()

    def paused(self) -> None:
        """The connection has ended; what is kept for the next one is bounded more tightly."""
        self.connection = None
        if self.expiry:
            self._trim(self._broker.settings.session_bytes)

    def forget(self) -> None:
        """The session has ended."""
        for topic_filter in self.subscriptions:
            self._broker.routing.unsubscribe(topic_filter, self)
        self.subscriptions.clear()
        self.inflight.clear()
        self.queue.clear()
        self.held = self.open = 0
        for timer in (self.ending, self.will_timer):
            if timer is not None:
                timer.cancel()

    def _send(self, delivery: Delivery) -> None:
        message, inflight = delivery.message, self.inflight
        assert message is not None
        assert self.connection is not None
        packet_id = self.last_id % LAST_ID + 1
        while packet_id in inflight:
            packet_id = packet_id % LAST_ID + 1
        self.last_id = packet_id
        if self.connection.send_message(message, delivery.qos, packet_id, delivery.retain, delivery.identifiers):
            inflight[packet_id] = delivery
            self.held += message.size
            if delivery.qos == 2:
                self.open += 1

    def _may_send(self, qos: int) -> bool:
        """Whether one more may be in flight; a client of MQTT 5 is never sent more than its receive maximum."""
        settings, strict = self._broker.settings, self.window < self._broker.settings.unacked
        if len(self.inflight) >= self.window and (strict or qos == 2):
            return False
        if strict and self.inflight and self.held > settings.unread_bytes:
            return False
        return qos == 1 or self.open < settings.inflight

    def _done_with(self, delivery: Delivery) -> None:
        if delivery.message is not None:
            self.held -= delivery.message.size
        if delivery.qos == 2:
            self.open -= 1

    def _trim(self, most: int) -> None:
        """Trim to `most` bytes and `unacked` messages; the oldest in flight is simply not sent again."""
        unacked = self._broker.settings.unacked
        while self.held > most or len(self.queue) + len(self.inflight) > unacked:
            limit = "unacked" if self.held <= most else "unread_bytes" if self.connection else "session_bytes"
            oldest = next((packet_id for packet_id, one in self.inflight.items() if one.message is not None), None)
            if oldest is not None and (self.connection is None or not self.queue):
                self._done_with(self.inflight.pop(oldest))
            elif self.queue:
                self._drop_oldest()
            else:
                return
            self._broker.dropped(self, limit, "it acknowledges too little: the oldest messages for it are dropped")

    def _drop_oldest(self) -> None:
        oldest = self.queue.popleft().message
        assert oldest is not None
        self.held -= oldest.size
