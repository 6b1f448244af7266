"""The wire: what is written is read back, in whatever pieces it comes; two other decoders agree about what is wrong."""

import asyncio
import random
import struct
from collections.abc import Iterator
from typing import Any

import mqtt5
import pytest
from amqtt.adapters import BufferReader
from amqtt.errors import MQTTError, NoDataError
from amqtt.mqtt import packet as old
from amqtt.mqtt import packet_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_proc import packets, reasons
from broker_proc import properties as props
from broker_proc.fields import topic_filter, varint, write_varint
from broker_proc.message import Message
from broker_proc.reasons import WireError
from broker_proc.wire import BEFORE_CONNECT, Frames, legal, read_publish, read_topic

MOST = 4_259_840
MUTATED = 10_000

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
names = words.filter(lambda one: one and not {"+", "#"} & set(one))
pairs = st.lists(st.tuples(words, words), max_size=3)
seconds = st.integers(0, 2**32 - 1)
ids = st.integers(1, 65_535)


def cut(data: bytes, version: int, *, first: bool = False) -> list[tuple[int, bytes]]:
    """Every whole packet: its first byte and its body."""
    frames = Frames(BEFORE_CONNECT if first else legal(version, MOST))
    frames.add(data)
    found = []
    while (frame := frames.next()) is not None:
        head, start, stop = frame
        found.append((head, frames.data[start:stop]))
        frames.at = stop
    return found


def ours(data: bytes, version: int) -> Any:  # noqa: PLR0911
    """What the first packet of `data` says, as far as the other decoders say it, too. Raises WireError."""
    kind = data[0] >> 4 if data else 0
    found = cut(data, version, first=kind == packets.CONNECT)
    if not found:
        return None
    head, body = found[0]
    end = len(body)
    if kind == packets.CONNECT:
        one = packets.read_connect(body, 0, end)
        will = one.will and (one.will.topic, one.will.payload, one.will.qos, one.will.retain)
        return (one.version, one.client_id, one.clean, one.keepalive, will, one.username, one.password)
    if kind == packets.PUBLISH:
        topic, packet_id, at = read_publish(body, 0, end, head)
        properties: props.Properties = {}
        if version == packets.V5:
            properties, at = props.read(body, at, end, props.IN_PUBLISH)
            if not topic and props.ALIAS in properties:
                return ("", packet_id, body[at:], head & 15)
        return (read_topic(topic), packet_id, body[at:], head & 15)
    if kind == packets.SUBSCRIBE:
        packet_id, wanted, _ = packets.read_subscribe(body, 0, end, version)
        return (packet_id, [(each.filter, each.qos) for each in wanted])
    if kind == packets.UNSUBSCRIBE:
        return packets.read_unsubscribe(body, 0, end, version)
    if kind == packets.DISCONNECT:
        return packets.read_disconnect(body, 0, end, version)[0]
    if kind == packets.PINGREQ:
        return ()
    return packets.read_ack(body, 0, end, version, kind)


# -- written by another hand, read by ours


@given(st.data())
def test_a_connect_of_mqtt_5_is_read_as_it_was_written(data: st.DataObject) -> None:
    will = None
    if data.draw(st.booleans()):
        will = mqtt5.Will(
            data.draw(names),
            payload=data.draw(st.binary(max_size=20)),
            qos=mqtt5.QoS(data.draw(st.integers(0, 2))),
            retain=data.draw(st.booleans()),
            will_delay_interval=data.draw(seconds),
            message_expiry_interval=data.draw(st.none() | seconds),
            content_type=data.draw(st.none() | words),
            user_properties=data.draw(pairs),
        )
    written = mqtt5.ConnectPacket(
        data.draw(words),
        username=data.draw(st.none() | words),
        password=data.draw(st.none() | st.binary(max_size=20)),
        clean_start=data.draw(st.booleans()),
        keep_alive=data.draw(st.integers(0, 65_535)),
        session_expiry_interval=data.draw(seconds),
        receive_max=data.draw(ids),
        topic_alias_max=data.draw(st.integers(0, 65_535)),
        max_packet_size=data.draw(st.none() | st.integers(1, 2**32 - 1)),
        user_properties=data.draw(pairs),
        will=will,
    )
    [(_, body)] = cut(written.write(), 5, first=True)
    read = packets.read_connect(body, 0, len(body))
    assert (read.version, read.client_id, read.clean) == (5, written.client_id, written.clean_start)
    assert (read.username, read.password, read.keepalive) == (written.username, written.password, written.keep_alive)
    about = read.properties
    assert about.get(props.SESSION_EXPIRY, 0) == written.session_expiry_interval
    assert about.get(props.RECEIVE_MAXIMUM, 65_535) == written.receive_max
    assert about.get(props.ALIAS_MAXIMUM, 0) == written.topic_alias_max
    assert about.get(props.MAXIMUM_PACKET) == written.max_packet_size
    assert about.get(props.USER, []) == written.user_properties
    assert (read.will is None) == (will is None)
    if will and read.will:
        assert (read.will.topic, read.will.payload, read.will.qos) == (will.topic, will.payload, will.qos)
        assert (read.will.retain, read.will.delay) == (will.retain, will.will_delay_interval)
        assert read.will.properties.get(props.MESSAGE_EXPIRY) == will.message_expiry_interval
        assert read.will.properties.get(props.USER, []) == will.user_properties


@given(names, st.binary(max_size=300), st.integers(0, 2), st.booleans(), pairs, st.none() | words, st.none() | names)
def test_a_message_of_mqtt_5_is_read_as_it_was_written_and_passed_on_unchanged(  # noqa: PLR0917
    topic: str,
    payload: bytes,
    qos: int,
    retain: bool,
    user: list[tuple[str, str]],
    content: str | None,
    answer: str | None,
) -> None:
    written = mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS(qos),
        packet_id=9 if qos else None,
        retain=retain,
        user_properties=user,
        content_type=content,
        response_topic=answer,
        correlation_data=b"\0\xff",
    )
    [(head, body)] = cut(written.write(), 5)
    name, packet_id, at = read_publish(body, 0, len(body), head)
    about, at = props.read(body, at, len(body), props.IN_PUBLISH)
    assert (read_topic(name), body[at:], packet_id) == (topic, payload, 9 if qos else 0)
    message = Message(name, body[at:], qos, retain, about)
    front, tail = message.v5(qos, retain)
    again, _ = mqtt5.read(memoryview(front + (b"\0\x09" if qos else b"") + tail))
    assert repr(again) == repr(written)
    front, tail = message.v311(qos, retain)
    assert ours(front + (b"\0\x09" if qos else b"") + tail, 4) == (topic, packet_id, payload, qos << 1 | retain)


@given(ids, st.lists(st.tuples(names, st.integers(0, 2), st.booleans(), st.integers(0, 2)), min_size=1, max_size=4))
def test_a_subscription_of_mqtt_5_is_read_as_it_was_written(
    packet_id: int, wanted: list[tuple[str, int, bool, int]]
) -> None:
    filters = [
        mqtt5.TopicFilter(
            name,
            max_qos=mqtt5.QoS(qos),
            no_local=flag and not name.startswith("$share/"),
            retain_as_published=not flag,
            retain_handling=mqtt5.RetainHandling(handling),
        )
        for name, qos, flag, handling in wanted
    ]
    [(_, body)] = cut(mqtt5.SubscribePacket(packet_id, filters, subscription_id=300).write(), 5)
    read_id, read, identifier = packets.read_subscribe(body, 0, len(body), 5)
    assert (read_id, identifier) == (packet_id, 300)
    assert [(one.filter, one.qos, one.no_local, one.as_published, one.handling) for one in read] == [
        (one.pattern, one.max_qos, one.no_local, one.retain_as_published, one.retain_handling) for one in filters
    ]


def test_what_the_broker_writes_is_read_by_another_hand() -> None:
    def read(data: bytes) -> Any:
        found, size = mqtt5.read(memoryview(data))
        assert size == len(data)
        return found

    about = {props.RECEIVE_MAXIMUM: 7, props.ASSIGNED_CLIENT_ID: "x", props.SESSION_EXPIRY: 9, props.ALIAS_MAXIMUM: 2}
    answer = read(packets.connack(5, 0, session_present=True, properties=about))
    assert (answer.session_present, answer.receive_max, answer.assigned_client_id) == (True, 7, "x")
    assert (answer.session_expiry_interval, answer.topic_alias_max) == (9, 2)
    assert read(packets.suback(5, 77, [0, 2, 0x87])).reason_codes == [0, 2, 0x87]
    assert read(packets.unsuback(5, 77, [0, 0x11])).reason_codes == [0, 0x11]
    assert read(packets.disconnect(0x8E, "why")).reason_str == "why"
    assert read(packets.disconnect(0x8E)).reason_code == 0x8E
    for kind in (packets.PUBACK, packets.PUBREC, packets.PUBREL, packets.PUBCOMP):
        assert read(packets.ack(kind, 300)).packet_id == 300
    assert read(packets.ack(packets.PUBACK, 300, 0x10)).reason_code == 0x10
    assert read(packets.PONG)


# -- the stream


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.lists(st.integers(1, 50), min_size=1))
def test_however_a_stream_is_cut_its_packets_are_the_same(payloads: list[bytes], pieces: list[int]) -> None:
    stream = b"".join(packets.packet(0x30, b"\0\1a" + payload) for payload in payloads)
    frames, found, at = Frames(legal(4, MOST)), [], 0
    while at < len(stream):
        size = pieces[at % len(pieces)]
        frames.add(stream[at : at + size])
        at += size
        while (frame := frames.next()) is not None:
            found.append(frames.data[frame[1] + 3 : frame[2]])
            frames.at = frame[2]
    assert found == payloads
    assert not frames.waiting


@given(st.integers(0, 268_435_455))
def test_a_length_is_read_as_it_was_written(value: int) -> None:
    assert varint(write_varint(value), 0, 4) == (value, len(write_varint(value)))


@pytest.mark.parametrize("data", [b"\x80\0", b"\xff\xff\xff\xff\1", b"\x80\x80\x80\x80", b"\x81", b""])
def test_a_length_that_is_too_long_or_cut_off_is_malformed(data: bytes) -> None:
    with pytest.raises(WireError):
        varint(data, 0, len(data))
    if len(data) > 1:
        with pytest.raises(WireError):
            cut(b"\x30" + data, 4)


def test_a_packet_that_is_too_large_or_not_allowed_is_refused_before_it_has_come() -> None:
    for data, code in (
        (b"\x30" + write_varint(MOST + 1), reasons.TOO_LARGE),
        (b"\xf0", reasons.PROTOCOL_ERROR),
        (b"\x10", reasons.PROTOCOL_ERROR),
        (b"\x36", reasons.MALFORMED),
        (b"\xc0\x01", reasons.MALFORMED),
        (b"\x82\xff\xff\xff\xff", reasons.MALFORMED),
    ):
        with pytest.raises(WireError) as refused:
            cut(data, 5)
        assert refused.value.code == code, data
    with pytest.raises(WireError):
        cut(b"\x10" + write_varint(65_537), 0, first=True)


@pytest.mark.parametrize("wrong", ["a#", "#/a", "a/#/b", "a/b+", "+a/b", "", "a/##", "a/+b/c"])
def test_a_filter_with_a_wildcard_out_of_place_is_malformed(wrong: str) -> None:
    with pytest.raises(WireError):
        topic_filter(wrong)
    for right in ("#", "+", "a/#", "+/+/#", "/", "a//b", "/+/", "$share/g/a/#"):
        assert topic_filter(right) == right


# -- what other decoders say of packets with mistakes

_311 = [
    packets.packet(0x10, b"\0\4MQTT\4\2\0\x05\0\1f"),
    packets.packet(0x10, b"\0\4MQTT\4\x2e\0\x05\0\0\0\3w/x\0\1y"),
    packets.packet(0x10, b"\0\4MQTT\4\xc2\0\x05\0\1g\0\1u\0\1p"),
    packets.packet(0x82, b"\0\1\0\5a/+/#\1\0\1#\0"),
    packets.packet(0xA2, b"\0\2\0\5a/+/#\0\1b"),
    packets.packet(0x30, b"\0\x0ceffects/wind{}"),
    packets.packet(0x3B, b"\0\3a/b\0\3" + b"z" * 200),
    packets.packet(0x34, "ä/ö".encode().join((b"\0\5", b"\0\4x"))),
    *(packets.ack(kind, 300) for kind in (4, 5, 6, 7)),
    b"\xc0\0",
    b"\xe0\0",
]
_5 = [
    mqtt5.ConnectPacket("f", clean_start=True, session_expiry_interval=9, user_properties=[("a", "b")]).write(),
    mqtt5.ConnectPacket("g", username="u", will=mqtt5.Will("w", payload=b"x", will_delay_interval=3)).write(),
    mqtt5.PublishPacket("a/b", b"x" * 150, content_type="t", message_expiry_interval=5).write(),
    mqtt5.PublishPacket("a", b"y", qos=mqtt5.QoS(1), packet_id=3, topic_alias=2, correlation_data=b"z").write(),
    mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("a/+/#"), mqtt5.TopicFilter("b")], subscription_id=200).write(),
    mqtt5.UnsubscribePacket(1, ["a/#", "b"]).write(),
    mqtt5.PubAckPacket(3).write(),
    mqtt5.PubRecPacket(3, reason_code=mqtt5.PubRecReasonCode(0x10), reason_str="why").write(),
    mqtt5.DisconnectPacket(session_expiry_interval=5).write(),
    b"\xc0\0",
]


def mutated(good: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Packets of which a few bytes are changed, put in or left out."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(good))
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(data)) if data else 0
            match chance.randrange(5):
                case 0 if data:
                    data[at] = chance.randrange(256)
                case 1 if data:
                    data[at] ^= 1 << chance.randrange(8)
                case 2:
                    data[at:at] = chance.randbytes(chance.choice((1, 2, 9)))
                case 3:
                    del data[at : at + chance.choice((1, 2, 9))]
                case _ if len(data) > 1:
                    data[1] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF, (len(data) - 2) & 0x7F))
        if data:
            yield bytes(data)


async def _amqtt(data: bytes) -> Any:
    """What amqtt's decoder says of a packet of 3.1.1; None where it would write it otherwise, or fails."""
    try:
        found = await packet_dict[data[0] >> 4].from_stream(BufferReader(data))
        kind = found.fixed_header.packet_type
        if kind == old.CONNECT and found.client_id_is_random:
            found.client_id = ""
        written = found.to_bytes()
    except (MQTTError, NoDataError, struct.error, KeyError, ValueError, TypeError, AttributeError, IndexError):
        return None
    if data[: len(written)] != written:
        return None
    if kind == old.PUBLISH:
        return (found.topic_name, found.packet_id or 0, bytes(found.data), data[0] & 15)
    if kind == old.SUBSCRIBE:
        return (found.variable_header.packet_id, list(found.payload.topics))
    if kind == old.UNSUBSCRIBE:
        return (found.variable_header.packet_id, list(found.payload.topics))
    return True


def test_what_is_accepted_of_3_1_1_is_read_as_amqtt_reads_it() -> None:
    accepted = 0

    async def compare() -> None:
        nonlocal accepted
        for data in [*_311, *mutated(_311, MUTATED, seed=1)]:
            try:
                read = ours(data, 4)
            except WireError:
                continue
            if read is None or (data[0] >> 4 == packets.CONNECT and read[0] == packets.V5):
                continue
            accepted += 1
            if data[0] >> 4 == packets.CONNECT and read[6] and not _is_text(read[6]):
                continue  # a password may be any bytes; amqtt wants text
            theirs = await _amqtt(data)
            assert theirs is True or theirs == read, (data, read, theirs)

    asyncio.run(compare())
    assert accepted > MUTATED / 10


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def test_what_is_accepted_of_5_is_read_as_another_hand_reads_it() -> None:
    accepted = 0
    for data in [*_5, *mutated(_5, MUTATED, seed=2)]:
        try:
            read = ours(data, 5)
        except WireError:
            continue
        if read is None or (data[0] >> 4 == packets.CONNECT and read[0] != packets.V5):
            continue
        accepted += 1
        found, _ = mqtt5.read(memoryview(data))
        if isinstance(found, mqtt5.PublishPacket):
            assert read[:3] == (found.topic, found.packet_id or 0, found.payload), data
        elif isinstance(found, mqtt5.SubscribePacket):
            assert read == (found.packet_id, [(one.pattern, one.max_qos) for one in found.topic_filters])
        elif isinstance(found, mqtt5.UnsubscribePacket):
            assert read == (found.packet_id, found.patterns)
        elif isinstance(found, mqtt5.ConnectPacket):
            assert read[1:4] == (found.client_id, found.clean_start, found.keep_alive)
            assert read[5:] == (found.username, found.password)
        elif not isinstance(found, mqtt5.PingReqPacket | mqtt5.DisconnectPacket):
            assert read == (found.packet_id, found.reason_code)
    assert accepted > MUTATED / 10


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=80), st.sampled_from([4, 5]))
def test_no_bytes_do_more_than_be_refused(data: bytes, version: int) -> None:
    for start in (data, b"\x10" + bytes((len(data) & 0x7F,)) + data, b"\x30" + bytes((len(data) & 0x7F,)) + data):
        try:
            ours(start, version)
        except WireError as error:
            assert error.code >= reasons.UNSPECIFIED  # noqa: PT017
