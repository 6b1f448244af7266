"""The tiny client of wire.py for MQTT 5: the same words, and properties by name wherever a packet may carry them."""

import struct
from dataclasses import dataclass, field
from typing import Any

from . import wire
from .wire import CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, UNSUBACK, Packet, packet, string

DISCONNECT = 14  # a packet that in MQTT 5 the broker sends, too
WHOLE_SESSION = 300  # seconds; what `clean=False` means in 3.1.1, long enough for any test

# MQTT 5, table 2-4: identifier and form; `pair` may come more than once, and so may subscription_identifier
PROPERTIES = {
    "payload_format": (0x01, "byte"),
    "message_expiry": (0x02, "four"),
    "content_type": (0x03, "string"),
    "response_topic": (0x08, "string"),
    "correlation_data": (0x09, "binary"),
    "subscription_identifier": (0x0B, "variable"),
    "session_expiry": (0x11, "four"),
    "assigned_client_id": (0x12, "string"),
    "server_keep_alive": (0x13, "two"),
    "will_delay": (0x18, "four"),
    "reason_string": (0x1F, "string"),
    "receive_maximum": (0x21, "two"),
    "topic_alias_maximum": (0x22, "two"),
    "topic_alias": (0x23, "two"),
    "maximum_qos": (0x24, "byte"),
    "retain_available": (0x25, "byte"),
    "user_property": (0x26, "pair"),
    "maximum_packet_size": (0x27, "four"),
    "wildcard_available": (0x28, "byte"),
    "identifiers_available": (0x29, "byte"),
    "shared_available": (0x2A, "byte"),
}
NAMES = {number: (name, form) for name, (number, form) in PROPERTIES.items()}
NUMBERS = {"byte": 1, "two": 2, "four": 4}  # bytes


def variable(value: int) -> bytes:
    """A variable byte integer (MQTT 5, 1.5.5)."""
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def properties(**values: Any) -> bytes:
    """Properties with their length before them; a list is the same property several times, None is none."""
    body = b""
    for name, value in values.items():
        number, form = PROPERTIES[name]
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            body += bytes([number])
            if form in NUMBERS:
                body += int(each).to_bytes(NUMBERS[form], "big")
            elif form == "variable":
                body += variable(each)
            elif form == "pair":
                body += string(each[0]) + string(each[1])
            else:
                body += string(each)
    return variable(len(body)) + body


def read_properties(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """The properties that begin at `at`, and where they end; a property that may be repeated is a list."""
    length, at = read_variable(data, at)
    end, found = at + length, dict[str, Any]()
    while at < end:
        name, form = NAMES[data[at]]
        at += 1
        value: Any
        if form in NUMBERS:
            value, at = int.from_bytes(data[at : at + NUMBERS[form]], "big"), at + NUMBERS[form]
        elif form == "variable":
            value, at = read_variable(data, at)
        else:
            value, at = _bytes(data, at)
            if form == "string":
                value = value.decode()
            elif form == "pair":
                second, at = _bytes(data, at)
                value = (value.decode(), second.decode())
        if form in ("pair", "variable"):
            found.setdefault(name, []).append(value)
        else:
            assert name not in found, f"{name} twice in {data!r}"
            found[name] = value
    assert at == end, data
    return found, end


def read_variable(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    return data[at + 2 : end], end


def connect(
    client_id: str = "",
    *,
    clean: bool = True,
    keepalive: int = 60,
    will: tuple[str, str] | None = None,
    will_qos: int = 0,
    will_retain: bool = False,
    will_properties: dict[str, Any] | None = None,
    username: str | None = None,
    password: str | None = None,
    **values: Any,
) -> bytes:
    """`clean=False` without a `session_expiry` is the session that 3.1.1 means by it."""
    if not clean:
        values.setdefault("session_expiry", WHOLE_SESSION)
    flags = 2 * clean | (will is not None) * (4 | will_qos << 3 | will_retain << 5) | (username is not None) << 7
    flags |= (password is not None) << 6
    body = string("MQTT") + bytes([5, flags]) + struct.pack("!H", keepalive) + properties(**values) + string(client_id)
    if will:
        body += properties(**will_properties or {}) + string(will[0]) + string(will[1])
    if username is not None:
        body += string(username)
    if password is not None:
        body += string(password)
    return packet(0x10, body)


def subscribe(
    *filters: tuple[str, int],
    packet_id: int = 1,
    no_local: bool = False,
    as_published: bool = False,
    retain_handling: int = 0,
    **values: Any,
) -> bytes:
    options = no_local << 2 | as_published << 3 | retain_handling << 4
    wanted = b"".join(string(each) + bytes([qos | options]) for each, qos in filters)
    return packet(0x82, struct.pack("!H", packet_id) + properties(**values) + wanted)


def unsubscribe(*filters: str, packet_id: int = 1) -> bytes:
    return packet(0xA2, struct.pack("!H", packet_id) + properties() + b"".join(map(string, filters)))


def publish(
    topic: str | bytes, payload: str | bytes, qos: int = 0, *, packet_id: int = 1, retain: bool = False, **values: Any
) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    middle = (struct.pack("!H", packet_id) if qos else b"") + properties(**values)
    return packet(0x30 | qos << 1 | retain, string(topic) + middle + data)


def disconnect(reason: int = 0, **values: Any) -> bytes:
    return packet(0xE0, bytes([reason]) + properties(**values))


@dataclass(frozen=True)
class Packet5(Packet):
    """A packet with its reason code and properties; those of SUBACK and UNSUBACK have a reason for each filter."""

    properties: dict[str, Any] = field(default_factory=dict, compare=False)
    reasons: bytes = b"\0"
    content: bytes = b""

    @property
    def reason(self) -> int:
        return self.reasons[0]

    @property
    def payload(self) -> str:
        return self.content.decode()


def parsed(plain: Packet) -> Packet5:
    body = plain.body
    if plain.kind == PUBLISH:
        found, end = read_properties(body, plain._topic_end + (2 if plain.qos else 0))
        return Packet5(plain.head, body, found, content=body[end:])
    if plain.kind in (SUBACK, UNSUBACK):
        found, end = read_properties(body, 2)
        return Packet5(plain.head, body, found, body[end:])
    reason_at = {CONNACK: 1, PUBACK: 2, PUBREC: 2, PUBREL: 2, PUBCOMP: 2, DISCONNECT: 0}.get(plain.kind, len(body))
    found = read_properties(body, reason_at + 1)[0] if len(body) > reason_at + 1 else {}
    return Packet5(plain.head, body, found, body[reason_at : reason_at + 1] or b"\0")


class Client(wire.Client):
    """One connection of MQTT 5."""

    def receive(self, limit: float = 10.0) -> Packet5 | None:
        plain = super().receive(limit)
        return plain and parsed(plain)

    def expect(self, kind: int, limit: float = 10.0) -> Packet5:
        found = super().expect(kind, limit)
        assert isinstance(found, Packet5)
        return found

    def message(self, limit: float = 10.0) -> Packet5:
        found = super().message(limit)
        assert isinstance(found, Packet5)
        return found

    def subscribe(self, topic_filter: str, qos: int = 0, **values: Any) -> int:
        self.send(subscribe((topic_filter, qos), **values))
        return self.expect(SUBACK).reason

    def publish(self, topic: str, payload: str, qos: int = 0, *, retain: bool = False, **values: Any) -> None:
        self._settle(publish(topic, payload, qos, retain=retain, **values), qos)

    def farewell(self, limit: float = 10.0) -> int:
        """The reason of the DISCONNECT after which the broker closes the connection."""
        told = self.expect(DISCONNECT, limit)
        assert super().is_closed(limit)
        return told.reason


def connected(port: int, client_id: str = "", **options: Any) -> Client:
    """A client that has its CONNACK, which it keeps as `connack`; `options` are those of `connect`."""
    receive_buffer = int(options.pop("receive_buffer", 0))
    return wire.accepted(Client(port, connect(client_id, **options), receive_buffer=receive_buffer))
