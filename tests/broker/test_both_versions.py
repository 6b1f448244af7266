"""What a client of 3.1.1 and one of 5 can both rely on, in the order of Eclipse's interoperability suites."""

import time
from pathlib import Path
from typing import Any

import pytest

from . import wire, wire5
from .conftest import RunningBroker, _run
from .test_connections import GUARDED
from .wire import CONNACK, PUBACK, PUBLISH, PUBREC, PUBREL, SUBACK, UNSUBACK, acknowledge, packet, string


def test_a_client_hears_its_own_messages_of_each_quality(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as client:
        assert client.subscribe(topic, 2) == 2
        for quality in (0, 1, 2):
            client.send(mqtt.publish(topic, f"of QoS {quality}", quality, packet_id=quality + 1))
            if quality == 2:
                client.send(acknowledge(PUBREL, 3))
        heard: list[Any] = []
        wire.wait_for(lambda: len(heard.__iadd__(client.heard())) == 3)
        assert [(each.qos, each.payload) for each in heard] == [(qos, f"of QoS {qos}") for qos in (0, 1, 2)]


def test_a_second_connect_ends_the_connection(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port, topic) as client:
        client.send(mqtt.connect(topic))
        _closed(client)


def test_another_protocol_is_not_served(broker: RunningBroker, mqtt: Any) -> None:
    level = 4 if mqtt is wire else 5
    rest = bytes([level, 2, 0, 60]) + (b"\0" if level == 5 else b"") + string("x")
    with mqtt.Client(broker.port, packet(0x10, string("hj") + rest)) as client:
        answer = client.receive()
        assert answer is None or answer.body[1] != 0
        assert answer is None or client.is_closed()


def test_an_unknown_version_is_refused_by_its_number(broker: RunningBroker) -> None:
    with wire.Client(broker.port, packet(0x10, string("MQTT") + bytes([9, 2, 0, 60, 0]) + string("x"))) as client:
        assert client.expect(CONNACK).body[1] in (1, 0x84)  # by 3.1.1 and by 5
        assert client.is_closed()


def test_retained_messages_arrive_at_their_quality_until_they_are_cleared(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    with mqtt.connected(broker.port) as client:
        for quality in (0, 1, 2):
            client.publish(f"{topic}/{quality}", f"of QoS {quality}", quality, retain=True)
        client.send(mqtt.subscribe((f"{topic}/+", 2)))
        found = sorted((each.qos, each.payload, each.retained) for each in client.heard())
        assert found == [(quality, f"of QoS {quality}", True) for quality in (0, 1, 2)]
    with mqtt.connected(broker.port) as client:
        for quality in (0, 1, 2):
            client.publish(f"{topic}/{quality}", "", quality, retain=True)
        client.send(mqtt.subscribe((f"{topic}/+", 2)))
        assert client.heard() == []


def test_a_client_without_an_id_is_served(broker: RunningBroker, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as one, mqtt.connected(broker.port) as other:
        one.ping()
        other.ping()


def test_a_persistent_session_without_an_id_is_refused_by_311_and_given_an_id_by_5(broker: RunningBroker) -> None:
    with wire.Client(broker.port, wire.connect("", clean=False)) as client:
        assert client.expect(CONNACK).body == b"\0\2"
        assert client.is_closed()
    with wire5.connected(broker.port, clean=False) as client:
        assert client.connack.properties["assigned_client_id"]


def test_what_came_while_a_session_was_away_is_delivered_once(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port, topic, clean=False) as client:
        assert not client.connack.session_present
        client.subscribe(f"{topic}/+", 2)
        client.send(wire.DISCONNECT)
        assert client.is_closed()
    with mqtt.connected(broker.port) as sender:
        for quality in (1, 2):
            sender.publish(f"{topic}/{quality}", f"of QoS {quality}", quality)
    for expected in (["of QoS 1", "of QoS 2"], []):
        with mqtt.connected(broker.port, topic, clean=False) as client:
            assert client.connack.session_present
            assert [each.payload for each in client.heard()] == expected
            assert client.heard() == []
    with mqtt.connected(broker.port, topic) as client:  # a clean start forgets the session
        assert not client.connack.session_present
        assert client.heard() == []


def test_overlapping_filters_deliver_at_the_highest_of_their_qualities(
    ours: RunningBroker, topic: str, mqtt: Any
) -> None:
    # MQTT 3.1.1 section 3.3.5; mosquitto 2.0.11 takes the quality of the filter it comes across first
    with mqtt.connected(ours.port) as client, mqtt.connected(ours.port) as sender:
        client.send(mqtt.subscribe((f"{topic}/#", 2), (f"{topic}/+", 1)))
        client.expect(SUBACK)
        sender.publish(f"{topic}/a", "overlapping", 2)
        assert [each.qos for each in client.heard()] == [2]


def test_what_was_not_acknowledged_comes_again_to_the_next_connection(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    with mqtt.connected(broker.port, topic, clean=False) as client, mqtt.connected(broker.port) as sender:
        client.subscribe(f"{topic}/+", 2)
        sender.publish(f"{topic}/1", "of QoS 1", 1)
        sender.publish(f"{topic}/2", "of QoS 2", 2)
        assert [client.expect(PUBLISH).duplicate for _ in range(2)] == [False, False]
        client.send(wire.DISCONNECT)
        assert client.is_closed()
    with mqtt.connected(broker.port, topic, clean=False) as client:
        again = client.heard()
        assert [(each.payload, each.duplicate) for each in again] == [("of QoS 1", True), ("of QoS 2", True)]
        assert client.heard() == []
    with mqtt.connected(broker.port, topic, clean=False) as client:
        assert client.heard() == []


def test_a_release_that_was_not_answered_comes_again_without_its_message(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    with mqtt.connected(broker.port, topic, clean=False) as client, mqtt.connected(broker.port) as sender:
        client.subscribe(topic, 2)
        sender.publish(topic, "once", 2)
        number = client.expect(PUBLISH).packet_id
        client.send(acknowledge(PUBREC, number))
        assert client.expect(PUBREL).packet_id == number
    with mqtt.connected(broker.port, topic, clean=False) as client:
        assert client.expect(PUBREL).packet_id == number
        client.send(acknowledge(wire.PUBCOMP, number))
        client.ping()


def test_a_message_begun_at_qos_2_is_finished_over_the_next_connection(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    with mqtt.connected(broker.port) as watcher:
        watcher.subscribe(topic, 0)
        with mqtt.connected(broker.port, topic, clean=False) as client:
            client.send(mqtt.publish(topic, "once", 2, packet_id=7))
            client.expect(PUBREC)
        with mqtt.connected(broker.port, topic, clean=False) as client:
            again = mqtt.publish(topic, "once", 2, packet_id=7)
            client.send(bytes([again[0] | 8]) + again[1:])
            client.expect(PUBREC)
            client.send(acknowledge(PUBREL, 7))
            client.expect(wire.PUBCOMP)
        assert [each.payload for each in watcher.heard()] == ["once"]


def test_wildcards_do_not_match_what_begins_with_a_dollar(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as client, mqtt.connected(broker.port) as sender:
        client.send(mqtt.subscribe((f"+/{topic}", 2), ("#", 0)))
        client.expect(SUBACK)
        client.heard()  # whatever is retained
        sender.send(mqtt.publish(f"$dollar/{topic}", "no", 1))
        sender.expect(PUBACK)
        assert [each for each in client.heard() if each.topic.startswith("$")] == []
        sender.publish(topic, "the sender is still served", 1)
        assert [each.topic for each in client.heard()] == [topic]


def test_unsubscribing_from_one_topic_leaves_the_others(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as client, mqtt.connected(broker.port) as sender:
        for each in "abc":
            client.subscribe(f"{topic}/{each}", 2)
        client.send(mqtt.unsubscribe(f"{topic}/a", packet_id=77))
        assert client.expect(UNSUBACK).packet_id == 77
        for each in "abc":
            sender.publish(f"{topic}/{each}", "", 1)
        assert [each.topic for each in client.heard()] == [f"{topic}/b", f"{topic}/c"]


def test_a_filter_that_is_not_allowed_is_refused_and_the_others_are_granted(tmp_path: Path) -> None:
    # mosquitto 2.0.11 grants every filter, whatever its ACL says, and delivers nothing
    for ours in _run("ours", tmp_path, GUARDED):
        for mqtt, refused in ((wire, 0x80), (wire5, 0x87)):
            with mqtt.connected(ours.port) as client:
                client.send(mqtt.subscribe(("secret/#", 1), ("open/#", 1)))
                assert client.expect(SUBACK).body[-2:] == bytes([refused, 1])
                client.ping()


def test_a_silent_client_is_closed_and_its_will_is_sent(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port, keepalive=0) as watcher:
        watcher.subscribe(topic, 1)
        with mqtt.connected(broker.port, keepalive=1, will=(topic, "silent")) as client:
            start = time.monotonic()
            assert watcher.message(2.5 + broker.tick).payload == "silent"
            assert time.monotonic() - start > 1.0
            if mqtt is wire5 and broker.kind != "mosquitto":  # 2.0.11 closes without a word
                assert client.farewell() == 0x8D
            else:
                _closed(client)
        watcher.ping()


def test_a_will_arrives_at_its_quality_and_is_retained_where_it_says_so(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    with mqtt.connected(broker.port) as watcher:
        watcher.subscribe(topic, 2)
        for quality, retain in ((0, False), (1, True), (2, False)):
            mqtt.connected(broker.port, will=(topic, f"{quality}"), will_qos=quality, will_retain=retain).socket.close()
            heard: list[Any] = []
            wire.wait_for(lambda: heard.__iadd__(watcher.heard()))  # noqa: B023
            assert [(each.payload, each.qos, each.retained) for each in heard] == [(f"{quality}", quality, False)]
        with mqtt.connected(broker.port) as late:
            late.send(mqtt.subscribe((topic, 0)))
            assert [each.payload for each in late.heard()] == ["1"]


def test_no_will_after_a_goodbye(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/#")
        with mqtt.connected(broker.port, will=(f"{topic}/will", "gone")) as client:
            client.send(mqtt.publish(f"{topic}/last", "words") + wire.DISCONNECT)
            assert client.is_closed()
        assert watcher.message().topic == f"{topic}/last"
        watcher.ping()


@pytest.mark.parametrize("receiver_speaks", [wire, wire5], ids=["to 3.1.1", "to 5"])
@pytest.mark.parametrize("quality", [0, 1, 2])
def test_the_two_versions_hear_each_other(
    broker: RunningBroker, topic: str, mqtt: Any, receiver_speaks: Any, quality: int
) -> None:
    with mqtt.connected(broker.port) as sender, receiver_speaks.connected(broker.port) as receiver:
        receiver.subscribe(topic, 2)
        sender.publish(topic, "hello", quality)
        assert [(each.payload, each.qos) for each in receiver.heard()] == [("hello", quality)]


def _closed(client: Any) -> None:
    """The broker closes the connection; in MQTT 5 it may say why before."""
    told = client.receive()
    assert told is None or (told.head == 0xE0 and client.receive() is None), told
