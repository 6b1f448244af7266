"""A tiny MQTT 3.1.1 client on a raw socket: it sends exactly what a test says, right or wrong, and reads packets."""

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 5, 6, 7, 9, 11, 13

PINGREQ = b"\xc0\0"
DISCONNECT = b"\xe0\0"


def wait_for(condition: Callable[[], object], limit: float = 10.0) -> None:
    """Return once `condition` holds; AssertionError if it does not within `limit` seconds."""
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, f"not within {limit} s"
        time.sleep(0.01)


def string(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def packet(head: int, body: bytes = b"") -> bytes:
    length, rest = b"", len(body)
    while True:
        length += bytes([rest % 128 | (128 if rest > 127 else 0)])
        rest //= 128
        if not rest:
            return bytes([head]) + length + body


def connect(
    client_id: str = "",
    *,
    clean: bool = True,
    keepalive: int = 60,
    will: tuple[str, str] | None = None,
    will_qos: int = 0,
    will_retain: bool = False,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    flags = 2 * clean | (will is not None) * (4 | will_qos << 3 | will_retain << 5) | (username is not None) << 7
    flags |= (password is not None) << 6
    body = string("MQTT") + bytes([4, flags]) + struct.pack("!H", keepalive) + string(client_id)
    if will:
        body += string(will[0]) + string(will[1])
    if username is not None:
        body += string(username)
    if password is not None:
        body += string(password)
    return packet(0x10, body)


def subscribe(*filters: tuple[str, int], packet_id: int = 1) -> bytes:
    wanted = b"".join(string(each) + bytes([qos]) for each, qos in filters)
    return packet(0x82, struct.pack("!H", packet_id) + wanted)


def unsubscribe(*filters: str, packet_id: int = 1) -> bytes:
    return packet(0xA2, struct.pack("!H", packet_id) + b"".join(map(string, filters)))


def publish(
    topic: str | bytes, payload: str | bytes, qos: int = 0, *, packet_id: int = 1, retain: bool = False
) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    return packet(0x30 | qos << 1 | retain, string(topic) + (struct.pack("!H", packet_id) if qos else b"") + data)


def acknowledge(kind: int, packet_id: int) -> bytes:
    return packet(kind << 4 | (2 if kind == PUBREL else 0), struct.pack("!H", packet_id))


@dataclass(frozen=True)
class Packet:
    head: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.head >> 4

    @property
    def qos(self) -> int:
        return self.head >> 1 & 3

    @property
    def retained(self) -> bool:
        return bool(self.head & 1)

    @property
    def duplicate(self) -> bool:
        return bool(self.head & 8)

    @property
    def _topic_end(self) -> int:
        return 2 + int.from_bytes(self.body[:2], "big")

    @property
    def topic(self) -> str:
        return self.body[2 : self._topic_end].decode()

    @property
    def payload(self) -> str:
        return self.body[self._topic_end + (2 if self.qos else 0) :].decode()

    @property
    def session_present(self) -> bool:
        """Of a CONNACK."""
        return bool(self.body[0] & 1)

    @property
    def packet_id(self) -> int:
        at = self._topic_end if self.kind == PUBLISH else 0
        return int.from_bytes(self.body[at : at + 2], "big")


class Client:
    """One connection; a context manager, whose end is an abrupt close and not a DISCONNECT."""

    connack: Any  # the answer to its CONNECT, where `connected` has read it

    def __init__(self, where: int | Path, first: bytes = b"", *, receive_buffer: int = 0) -> None:
        """Connect to a port, or to a UNIX socket, and send `first`; at most `receive_buffer` bytes lie unread here."""
        self.socket = socket.socket(socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._unparsed = b""
        self.socket.settimeout(10)
        try:
            if isinstance(where, Path):
                self.socket.connect(str(where))
            else:
                self.socket.connect(("127.0.0.1", where))
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send(first)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def try_send(self, data: bytes) -> None:
        """Send to a broker that may have closed the connection."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def receive(self, limit: float = 10.0) -> Packet | None:
        """The next packet, or None at the end of the connection; TimeoutError after `limit` seconds of neither."""
        until = time.monotonic() + limit
        while True:
            if found := self._parse():
                return found
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionError:
                return None
            if not data:
                return None
            self._unparsed += data

    def _parse(self) -> Packet | None:
        data, length = self._unparsed, 0
        for at in range(1, min(5, len(data))):
            length |= (data[at] & 0x7F) << 7 * (at - 1)
            if not data[at] & 0x80:
                end = at + 1 + length
                if len(data) < end:
                    return None
                self._unparsed = data[end:]
                return Packet(data[0], data[at + 1 : end])
        return None

    def expect(self, kind: int, limit: float = 10.0) -> Packet:
        """The next packet, which is of this kind."""
        found = self.receive(limit)
        assert found is not None, "the connection was closed"
        assert found.kind == kind, found
        return found

    def message(self, limit: float = 10.0) -> Packet:
        """The next packet, which is a message; it is acknowledged if it is of QoS 1."""
        found = self.expect(PUBLISH, limit)
        if found.qos == 1:
            self.send(acknowledge(PUBACK, found.packet_id))
        return found

    def heard(self, limit: float = 10.0) -> list[Any]:
        """The messages that come before the answer to a ping; each is acknowledged, whatever its quality."""
        self.send(PINGREQ)
        messages, unfinished, answered = [], set[int](), False
        while unfinished or not answered:
            found = self.receive(limit)
            assert found is not None, "the connection was closed"
            if found.kind == PUBLISH:
                messages.append(found)
                if found.qos:
                    self.send(acknowledge(PUBACK if found.qos == 1 else PUBREC, found.packet_id))
                if found.qos == 2:
                    unfinished.add(found.packet_id)
            elif found.kind == PUBREL:
                self.send(acknowledge(PUBCOMP, found.packet_id))
                unfinished.discard(found.packet_id)
            answered = answered or found.kind == PINGRESP
        return messages

    def subscribe(self, topic_filter: str, qos: int = 0) -> int:
        """Subscribe, and return what was granted; there must be nothing retained for this filter."""
        self.send(subscribe((topic_filter, qos)))
        return self.expect(SUBACK).body[2]

    def publish(self, topic: str, payload: str, qos: int = 0, *, retain: bool = False) -> None:
        """Publish, and return when the broker has it."""
        self._settle(publish(topic, payload, qos, retain=retain), qos)

    def _settle(self, message: bytes, qos: int) -> None:
        self.send(message)
        if qos == 1:
            self.expect(PUBACK)
        elif qos == 2:
            self.expect(PUBREC)
            self.send(acknowledge(PUBREL, 1))
            self.expect(PUBCOMP)
        else:
            self.ping()

    def ping(self, limit: float = 10.0) -> None:
        """Ask for a sign of life, which is the next packet: so there was nothing else to receive."""
        self.send(PINGREQ)
        self.expect(PINGRESP, limit)

    def ping_among_messages(self, limit: float = 10.0) -> int:
        """Ask for a sign of life; how many messages came before it."""
        self.send(PINGREQ)
        messages = 0
        while (found := self.receive(limit)) is not None:
            if found.kind == PINGRESP:
                return messages
            assert found.kind == PUBLISH, found
            messages += 1
        raise AssertionError("the connection was closed")

    def is_closed(self, limit: float = 10.0) -> bool:
        """Whether the broker ends the connection, with nothing more to receive, within `limit` seconds."""
        try:
            return self.receive(limit) is None
        except TimeoutError:
            return False


ClientT = TypeVar("ClientT", bound=Client)


def connected(port: int, client_id: str = "", **options: object) -> Client:
    """A client that has its CONNACK; `options` are those of `connect`, and `receive_buffer`."""
    receive_buffer = int(options.pop("receive_buffer", 0))  # type: ignore[call-overload]
    return accepted(Client(port, connect(client_id, **options), receive_buffer=receive_buffer))  # type: ignore[arg-type]


def accepted(client: ClientT) -> ClientT:
    """The client, once it has its CONNACK."""
    try:
        client.connack = client.expect(CONNACK)
        assert client.connack.body[1] == 0, client.connack
    except BaseException:
        client.socket.close()
        raise
    return client


def retained(port: int, topic_filter: str) -> dict[str, str]:
    """What a broker retains, by topic."""
    with connected(port) as reader:
        reader.send(subscribe((topic_filter, 0)) + PINGREQ)
        found: dict[str, str] = {}
        while (arrived := reader.receive()) is not None and arrived.kind != PINGRESP:
            if arrived.kind == PUBLISH:
                assert arrived.retained
                found[arrived.topic] = arrived.payload
    return found
