"""One application message, and its encodings: made once for each QoS and protocol version, shared by all receivers."""

from broker_proc import properties as props
from broker_proc.fields import write_string, write_varint
from broker_proc.properties import Properties

Parts = tuple[bytes, bytes]  # a PUBLISH before and after its packet id; one of QoS 0 is complete in the first part
_OVERHEAD = 200  # bytes that a message takes beside its topic, payload and properties


class Message:
    """`topic` is its bytes, `properties` are MQTT 5's without the expiry; `expires` is a loop time in s, 0 = never."""

    __slots__ = ("_v5", "_v311", "expires", "payload", "properties", "qos", "retain", "size", "topic")

    def __init__(
        self,
        topic: bytes,
        payload: bytes,
        qos: int,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.expires = 0.0
        self.properties = props.write(properties) if properties else b""
        self.size = len(topic) + len(payload) + len(self.properties) + _OVERHEAD
        self._v311: list[Parts | None] | None = None
        self._v5: list[Parts | None] | None = None

    def v311(self, qos: int, retain: bool) -> Parts:
        """For a receiver of MQTT 3.1.1."""
        which = qos << 1 | retain
        made = self._v311
        if made is None:
            made = self._v311 = [None] * 6
        parts = made[which]
        if parts is None:
            length = 2 + len(self.topic) + (2 if qos else 0) + len(self.payload)
            front = _front(0x30 | which, length, self.topic)
            parts = made[which] = (front, self.payload) if qos else (front + self.payload, b"")
        return parts

    def bare(self) -> "Message":
        """The same without its cached encodings, to be kept for a long time."""
        same = Message(self.topic, self.payload, self.qos, self.retain)
        same.expires, same.properties, same.size = self.expires, self.properties, self.size
        return same

    def keep_v311(self, packet: bytes) -> None:
        """Reuse the bytes of an incoming QoS 0 message: the most common case needs no encoding at all."""
        self._v311 = [(packet, b""), None, None, None, None, None]

    def v5(self, qos: int, retain: bool) -> Parts:
        """For a receiver of MQTT 5 whose copy needs no properties of its own (see `v5_own`)."""
        which = qos << 1 | retain
        made = self._v5
        if made is None:
            made = self._v5 = [None] * 6
        parts = made[which]
        if parts is None:
            parts = made[which] = self.v5_own(qos, retain, self.topic, b"")
        return parts

    def v5_own(self, qos: int, retain: bool, topic: bytes, more: bytes) -> Parts:
        """With properties of this receiver only, `more`, and `topic` empty where an alias stands for it."""
        if more or self.properties:
            more = self.properties + more
            tail = write_varint(len(more)) + more + self.payload
        else:
            tail = b"\0" + self.payload
        length = 2 + len(topic) + (2 if qos else 0) + len(tail)
        front = _front(0x30 | qos << 1 | retain, length, topic)
        return (front, tail) if qos else (front + tail, b"")


def _front(head: int, length: int, topic: bytes) -> bytes:
    """A PUBLISH up to the end of its topic; the length of most takes two bytes."""
    size = len(topic)
    if 127 < length < 16_384:
        return bytes((head, length & 0x7F | 0x80, length >> 7, size >> 8, size & 0xFF)) + topic
    return bytes((head,)) + write_varint(length) + write_string(topic)
