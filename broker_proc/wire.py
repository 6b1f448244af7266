"""Splits the byte stream into MQTT packets and reads the head of a PUBLISH; pure, synchronous, strict.

This code runs once per packet, so it creates no object that it does not need; everything rarer is in packets.py.
"""

from collections.abc import Sequence

from broker_proc.fields import text, topic_name
from broker_proc.packets import (
    AUTH,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    V5,
)
from broker_proc.reasons import PROTOCOL_ERROR, TOO_LARGE, WireError

ILLEGAL = -1
CONNECT_BYTES = 65_536  # of a CONNECT, an acknowledgement or a DISCONNECT
FILTER_BYTES = 1_048_576  # of a SUBSCRIBE or UNSUBSCRIBE
BEFORE_CONNECT = tuple(CONNECT_BYTES if head == CONNECT << 4 else ILLEGAL for head in range(256))


def legal(version: int, packet_bytes: int) -> tuple[int, ...]:
    """The largest remaining length allowed to a client, by the first byte of the packet (type and flags)."""
    ack = CONNECT_BYTES if version == V5 else 2
    limits = dict.fromkeys([PUBLISH << 4 | flags for flags in range(16) if flags & 6 != 6], packet_bytes)
    limits |= {PUBACK << 4: ack, PUBREC << 4: ack, PUBREL << 4 | 2: ack, PUBCOMP << 4: ack}
    filters = min(packet_bytes, FILTER_BYTES)
    limits |= {SUBSCRIBE << 4 | 2: filters, UNSUBSCRIBE << 4 | 2: filters, PINGREQ << 4: 0}
    limits |= {DISCONNECT << 4: CONNECT_BYTES if version == V5 else 0}
    return tuple(limits.get(head, ILLEGAL) for head in range(256))


class Frames:
    """Bytes in, packets out: `add` what has arrived, then `next` until it is None, setting `at` to the end of each.

    A packet that is still in use (an answer is awaited) stays in place as long as `at` does.
    """

    __slots__ = ("_held", "_need", "at", "data", "legal")

    def __init__(self, limits: Sequence[int] = BEFORE_CONNECT) -> None:
        self.data, self.at, self.legal = b"", 0, limits
        self._held = bytearray()  # the beginning of an incomplete packet
        self._need = 0  # length of that packet in bytes, 0 = not known

    @property
    def waiting(self) -> int:
        """Bytes kept here."""
        return len(self._held) + len(self.data) - self.at

    def add(self, chunk: bytes) -> None:
        held = self._held
        if held:
            held += chunk
            if len(held) < self._need:
                return
            self.data, self.at, self._need = bytes(held), 0, 0
            held.clear()
        elif self.at == len(self.data):
            self.data, self.at = chunk, 0
        else:
            self.data, self.at = self.data[self.at :] + chunk, 0

    def next(self) -> tuple[int, int, int] | None:
        """First byte of the next whole packet, where its body begins and ends. Raises WireError as early as it can."""
        data, at = self.data, self.at
        left = len(data) - at
        if left < 2:
            if left and self.legal[data[at]] == ILLEGAL:
                raise _refused(data[at], self.legal)
            if left:
                self._short(at, 0)
            return None
        head, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            length &= 0x7F
            shift = 7
            while True:
                if shift > 21:
                    raise WireError("a remaining length of more than four bytes")
                if start == len(data):
                    if self.legal[head] < 128:
                        raise _refused(head, self.legal)
                    self._short(at, 0)
                    return None
                byte = data[start]
                start += 1
                length |= (byte & 0x7F) << shift
                if not byte & 0x80:
                    if not byte:
                        raise WireError("a remaining length longer than it has to be")
                    break
                shift += 7
        if length > self.legal[head]:
            raise _refused(head, self.legal, length)
        stop = start + length
        if stop > len(data):
            self._short(at, stop - at)
            return None
        return head, start, stop

    def _short(self, at: int, need: int) -> None:
        self._held += self.data[at:]
        self._need = need
        self.data, self.at = b"", 0


def _refused(head: int, limits: Sequence[int], length: int = 0) -> WireError:
    if limits[head] == ILLEGAL:
        if head >> 4 in (CONNECT, AUTH) and limits is not BEFORE_CONNECT:
            return WireError(f"a packet that is not allowed here ({head:#04x})", PROTOCOL_ERROR)
        return WireError(f"a packet that begins with {head:#04x}")
    if limits[head] > 2:
        return WireError(f"a packet of {length} bytes; at most {limits[head]} are allowed", TOO_LARGE)
    return WireError(f"a packet that begins with {head:#04x} and is {length} bytes long")


def read_publish(data: bytes, start: int, stop: int, head: int) -> tuple[bytes, int, int]:
    """Topic (not yet looked at: see `read_topic`), packet id (0 at QoS 0), and where what follows begins."""
    at = start + 2
    if at > stop:
        raise WireError("a PUBLISH without a topic")
    begin, at = at, at + (data[start] << 8 | data[start + 1])
    if not head & 6:
        if at > stop:
            raise WireError("a topic longer than its packet")
        if head & 8:
            raise WireError("a message of QoS 0 marked as sent again")
        return data[begin:at], 0, at
    if at + 2 > stop:
        raise WireError("a message without a packet id")
    packet_id = data[at] << 8 | data[at + 1]
    if not packet_id:
        raise WireError("packet id 0")
    return data[begin:at], packet_id, at + 2


def read_topic(topic: bytes) -> str:
    """The topic of a PUBLISH. Raises WireError if nothing can be published to it."""
    return topic_name(text(topic))
