"""Messages arrive: in order, at the right quality, at everybody who asked, and last wills when they are due."""

import time

import pytest

from .conftest import RunningBroker
from .wire import (
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    acknowledge,
    connected,
    publish,
    subscribe,
    unsubscribe,
)


@pytest.mark.parametrize("subscribed", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
def test_a_message_arrives_at_the_lower_of_the_qualities_published_and_subscribed(
    broker: RunningBroker, topic: str, published: int, subscribed: int
) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        assert receiver.subscribe(topic, subscribed) == subscribed
        sender.publish(topic, "payload", published)
        message = receiver.expect(PUBLISH)
        assert (message.topic, message.payload, message.retained) == (topic, "payload", False)
        assert message.qos == min(published, subscribed)
        if message.qos == 1:
            receiver.send(acknowledge(PUBACK, message.packet_id))
        elif message.qos == 2:
            receiver.send(acknowledge(PUBREC, message.packet_id))
            assert receiver.expect(PUBREL).packet_id == message.packet_id
            receiver.send(acknowledge(PUBCOMP, message.packet_id))
        receiver.ping()


def test_500_messages_of_qos_1_sent_in_one_go_arrive_in_order_though_the_sender_leaves_at_once(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        receiver.subscribe(topic, 1)
        burst = b"".join(publish(topic, str(each), 1, packet_id=each) for each in range(1, 501))
        sender.send(burst + DISCONNECT)
        assert [int(receiver.message().payload) for _ in range(500)] == list(range(1, 501))


def test_a_message_of_qos_2_that_is_sent_twice_arrives_once(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        receiver.subscribe(topic, 0)
        for _ in range(2):
            sender.send(publish(topic, "once", 2, packet_id=9))
            assert sender.expect(PUBREC).packet_id == 9
        sender.send(acknowledge(PUBREL, 9))
        assert sender.expect(PUBCOMP).packet_id == 9
        assert receiver.message().payload == "once"
        receiver.ping()


def test_a_client_with_two_matching_filters_gets_one_copy_at_the_higher_quality(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        receiver.subscribe(f"{topic}/#", 0)
        receiver.subscribe(f"{topic}/a", 1)
        sender.publish(f"{topic}/a", "once", 1)
        assert receiver.message().qos == 1
        receiver.ping()


def test_subscribing_again_with_another_quality_replaces_the_first(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        for quality in (0, 1, 0):
            assert receiver.subscribe(topic, quality) == quality
            sender.publish(topic, "payload", 1)
            assert receiver.message().qos == quality
            receiver.ping()


def test_nothing_arrives_after_unsubscribe(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as receiver:
        receiver.subscribe(topic)
        receiver.send(unsubscribe(topic))
        receiver.expect(UNSUBACK)
        sender.publish(topic, "late", 1)
        receiver.ping()


def test_clients_that_subscribe_and_unsubscribe_meanwhile_cost_a_subscriber_no_message(
    broker: RunningBroker, topic: str
) -> None:
    count = 300
    with (
        connected(broker.port) as sender,
        connected(broker.port) as receiver,
        connected(broker.port) as first,
        connected(broker.port) as second,
    ):
        receiver.subscribe(f"{topic}/#", 1)
        for each in range(1, count + 1):
            first.send(subscribe((f"{topic}/{each}/#", 0), (f"{topic}/+/{each}", 1)))
            sender.send(publish(f"{topic}/{each}", str(each), 1, packet_id=each))
            second.send(subscribe((f"{topic}/{each}", 0)) + unsubscribe(f"{topic}/{each}"))
            first.send(unsubscribe(f"{topic}/{each}/#"))
        assert [int(receiver.message().payload) for _ in range(count)] == list(range(1, count + 1))


@pytest.mark.parametrize("ours", ["ours"], indirect=True)
def test_a_message_that_is_never_acknowledged_disturbs_nobody(ours: RunningBroker, topic: str) -> None:
    before = ours.log()
    with connected(ours.port) as sender, connected(ours.port) as deaf, connected(ours.port) as receiver:
        deaf.subscribe(topic, 1)
        receiver.subscribe(topic, 1)
        sender.publish(topic, "first", 1)
        unacknowledged = deaf.expect(PUBLISH)
        receiver.message()
        until = time.monotonic() + 5.2  # amqtt's patience with a PUBACK is 5 s
        while time.monotonic() < until:
            sender.publish(topic, "and another", 1)
            assert deaf.expect(PUBLISH).qos == receiver.message().qos == 1
            assert not sender.is_closed(0.1)
        deaf.send(acknowledge(PUBACK, unacknowledged.packet_id))
        deaf.ping()
    assert ours.log() == before


def test_filters_that_nobody_holds_any_longer_slow_nothing_down(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, connected(broker.port) as fickle:
        for each in range(15):
            filters = [f"{topic}/{each}/{number}/+" for number in range(2000)]
            fickle.send(subscribe(*((one, 0) for one in filters)) + unsubscribe(*filters))
            assert [fickle.expect(kind).kind for kind in (SUBACK, UNSUBACK)]
        start = time.monotonic()
        for _ in range(30):
            sender.publish(topic, "payload", 1)
        assert time.monotonic() - start < 0.3


def test_the_will_is_sent_when_a_connection_breaks_off(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/#", 1)
        connected(broker.port, topic, will=(f"{topic}/will", "closed"), will_qos=1).socket.close()
        assert watcher.message().payload == "closed"
        connected(broker.port, topic, will=(f"{topic}/will", "reset"), will_qos=1).reset()
        message = watcher.message()
        assert (message.topic, message.payload, message.qos) == (f"{topic}/will", "reset", 1)


def test_no_will_is_sent_after_disconnect(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/#", 1)
        with connected(broker.port, topic, will=(f"{topic}/will", "gone")) as client:
            client.send(publish(f"{topic}/last", "words") + DISCONNECT)
            assert client.is_closed()
        assert watcher.message().topic == f"{topic}/last"
        watcher.ping()
