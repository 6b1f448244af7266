"""MQTT 5, read by another hand: what is offered is announced, what is wrong is answered with its reason."""

import time
from pathlib import Path

import mqtt5
import pytest

from .conftest import RunningBroker, _run
from .five import Five
from .wire import Client, connect, connected, packet, string

SHUTTING_DOWN, MALFORMED, PROTOCOL_ERROR = 0x8B, 0x81, 0x82


# -- connecting


def test_connack_announces_what_is_offered(ours: RunningBroker) -> None:
    with Five(ours.port) as client:
        offered = client.connack
        assert (offered.receive_max, offered.max_packet_size, offered.topic_alias_max) == (100, 4_259_840, 16)
        assert (offered.max_qos, offered.retain_available, offered.subscription_id_available) == (2, True, True)
        assert (offered.shared_subscription_available, offered.wildcard_subscription_available) == (True, True)
        assert offered.assigned_client_id
        client.ping()


def test_a_session_lives_no_longer_than_the_limit_and_the_client_is_told(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"session_expiry_s": 1}'):
        with Five(ours.port, "long", session_expiry_interval=1000) as client:
            assert client.connack.session_expiry_interval == 1
        time.sleep(1.2)
        with Five(ours.port, "long", clean_start=False) as client:
            assert not client.connack.session_present


@pytest.mark.parametrize("method", ["SCRAM-SHA-1", ""])
def test_enhanced_authentication_is_refused(ours: RunningBroker, method: str) -> None:
    with Five(ours.port, authentication_method=method or "x") as client:
        assert client.connack.reason_code == 0x8C
        assert client.receive() is None
    with Five(ours.port) as client:
        client.send(packet(0xF0))
        assert client.farewell() == PROTOCOL_ERROR


# -- messages


def test_a_packet_larger_than_announced_ends_the_connection(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"packet_bytes": 65536}'):
        with Five(ours.port) as client:
            assert client.connack.max_packet_size == 65_536
            client.publish("a", b"x" * 65_000, 1)
            client.send(mqtt5.PublishPacket("a", b"x" * 66_000).write()[:100])
            assert client.farewell() == 0x95


@pytest.mark.parametrize(("topic_given", "alias", "code"), [("a", 17, 0x94), ("", 5, 0x82), ("", None, 0x82)])
def test_a_number_that_stands_for_no_topic_ends_the_connection(
    ours: RunningBroker, topic_given: str, alias: int | None, code: int
) -> None:
    with Five(ours.port) as client:
        about = b"\x03\x23" + alias.to_bytes(2, "big") if alias is not None else b"\0"
        client.send(packet(0x30, string(topic_given) + about + b"x"))
        assert client.farewell() == code


def test_the_broker_gives_numbers_for_topics_to_a_client_that_takes_them(ours: RunningBroker, topic: str) -> None:
    with Five(ours.port) as sender, Five(ours.port, topic_alias_max=2) as receiver:
        receiver.subscribe(f"{topic}/#")
        heard = []
        for level in "aabbcc":
            sender.publish(f"{topic}/{level}", b"x", 1)
            found = receiver.message()
            heard.append((found.topic[len(topic) + 1 :], found.topic_alias))
        assert heard == [("a", 1), ("", 1), ("b", 2), ("", 2), ("c", None), ("c", None)]


# -- the broker's own DISCONNECT, and other reasons


def test_a_broker_that_stops_says_so(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        with Five(ours.port) as client:
            ours.process.terminate()
            assert client.farewell() == SHUTTING_DOWN


WRONG = {
    "flags": (packet(0x36, string("a") + b"\0\1\0x"), MALFORMED),
    "a topic with a wildcard": (packet(0x30, string("a/#") + b"\0x"), MALFORMED),
    "a topic that is not UTF-8": (packet(0x30, string(b"\xff") + b"\0x"), MALFORMED),
    "packet id 0": (packet(0x32, string("a") + b"\0\0\0x"), MALFORMED),
    "a second CONNECT": (connect("again"), PROTOCOL_ERROR),
    "a property twice": (packet(0x30, string("a") + b"\x04\1\0\1\0x"), PROTOCOL_ERROR),
    "a property of another packet": (packet(0x30, string("a") + b"\x05\x11\0\0\0\1x"), PROTOCOL_ERROR),
    "an unknown property": (packet(0x30, string("a") + b"\x02\x7f\0x"), MALFORMED),
    "a property that is cut off": (packet(0x30, string("a") + b"\x03\x02\0\0x"), MALFORMED),
    "properties longer than the packet": (packet(0x30, string("a") + b"\x20\1\0"), MALFORMED),
    "a subscription identifier from a client": (packet(0x30, string("a") + b"\x02\x0b\1x"), PROTOCOL_ERROR),
    "a response topic with a wildcard": (packet(0x30, string("a") + b"\x04\x08\0\1#"), MALFORMED),
    "a subscription without a filter": (packet(0x82, b"\0\1\0"), PROTOCOL_ERROR),
    "subscription options of a later MQTT": (packet(0x82, b"\0\1\0" + string("a") + b"\xc0"), MALFORMED),
    "Retain Handling 3": (packet(0x82, b"\0\1\0" + string("a") + b"\x30"), MALFORMED),
    "No Local on a shared subscription": (packet(0x82, b"\0\1\0" + string("$share/g/a") + b"\x04"), PROTOCOL_ERROR),
    "subscription identifier 0": (packet(0x82, b"\0\1\2\x0b\0" + string("a") + b"\0"), PROTOCOL_ERROR),
    "bytes after a PUBACK": (packet(0x40, b"\0\1\0\0\0"), MALFORMED),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_the_connection_with_its_reason(ours: RunningBroker, case: str) -> None:
    data, code = WRONG[case]
    with Five(ours.port) as client:
        client.send(data)
        assert client.farewell(2.0) == code


def test_reason_codes_say_what_became_of_a_request(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as client:
        assert client.publish(f"{topic}/nobody", qos=1) == 0x10
        assert client.subscribe(topic, f"{topic}/#", qos=1) == [1, 1]
        client.send(mqtt5.UnsubscribePacket(3, [topic, f"{topic}/other"]))
        assert [int(code) for code in client.expect(mqtt5.UnsubAckPacket).reason_codes] == [0, 0x11]


def test_a_message_that_is_not_allowed_is_answered_so(ours: RunningBroker, topic: str) -> None:
    with Five(ours.port) as client:
        assert client.publish(f"$SYS/{topic}", qos=1) == 0x87
        assert client.publish(f"$SYS/{topic}", qos=2) == 0x87
        assert client.publish("/".join("x" * 40), qos=1) == 0x90
        client.send(mqtt5.PubRelPacket(99))
        assert client.expect(mqtt5.PubCompPacket).reason_code == 0x92


def test_a_version_that_is_newer_than_all_is_refused_in_its_own_words(ours: RunningBroker) -> None:
    with Client(ours.port, packet(0x10, string("MQTT") + b"\x06\x02\0\x3c\0" + string("new"))) as client:
        answer = client.receive()
        assert answer is not None
        assert answer.body == b"\0\x84\0"


# -- shared subscriptions


@pytest.mark.parametrize("members", ["3.1.1", "5", "both"])
def test_a_shared_subscription_divides_messages_between_its_members(
    broker: RunningBroker, topic: str, members: str
) -> None:
    shared = f"$share/group/{topic}/#"
    with connected(broker.port) as sender, connected(broker.port) as all_of_them:
        first = Five(broker.port) if members != "3.1.1" else connected(broker.port)
        second = connected(broker.port) if members != "5" else Five(broker.port)
        with first, second:
            all_of_them.subscribe(f"{topic}/#", 1)
            for member in (first, second):
                member.subscribe(shared)
            for each in range(10):
                sender.publish(f"{topic}/{each}", str(each), 1)
            heard = [[], []]
            for which, member in enumerate((first, second)):
                for _ in range(5):
                    found = member.message()
                    heard[which].append(int(found.payload))
                member.ping()
            assert sorted(heard[0] + heard[1]) == list(range(10))
            assert [int(all_of_them.message().payload) for _ in range(10)] == list(range(10))


def test_a_shared_subscription_without_group_or_filter_is_refused(ours: RunningBroker) -> None:
    with Five(ours.port) as client, connected(ours.port) as older:
        for wrong in ("$share//a", "$share/g", "$share/g/", "$share/+/a"):
            assert older.subscribe(wrong) == 0x80
            client.send(packet(0x82, b"\0\1\0" + string(wrong) + b"\0"))
            assert client.expect(mqtt5.SubAckPacket).reason_codes == [0x8F]
