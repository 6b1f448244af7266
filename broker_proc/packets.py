"""Reads MQTT 3.1.1 packets from a client strictly: a whole, well-formed packet, or an error that ends the connection.

amqtt decodes field by field from the socket: after a malformed packet it reads on in the middle of the next one, and
the connection stays open and dead. So a packet is read whole here, and only then given to amqtt's decoder.
"""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import struct
from collections.abc import Mapping
from typing import Any, TypeAlias

from amqtt.adapters import BufferReader, ReaderAdapter
from amqtt.codecs_amqtt import read_or_raise
from amqtt.errors import MQTTError, NoDataError
from amqtt.mqtt import packet as mqtt
from amqtt.mqtt import packet_dict

Packet: TypeAlias = mqtt.MQTTPacket[Any, Any, Any]

LARGEST = 16 * 2**20  # bytes
ID = 2  # bytes

# First byte of a packet (type and flags) -> its largest remaining length: of the first packet, and of those after it.
FIRST = {mqtt.CONNECT << 4: LARGEST}
LATER = {mqtt.PUBLISH << 4 | flags: LARGEST for flags in range(16) if flags & 6 != 6}  # any flags but QoS 3
LATER |= {mqtt.PUBACK << 4: ID, mqtt.PUBREC << 4: ID, mqtt.PUBREL << 4 | 2: ID, mqtt.PUBCOMP << 4: ID}
LATER |= {mqtt.SUBSCRIBE << 4 | 2: LARGEST, mqtt.UNSUBSCRIBE << 4 | 2: LARGEST}
LATER |= {mqtt.PINGREQ << 4: 0, mqtt.DISCONNECT << 4: 0}


async def read_packet(reader: ReaderAdapter, legal: Mapping[int, int]) -> bytes:
    """One whole packet, its length in the shortest form; NoDataError at the end, MQTTError if it is not `legal`."""
    head, byte = await read_or_raise(reader, 2)
    length, shift = byte & 0x7F, 7
    while byte & 0x80 and shift < 28:
        byte = (await read_or_raise(reader, 1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
    if byte & 0x80 or length > legal.get(head, -1):
        raise MQTTError(f"a packet that begins with {head:#04x} and is {length} bytes long is not allowed here")
    header: bytes = mqtt.MQTTFixedHeader(head >> 4, head & 0x0F, length).to_bytes()
    return header + (await read_or_raise(reader, length) if length else b"")


async def decode(packet: bytes) -> Packet:
    """The packet, decoded; MQTTError for all that amqtt guesses at: it is malformed if amqtt would not write it so."""
    try:
        decoded: Packet = await packet_dict[packet[0] >> 4].from_stream(BufferReader(packet))
        if decoded.fixed_header.packet_type == mqtt.CONNECT and decoded.client_id_is_random:
            decoded.client_id = ""
        if decoded.to_bytes() == packet and _makes_sense(decoded):
            return decoded
    except (NoDataError, struct.error):
        pass
    raise MQTTError(f"malformed packet {packet[:20]!r}")


def _makes_sense(packet: Packet) -> bool:
    kind = packet.fixed_header.packet_type
    if kind == mqtt.PUBLISH:
        check_name(packet.topic_name)
    elif kind == mqtt.SUBSCRIBE and not all(topic and qos <= 2 for topic, qos in packet.payload.topics):
        return False
    if kind in (mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE) and not packet.payload.topics:
        return False
    return getattr(packet.variable_header, "packet_id", None) != 0


def check_name(topic: str) -> None:
    """MQTTError if nothing can be published to `topic`."""
    if not topic or not {"#", "+", "\0"}.isdisjoint(topic):
        raise MQTTError(f"nothing can be published to {topic[:40]!r}")
