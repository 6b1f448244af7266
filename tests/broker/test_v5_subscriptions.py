"""What a subscription of MQTT 5 may ask for: no local, retain as published, retain handling, identifiers, sharing."""

from typing import Any

from . import wire, wire5
from .conftest import RunningBroker
from .wire import PUBLISH, UNSUBACK
from .wire5 import connected, subscribe, unsubscribe


def test_no_local_keeps_a_clients_own_messages_from_it_and_no_others(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as one, connected(broker.port) as other:
        for client in (one, other):
            assert client.subscribe(topic, 2, no_local=True) == 2
        one.publish(topic, "from one", 1)
        assert one.heard() == []
        assert [each.payload for each in other.heard()] == ["from one"]


def test_retain_as_published_keeps_the_flag_as_the_publisher_set_it(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client, connected(broker.port) as plain:
        client.subscribe(topic, 1, as_published=True)
        plain.subscribe(topic, 1)
        for each in (False, True):
            client.send(wire5.publish(topic, "x", retain=each))
        assert [each.retained for each in client.heard()] == [False, True]
        assert [each.retained for each in plain.heard()] == [False, False]


def test_retain_handling_says_whether_a_subscription_is_told_what_is_retained(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as client:
        for quality in (0, 1, 2):
            client.publish(f"{topic}/{quality}", "kept", quality, retain=True)
    for handling, at_first, again in ((0, 3, 3), (1, 3, 0), (2, 0, 0)):
        with connected(broker.port) as client:
            for count in (at_first, again):
                client.send(subscribe((f"{topic}/+", 2), retain_handling=handling))
                assert len(client.heard()) == count, (handling, count)


def test_a_message_carries_the_identifiers_of_the_subscriptions_that_it_matched(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as one, connected(broker.port) as none, connected(broker.port) as sender:
        one.subscribe(topic, 1, subscription_identifier=268_435_455)
        none.subscribe(topic, 1)
        sender.publish(topic, "x", 1)
        assert [each.properties for each in one.heard()] == [{"subscription_identifier": [268_435_455]}]
        assert [each.properties for each in none.heard()] == [{}]


def test_overlapping_subscriptions_give_one_message_all_their_identifiers(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 sends the first alone; MQTT 5 section 3.3.4 lets a broker send one message or several
    with connected(ours.port) as client, connected(ours.port) as sender:
        client.subscribe(topic, 1, subscription_identifier=2)
        client.subscribe(f"{topic}/#", 2, subscription_identifier=3)
        sender.publish(topic, "x", 1)
        heard = client.heard()
        assert [sorted(each.properties["subscription_identifier"]) for each in heard] == [[2, 3]]


def test_subscribing_again_replaces_the_identifier_and_the_options(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 keeps the first options
    with connected(ours.port) as client:
        client.subscribe(topic, 1, subscription_identifier=7, no_local=True)
        client.subscribe(topic, 1, subscription_identifier=8)
        client.send(wire5.publish(topic, "x"))
        assert [each.properties for each in client.heard()] == [{"subscription_identifier": [8]}]
        client.subscribe(topic, 1)
        client.send(wire5.publish(topic, "x"))
        assert [each.properties for each in client.heard()] == [{}]


def test_a_retained_message_carries_the_identifier_too(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client:
        client.publish(topic, "kept", 1, retain=True)
        client.send(subscribe((topic, 1), subscription_identifier=5))
        assert [each.properties for each in client.heard()] == [{"subscription_identifier": [5]}]


def test_an_identifier_of_nought_is_a_protocol_error(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client:
        client.send(subscribe((topic, 1), subscription_identifier=0))
        told = client.receive()
        assert told is None or told.reason in (0x81, 0x82)
        assert told is None or client.is_closed()


def test_unsubscribing_says_of_each_filter_whether_it_was_there(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client:
        client.subscribe(f"{topic}/a", 1)
        client.send(unsubscribe(f"{topic}/a", f"{topic}/b"))
        assert client.expect(UNSUBACK).reasons == bytes([0, 0x11])


def test_each_message_goes_to_one_member_of_a_group_and_to_everybody_else(
    broker: RunningBroker, topic: str, mqtt: Any
) -> None:
    count = 20
    with (
        mqtt.connected(broker.port) as one,
        wire.connected(broker.port) as other,
        mqtt.connected(broker.port) as alone,
        mqtt.connected(broker.port) as plain,
    ):
        for member in (one, other):
            assert member.subscribe(f"$share/group/{topic}/+", 1) == 1
        alone.subscribe(f"$share/another/{topic}/#", 1)
        plain.subscribe(f"{topic}/+", 1)
        with mqtt.connected(broker.port) as sender:
            for each in range(count):
                sender.publish(f"{topic}/a", str(each), 1)
        shares = [[int(each.payload) for each in member.heard()] for member in (one, other)]
        assert sorted(shares[0] + shares[1]) == list(range(count))
        assert all(len(share) == count / 2 for share in shares), shares
        assert all(share == sorted(share) for share in shares)
        for member in (alone, plain):
            assert [int(each.payload) for each in member.heard()] == list(range(count))


def test_what_a_member_leaves_behind_goes_to_the_others(broker: RunningBroker, topic: str, mqtt: Any) -> None:
    with mqtt.connected(broker.port) as one, mqtt.connected(broker.port) as sender:
        with mqtt.connected(broker.port) as other:
            for member in (one, other):
                member.subscribe(f"$share/group/{topic}", 1)
            other.send(mqtt.unsubscribe(f"$share/group/{topic}"))
            other.expect(UNSUBACK)
            for _ in range(4):
                sender.publish(topic, "x", 1)
            assert (len(one.heard()), len(other.heard())) == (4, 0)
            other.subscribe(f"$share/group/{topic}", 1)
        wire.wait_for(lambda: _all_four_arrive(sender, one, topic))


def _all_four_arrive(sender: Any, member: Any, topic: str) -> bool:
    for _ in range(4):
        sender.publish(topic, "x", 1)
    return len(member.heard()) == 4


def test_a_share_is_told_nothing_that_is_retained(ours: RunningBroker, topic: str, mqtt: Any) -> None:
    # MQTT 5 section 4.8.2; mosquitto 2.0.11 sends what is retained all the same
    with mqtt.connected(ours.port) as client:
        client.publish(topic, "kept", 1, retain=True)
        client.subscribe(f"$share/group/{topic}", 1)
        assert client.heard() == []


def test_the_options_of_one_filter_are_its_own(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client:
        client.subscribe(f"{topic}/quiet", 0, no_local=True)
        client.subscribe(f"{topic}/loud", 0)
        for each in ("quiet", "loud"):
            client.send(wire5.publish(f"{topic}/{each}", "x"))
        assert client.expect(PUBLISH).topic == f"{topic}/loud"
        client.ping()
