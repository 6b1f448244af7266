"""The writing half of one connection: encodes for its version of MQTT, collects, and writes once per loop turn.

No one waits for a client that does not read: it has `room` for `limits.unread_bytes`, and beyond that messages to it
are dropped.
"""

from typing import TYPE_CHECKING, Any

from broker_proc.message import Message, Parts
from broker_proc.packets import V5
from broker_proc.properties import ALIAS, MESSAGE_EXPIRY, SUBSCRIPTION_ID, write

if TYPE_CHECKING:
    from broker_proc.broker import Broker
    from broker_proc.sessions import Session

JOIN_BELOW = 65_536  # bytes: smaller packets are copied into one write, larger ones are shared by receivers
ALIASES = 32  # topic aliases used towards one client of MQTT 5, at most


class Outgoing:
    """The half of a connection that writes."""

    def __init__(self, broker: "Broker") -> None:
        self._broker, self._loop = broker, broker.loop
        self.transport: Any = None
        self.session: Session | None = None  # set by CONNECT
        self.version = 0  # of MQTT, set by CONNECT
        self.room = 0  # bytes
        self.packet_limit = 0  # the largest packet that the client takes, bytes; 0 = any
        self.aliases_left = 0  # how many more topics may get an alias
        self.plain = True  # neither of the two: it gets the shared encoding
        self.behind = False  # its client reads slowly
        self.lost = False
        self._out: list[bytes] = []
        self._dirty = False
        self._aliases: dict[bytes, int] = {}

    def send(self, packet: bytes) -> None:
        """Send any packet but a message."""
        self._broker.counters.messages_sent += 1
        self._out.append(packet)
        if not self._dirty:
            self._dirty = True
            self._broker.flush_soon(self)

    def send_message(
        self,
        message: Message,
        qos: int,
        packet_id: int,
        retain: bool,
        identifiers: tuple[int, ...],
        *,
        again: bool = False,
    ) -> bool:
        """Whether the client accepts a packet of this size."""
        if self.version == V5 and self.plain and not identifiers and not message.expires:
            front, tail = message.v5(qos, retain)
        elif self.version == V5:
            made = self._v5(message, qos, retain, identifiers)
            if made is None:
                return False
            front, tail = made
        else:
            front, tail = message.v311(qos, retain)
        if qos:
            if again:
                front = bytes((front[0] | 8,)) + front[1:]
            self._out += (front, packet_id.to_bytes(2, "big"), tail)
        else:
            self._out.append(front)
        self.room -= message.size
        counters = self._broker.counters
        counters.publish_sent += 1
        counters.publish_bytes_sent += len(message.payload)
        if not self._dirty:
            self._dirty = True
            self._broker.flush_soon(self)
        return True

    def _v5(self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...]) -> Parts | None:
        if not identifiers and not message.expires and not self.aliases_left:
            parts = message.v5(qos, retain)
        else:
            topic, more = message.topic, b""
            if message.expires:
                left = message.expires - self._loop.time()
                if left <= 0:
                    return None
                more = write({MESSAGE_EXPIRY: max(1, round(left))})
            if identifiers:
                more += write({SUBSCRIPTION_ID: list(identifiers)})
            alias = self._aliases.get(topic) if self.aliases_left else None
            if alias is not None:
                topic, more = b"", more + write({ALIAS: alias})
            elif len(self._aliases) < self.aliases_left:
                more += write({ALIAS: len(self._aliases) + 1})
            parts = message.v5_own(qos, retain, topic, more)
        if self.packet_limit and len(parts[0]) + len(parts[1]) + 2 * bool(qos) > self.packet_limit:
            self._broker.counters.publish_dropped += 1
            return None
        if self.aliases_left and len(self._aliases) < self.aliases_left:
            self._aliases.setdefault(message.topic, len(self._aliases) + 1)
        return parts

    def has_room(self, size: int) -> bool:
        """`room` is what it was at the last write, less what was sent since: look again."""
        if self.lost or (self._broker.crowd.full and self._broker.crowd.takes_much(self)):
            self.room = 0
        else:
            waiting = self.transport.get_write_buffer_size() + sum(map(len, self._out))
            self.room = self._broker.settings.unread_bytes - waiting
        return size <= self.room

    def flush(self) -> None:
        """Write what was sent since the last time."""
        self._dirty = False
        out, self._out = self._out, []
        if self.lost or not out or self.transport.is_closing():  # asyncio warns of each write to what is closing
            return
        size = sum(map(len, out))
        if size < JOIN_BELOW or size < len(out) * 4096:
            self.transport.write(b"".join(out))
        else:
            self.transport.writelines(out)
        self._broker.counters.bytes_sent += size
        self.room = self._broker.settings.unread_bytes - self.transport.get_write_buffer_size()
