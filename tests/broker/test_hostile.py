"""Bytes that are no MQTT end the connection they came on, and nothing else."""

import itertools
import time
from pathlib import Path

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import RunningBroker, _run
from .wire import (
    CONNACK,
    Client,
    acknowledge,
    connect,
    connected,
    packet,
    publish,
    string,
    subscribe,
    unsubscribe,
    wait_for,
)

MALFORMED = {
    "an empty topic": publish("", "x"),
    "a topic with #": publish("a/#", "x"),
    "a topic with +": publish("a/+/b", "x", 1),
    "a topic that is not UTF-8": publish(b"a\xff\xfe", "x"),
    "a long topic that is not UTF-8": publish(b"\xff" * 40_000, "x"),
    "a topic with a null character": publish("a\0b", "x"),
    "a topic longer than its packet": packet(0x30, b"\0\x50ab"),
    "a message without a packet id": packet(0x32, string("a")),
    "a message with packet id 0": publish("a", "x", 1, packet_id=0),
    "a message of QoS 3": packet(0x36, string("a") + b"\0\1x"),
    "a remaining length of five bytes": b"\x30\xff\xff\xff\xff\x7f",
    "reserved type 0": packet(0x00),
    "reserved type 15": packet(0xF0),
    "a packet that only a broker sends": packet(0x20, b"\0\0"),
    "a SUBSCRIBE with other flags": packet(0x80, b"\0\1" + string("a") + b"\0"),
    "a SUBSCRIBE without a filter": packet(0x82, b"\0\1"),
    "a SUBSCRIBE of QoS 3": subscribe(("a", 3)),
    "a SUBSCRIBE whose filter is cut off": packet(0x82, b"\0\1\0\x09a"),
    "an UNSUBSCRIBE without a filter": packet(0xA2, b"\0\1"),
    "a PUBACK without a packet id": packet(0x40),
}
NOT_A_CONNECT = {
    "a request of HTTP": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a greeting of TLS": bytes.fromhex("16030100c8010000c403030000000000000000000000"),
    "a message": publish("a", "x"),
    "a ping": packet(0xC0),
    "zeros": bytes(64),
    "a remaining length of five bytes": b"\x10\xff\xff\xff\xff\x7f",
    "another protocol": packet(0x10, string("HTTP") + b"\x04\x02\0\x3c" + string("a")),
    "a reserved flag": packet(0x10, string("MQTT") + b"\x04\x03\0\x3c" + string("a")),
    "no client id": packet(0x10, string("MQTT") + b"\x04\x02\0\x3c"),
    "a will that is missing": packet(0x10, string("MQTT") + b"\x04\x06\0\x3c" + string("a")),
    "a will to a wildcard": connect("a", will=("a/#", "x")),
    "a client id that is not UTF-8": packet(0x10, string("MQTT") + b"\x04\x02\0\x3c" + string(b"\xff\xfe")),
}
_numbers = itertools.count(1)


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_packet_closes_the_connection_and_sends_the_will(
    broker: RunningBroker, topic: str, case: str
) -> None:
    with connected(broker.port) as watcher, connected(broker.port, topic, will=(topic, case)) as client:
        watcher.subscribe(topic)
        client.try_send(MALFORMED[case])
        assert client.is_closed(1.0)
        assert watcher.message(1.0).payload == case


def test_a_second_connect_closes_the_connection(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic) as client:  # mosquitto 2.0.11 sends no will here, ours does
        client.send(connect(topic))
        assert client.is_closed(1.0)


def test_a_message_to_a_topic_of_the_broker_is_acknowledged_and_ignored(broker: RunningBroker, topic: str) -> None:
    _publishes_in_vain(broker, f"$SYS/{topic}", topic)


def test_a_message_to_any_topic_that_begins_with_a_dollar_is_ignored(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 delivers what is neither $SYS nor $CONTROL; MQTT 3.1.1 section 4.7.2 says to prevent it
    _publishes_in_vain(ours, f"$private/{topic}", topic)


def _publishes_in_vain(broker: RunningBroker, ignored: str, topic: str) -> None:
    with connected(broker.port) as watcher, connected(broker.port) as client:
        watcher.subscribe(topic, 1)
        watcher.subscribe(ignored, 1)
        client.publish(ignored, "x")
        client.publish(ignored, "x", 1)
        client.publish(ignored, "x", 2, retain=True)
        client.publish(topic, "still served", 1)
        assert watcher.message().payload == "still served"
        watcher.subscribe(ignored, 1)
        watcher.ping()


@pytest.mark.parametrize("case", NOT_A_CONNECT)
def test_what_is_no_connect_closes_the_connection(broker: RunningBroker, case: str) -> None:
    with Client(broker.port) as client:
        client.try_send(NOT_A_CONNECT[case])
        answer = _last(client)
        assert answer is None or (answer.kind == CONNACK and answer.body[1] != 0)


@pytest.mark.parametrize("case", ["MQTT of level 3", "MQIsdp"])
def test_a_client_of_an_older_protocol_is_told_so_and_closed(ours: RunningBroker, case: str) -> None:
    protocol = string("MQIsdp" if case == "MQIsdp" else "MQTT")
    with Client(ours.port, packet(0x10, protocol + b"\x03\x02\0\x3c" + string("old"))) as client:
        assert client.expect(CONNACK, 1.0).body == b"\0\1"
        assert client.is_closed(1.0)


def test_a_connection_that_floods_with_rubbish_costs_one_line_of_log(ours: RunningBroker, topic: str) -> None:
    for opening in (connect(topic), b""):
        before = len(ours.warnings())
        with Client(ours.port, opening) as client:
            client.try_send(publish("a/#", "x") * 1000 + bytes(1000))
            _last(client)
        wait_for(lambda before=before: len(ours.warnings()) > before)  # type: ignore[misc]
        with connected(ours.port) as other:
            other.ping()
        assert len(ours.warnings()) == before + 1


def test_a_flood_of_bad_connections_costs_few_lines_of_log_and_is_counted(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        for _ in range(300):
            with Client(ours.port) as client:
                client.try_send(b"GET / HTTP/1.1\r\n\r\n")
                client.receive(1.0)
        assert len(ours.warnings()) == 20
        ours.stop()
        assert "280 more connections closed" in ours.log()


def test_a_connection_that_only_opens_and_closes_costs_no_line_of_log(ours: RunningBroker) -> None:
    before, descriptors = ours.log(), ours.descriptors()
    for _ in range(20):
        Client(ours.port).socket.close()
        Client(ours.port, b"\x10").reset()
    wait_for(lambda: ours.descriptors() <= descriptors)
    assert ours.log() == before


def test_a_client_that_floods_delays_no_other(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic) as flooding, connected(broker.port) as other:
        flooding.socket.setblocking(False)
        flood, longest = publish("a", "x") * 20_000, 0.0
        for _ in range(20):
            try:
                flooding.socket.send(flood)
            except BlockingIOError:
                pass
            start = time.monotonic()
            other.ping()
            longest = max(longest, time.monotonic() - start)
        assert longest < 0.2


whole_packets = st.sampled_from(
    [
        connect("hostile"),
        publish("hostile/a", "x"),
        publish("hostile/a", "x", 1),
        publish("hostile/a", "x", 2, retain=True),
        subscribe(("hostile/#", 1), ("+/b", 2)),
        unsubscribe("hostile/#"),
        *(acknowledge(kind, 1) for kind in (4, 5, 6, 7)),
        packet(0xC0),
        packet(0xE0),
        mqtt5.PublishPacket("hostile/a", b"x", content_type="t", topic_alias=1, user_properties=[("a", "b")]).write(),
        mqtt5.PublishPacket("hostile/a", b"x", qos=mqtt5.QoS(2), packet_id=1, message_expiry_interval=1).write(),
        mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("$share/g/hostile/#")], subscription_id=7).write(),
        mqtt5.PubRecPacket(1, reason_code=mqtt5.PubRecReasonCode(0x80), reason_str="no").write(),
        mqtt5.DisconnectPacket(session_expiry_interval=1).write(),
    ]
)


def openings(client_id: str) -> list[bytes]:
    """Nothing, and a CONNECT of each version."""
    five = mqtt5.ConnectPacket(client_id, clean_start=True, topic_alias_max=3, session_expiry_interval=1)
    return [b"", connect(client_id), five.write()]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Whole packets in a row, of which a few bytes are changed, cut off or put in."""
    data = bytearray(b"".join(draw(st.lists(whole_packets, min_size=1, max_size=6))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1)) if data else 0
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(min_size=1, max_size=64) | spoiled(), opening=st.integers(0, 2), reset=st.booleans())
def test_no_bytes_disturb_a_bystander(broker: RunningBroker, data: bytes, opening: int, reset: bool) -> None:
    number = next(_numbers)
    with connected(broker.port, f"bystander{number}") as bystander:
        bystander.subscribe(f"bystander/{number}", 1)
        with Client(broker.port, openings(f"hostile{number}")[opening]) as client:
            client.try_send(data)
            if reset:
                client.reset()
        bystander.send(publish(f"bystander/{number}", "served", 0))
        assert bystander.message(1.0).payload == "served"
        bystander.ping(1.0)


def test_no_bytes_leave_a_descriptor_open(broker: RunningBroker) -> None:
    @settings(max_examples=150, deadline=None, database=None)
    @given(st.binary(min_size=1, max_size=64) | spoiled(), st.integers(0, 2))
    def send(data: bytes, opening: int) -> None:
        with Client(broker.port, openings("hostile")[opening]) as client:
            client.try_send(data)
        # Accepted after it: with more than a hundred that are not yet accepted, the kernel drops some.
        connected(broker.port).socket.close()

    baseline = broker.descriptors()
    send()
    wait_for(lambda: broker.descriptors() <= baseline)


def _last(client: Client) -> object:
    """The last packet before the broker closes the connection, or None."""
    last = None
    while arrived := client.receive(1.0):
        last = arrived
    return last


def test_a_client_that_is_refused_again_and_again_for_its_version_or_id_costs_one_line_with_the_cure(
    tmp_path: Path,
) -> None:
    old = b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00"
    nameless = b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00"
    for ours in _run("ours", tmp_path):
        for refused in (old, nameless) * 5:
            with Client(ours.port) as client:
                client.try_send(refused)
                client.receive(1.0)
        first, second = ours.warnings()
        assert "set the client to MQTT 3.1.1 or 5" in first
        assert "set one, or ask for a clean session" in second
