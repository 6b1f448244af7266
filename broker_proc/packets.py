"""Every MQTT packet but PUBLISH: those of a client decoded strictly, those of a broker encoded; 3.1.1 and 5."""

from collections.abc import Sequence
from typing import NamedTuple

from broker_proc import properties as props
from broker_proc.fields import binary, number, string, topic_filter, topic_name, write_varint
from broker_proc.properties import Properties
from broker_proc.reasons import PROTOCOL_ERROR, QUOTA, UNSUPPORTED_VERSION, WireError

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = range(1, 9)
SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(9, 16)
V311, V5 = 4, 5
# The reason codes that a client may give (sections 3.4.2.1, 3.6.2.1, 3.14.2.1).
_RECEIVED = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_RELEASED = frozenset({0x00, 0x92})
_LEAVING = frozenset({0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99})
FILTERS = 10_000  # in one packet: other clients wait while it is read
NONE: Properties = {}  # of a packet without properties; never changed


class Will(NamedTuple):
    """What is published when a connection ends without DISCONNECT; `delay` in seconds after the end."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties
    delay: int


class Connect(NamedTuple):
    """`keepalive` in seconds, 0 = none."""

    version: int
    client_id: str
    clean: bool
    keepalive: int
    properties: Properties
    will: Will | None
    username: str | None
    password: bytes | None


class Wanted(NamedTuple):
    """One filter of a SUBSCRIBE, with its options (MQTT 5 section 3.8.3.1; 3.1.1 knows only the QoS)."""

    filter: str
    qos: int
    no_local: bool
    as_published: bool
    handling: int


def read_connect(data: bytes, at: int, end: int) -> Connect:
    """Raises WireError; its code is UNSUPPORTED_VERSION for another MQTT than 3.1.1 and 5."""
    protocol, at = string(data, at, end)
    version, at = number(data, at, end, 1)
    if (protocol, version) not in (("MQTT", V311), ("MQTT", V5)):
        if protocol in ("MQTT", "MQIsdp"):
            raise WireError(f"{protocol} of level {version}: set the client to MQTT 3.1.1 or 5", UNSUPPORTED_VERSION)
        raise WireError(f"the protocol {protocol[:20]!r}")
    flags, at = number(data, at, end, 1)
    keepalive, at = number(data, at, end, 2)
    has_will, will_qos, will_retain = flags & 0x04, flags >> 3 & 3, bool(flags & 0x20)
    if flags & 0x01 or will_qos == 3 or (not has_will and flags & 0x38):
        raise WireError("contradictory flags in CONNECT")
    if version == V311 and flags & 0x40 and not flags & 0x80:
        raise WireError("a password without a user name")
    properties = NONE
    if version == V5:
        properties, at = props.read(data, at, end, props.IN_CONNECT)
        if props.AUTH_DATA in properties and props.AUTH_METHOD not in properties:
            raise WireError("authentication data without a method", PROTOCOL_ERROR)
    client_id, at = string(data, at, end)
    will = None
    if has_will:
        about = NONE
        if version == V5:
            about, at = props.read(data, at, end, props.IN_WILL)
            check_response_topic(about)
        topic, at = string(data, at, end)
        payload, at = binary(data, at, end)
        delay = about.pop(props.WILL_DELAY, 0) if about else 0
        will = Will(topic_name(topic), payload, will_qos, will_retain, about, delay)
    username = password = None
    if flags & 0x80:
        username, at = string(data, at, end)
    if flags & 0x40:
        password, at = binary(data, at, end)
    _at_end(at, end)
    return Connect(version, client_id, bool(flags & 0x02), keepalive, properties, will, username, password)


def check_response_topic(properties: Properties) -> None:
    """Raises WireError where the response topic of a message cannot be published to."""
    if (topic := properties.get(props.RESPONSE_TOPIC)) is not None:
        topic_name(topic)


def read_subscribe(data: bytes, at: int, end: int, version: int) -> tuple[int, list[Wanted], int]:
    """Packet id, filters, subscription identifier (0 = none)."""
    packet_id, at = read_id(data, at, end)
    identifier = 0
    if version == V5:
        properties, at = props.read(data, at, end, props.IN_SUBSCRIBE)
        identifier = properties.get(props.SUBSCRIPTION_ID, 0)
    wanted = []
    while at < end:
        name, at = string(data, at, end)
        options, at = number(data, at, end, 1)
        qos, handling = options & 3, options >> 4 & 3
        if qos == 3 or handling == 3 or options & (0xC0 if version == V5 else 0xFC):
            raise WireError(f"subscription options {options:#04x}")
        no_local = bool(options & 4)
        if no_local and name.startswith("$share/"):
            raise WireError("No Local with a shared subscription", PROTOCOL_ERROR)
        wanted.append(Wanted(topic_filter(name), qos, no_local, bool(options & 8), handling))
        if len(wanted) > FILTERS:
            raise WireError(f"a SUBSCRIBE of more than {FILTERS} filters", QUOTA)
    if not wanted:
        raise WireError("a SUBSCRIBE without a filter", PROTOCOL_ERROR)
    return packet_id, wanted, identifier


def read_unsubscribe(data: bytes, at: int, end: int, version: int) -> tuple[int, list[str]]:
    packet_id, at = read_id(data, at, end)
    if version == V5:
        _, at = props.read(data, at, end, props.IN_UNSUBSCRIBE)
    filters = []
    while at < end:
        name, at = string(data, at, end)
        filters.append(topic_filter(name))
        if len(filters) > FILTERS:
            raise WireError(f"an UNSUBSCRIBE of more than {FILTERS} filters", QUOTA)
    if not filters:
        raise WireError("an UNSUBSCRIBE without a filter", PROTOCOL_ERROR)
    return packet_id, filters


def read_ack(data: bytes, at: int, end: int, version: int, kind: int) -> tuple[int, int]:
    """Packet id and reason code of a PUBACK, PUBREC, PUBREL or PUBCOMP."""
    packet_id, at = read_id(data, at, end)
    code = 0
    if version == V5 and at < end:
        code, at = _code(data, at, end, _RECEIVED if kind in (PUBACK, PUBREC) else _RELEASED)
        if at < end:
            _, at = props.read(data, at, end, props.IN_ACK)
    _at_end(at, end)
    return packet_id, code


def read_disconnect(data: bytes, at: int, end: int, version: int) -> tuple[int, Properties]:
    code, properties = 0, NONE
    if version == V5 and at < end:
        code, at = _code(data, at, end, _LEAVING)
        if at < end:
            properties, at = props.read(data, at, end, props.IN_DISCONNECT)
    _at_end(at, end)
    return code, properties


def read_id(data: bytes, at: int, end: int) -> tuple[int, int]:
    packet_id, at = number(data, at, end, 2)
    if packet_id == 0:
        raise WireError("packet id 0")
    return packet_id, at


def _code(data: bytes, at: int, end: int, known: frozenset[int]) -> tuple[int, int]:
    code, at = number(data, at, end, 1)
    if code not in known:
        raise WireError(f"reason code {code:#04x}", PROTOCOL_ERROR)
    return code, at


def _at_end(at: int, end: int) -> None:
    if at != end:
        raise WireError("bytes after the end of a packet")


def packet(head: int, body: bytes = b"") -> bytes:
    return bytes((head,)) + write_varint(len(body)) + body


def connack(version: int, code: int, *, session_present: bool = False, properties: Properties = NONE) -> bytes:
    body = bytes((session_present, code))
    if version == V5:
        written = props.write(properties)
        body += write_varint(len(written)) + written
    return packet(CONNACK << 4, body)


def suback(version: int, packet_id: int, codes: Sequence[int]) -> bytes:
    return packet(SUBACK << 4, packet_id.to_bytes(2, "big") + (b"\0" if version == V5 else b"") + bytes(codes))


def unsuback(version: int, packet_id: int, codes: Sequence[int]) -> bytes:
    return packet(UNSUBACK << 4, packet_id.to_bytes(2, "big") + (b"\0" + bytes(codes) if version == V5 else b""))


def ack(kind: int, packet_id: int, code: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; a `code` other than 0 is for a client of MQTT 5."""
    head = kind << 4 | (2 if kind == PUBREL else 0)
    if code:
        return bytes((head, 3, packet_id >> 8, packet_id & 0xFF, code))
    return bytes((head, 2, packet_id >> 8, packet_id & 0xFF))


def disconnect(code: int, reason: str = "") -> bytes:
    """The broker's own DISCONNECT, which only MQTT 5 has."""
    if not reason:
        return packet(DISCONNECT << 4, bytes((code,)))
    written = props.write({props.REASON_STRING: reason})
    return packet(DISCONNECT << 4, bytes((code,)) + write_varint(len(written)) + written)


PONG = packet(PINGRESP << 4)
