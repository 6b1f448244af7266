"""What a message of MQTT 5 carries: properties for the reader, an expiry, a topic alias; and how many may be open."""

import socket

import pytest

from . import wire
from .conftest import RunningBroker
from .wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, acknowledge, wait_for
from .wire5 import DISCONNECT, Client, connected, publish, subscribe

FOR_THE_READER = {
    "payload_format": 1,
    "content_type": "application/json",
    "response_topic": "answers/here",
    "correlation_data": b"\0\xff",
    "user_property": [("a", "2"), ("c", "3"), ("a", "again")],
}


@pytest.mark.parametrize("quality", [0, 1, 2])
def test_what_a_message_says_to_its_reader_arrives_unchanged_live_retained_and_late(
    broker: RunningBroker, topic: str, quality: int
) -> None:
    with connected(broker.port, topic, session_expiry=60) as away:
        away.subscribe(topic, 2)
    with connected(broker.port) as live, connected(broker.port) as sender:
        live.subscribe(topic, 2)
        sender.publish(topic, "hello", quality, retain=True, **FOR_THE_READER)
        heard = live.heard()
        with connected(broker.port) as late:
            late.send(subscribe((topic, 2)))
            heard += late.heard()
        if quality:
            with connected(broker.port, topic, clean=False) as away:
                heard += away.heard()
        assert len(heard) == (3 if quality else 2)
        for message in heard:
            assert (message.payload, message.qos, message.properties) == ("hello", quality, FOR_THE_READER)


def test_a_reader_of_311_gets_the_message_without_what_it_cannot_read(broker: RunningBroker, topic: str) -> None:
    with wire.connected(broker.port) as plain, connected(broker.port) as sender:
        plain.subscribe(topic, 1)
        sender.publish(topic, "hello", 1, **FOR_THE_READER)
        message = plain.message()
        assert (message.topic, message.payload) == (topic, "hello")


def test_an_answer_finds_its_way_by_response_topic_and_correlation_data(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as asking, connected(broker.port) as answering:
        asking.subscribe(f"{topic}/answer", 1)
        answering.subscribe(f"{topic}/question", 1)
        asking.publish(f"{topic}/question", "?", 1, response_topic=f"{topic}/answer", correlation_data=b"7")
        question = answering.message()
        about = question.properties
        answering.publish(about["response_topic"], "!", 1, correlation_data=about["correlation_data"])
        answer = asking.message()
        assert (answer.topic, answer.payload, answer.properties) == (f"{topic}/answer", "!", {"correlation_data": b"7"})


def test_a_message_that_expires_while_its_reader_is_away_is_not_delivered(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic, session_expiry=60) as away:
        away.subscribe(topic, 2)
    with connected(broker.port) as sender:
        for expiry in (1, 30):
            for quality in (1, 2):
                sender.publish(topic, f"{quality} within {expiry}", quality, message_expiry=expiry)
        _let_pass(2, sender, f"{topic}/clock")  # mosquitto counts whole seconds, and one more
    with connected(broker.port, topic, clean=False) as away:
        heard = away.heard()
        assert [each.payload for each in heard] == ["1 within 30", "2 within 30"]
        assert all(20 <= each.properties["message_expiry"] <= 29 for each in heard)


def test_a_retained_message_expires_too(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender:
        sender.publish(f"{topic}/longer", "kept", 1, retain=True, message_expiry=60)
        _let_pass(1, sender, topic)
        sender.send(subscribe((f"{topic}/#", 1)))
        heard = sender.heard()
        assert [each.topic for each in heard] == [f"{topic}/longer"]
        assert 50 <= heard[0].properties["message_expiry"] <= 59


def _let_pass(seconds: int, client: Client, topic: str) -> None:
    """Until a message that is retained for so long is no longer there: older ones with this expiry are over, too."""
    client.publish(topic, "kept", 1, retain=True, message_expiry=seconds)

    def is_over() -> bool:
        client.send(subscribe((topic, 0)))
        return not client.heard()

    assert not is_over()
    wait_for(is_over)


def test_a_client_may_speak_by_aliases_that_end_with_its_connection(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as receiver, connected(broker.port, topic, session_expiry=60) as client:
        most = client.connack.properties.get("topic_alias_maximum", 0)
        assert most > 1
        receiver.subscribe(f"{topic}/#", 1)
        client.publish(f"{topic}/a", "by name", 1, topic_alias=1)
        client.publish("", "by alias", 1, topic_alias=1)
        client.publish(f"{topic}/b", "another name", 1, topic_alias=1)
        client.publish("", "by the other alias", 1, topic_alias=1)
        client.publish(f"{topic}/c", "the greatest", 1, topic_alias=most)
        client.publish("", "the greatest again", 1, topic_alias=most)
        heard = receiver.heard()
        assert [each.topic[-1] for each in heard] == list("aabbcc")
        assert all("topic_alias" not in each.properties for each in heard)
        with connected(broker.port, topic, clean=False) as again:
            again.send(publish("", "whose alias?", 1, topic_alias=1))
            _refused(again, 0x82, 0x94)
        receiver.ping()


@pytest.mark.parametrize("which", ["nought", "beyond what was offered", "unknown", "no topic at all"])
def test_a_wrong_alias_ends_the_connection(broker: RunningBroker, topic: str, which: str) -> None:
    with connected(broker.port) as client:
        beyond = client.connack.properties.get("topic_alias_maximum", 0) + 1
        alias = {"nought": 0, "beyond what was offered": beyond, "unknown": 1, "no topic at all": None}[which]
        client.send(publish(topic if alias in (0, beyond) else "", "x", 1, topic_alias=alias))
        _refused(client, 0x82, 0x94, 0x90, 0x81)


def test_the_broker_uses_aliases_where_a_client_allows_them_and_never_more(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 uses none
    with connected(ours.port, topic_alias_maximum=1) as client, connected(ours.port) as plain:
        for each in (client, plain):
            each.subscribe(f"{topic}/#", 1)
        for quality in (0, 1, 0):
            client.send(publish(f"{topic}/a", "x", quality))
        client.send(publish(f"{topic}/b", "x"))
        heard, known = client.heard(), dict[int, str]()
        for message in heard:
            alias = message.properties.get("topic_alias")
            assert alias in (None, 1)
            if alias and message.topic:
                known[alias] = message.topic
        names = [each.topic or known[each.properties["topic_alias"]] for each in heard]
        assert names == [f"{topic}/a"] * 3 + [f"{topic}/b"]
        assert [each.topic for each in heard[1:3]] == ["", ""]
        assert [(each.topic, each.properties) for each in plain.heard()] == [(name, {}) for name in names]


@pytest.mark.parametrize("quality", [0, 1, 2])
def test_a_message_larger_than_its_reader_takes_is_not_sent_to_it(
    broker: RunningBroker, topic: str, quality: int
) -> None:
    with connected(broker.port, maximum_packet_size=64) as small, connected(broker.port) as large:
        for client in (small, large):
            client.subscribe(topic, 2)
        with connected(broker.port) as sender:
            for size in (30, 64, 20):
                sender.publish(topic, "x" * size, quality)
        assert [len(each.payload) for each in large.heard()] == [30, 64, 20]
        assert [len(each.payload) for each in small.heard()] == [30, 20]
        small.ping()


def test_what_is_in_the_way_of_a_reader_that_is_slow_to_acknowledge_waits_for_it(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port, receive_maximum=2) as client, connected(broker.port) as sender:
        client.subscribe(topic, 2)
        for each in range(1, 6):
            sender.publish(topic, str(each), 1 + each % 2)
        first, second = client.expect(PUBLISH), client.expect(PUBLISH)
        assert [first.payload, second.payload] == ["1", "2"]
        sender.publish(f"{topic}/other", "", 1)
        client.ping()  # nothing more has come
        client.send(acknowledge(PUBACK, second.packet_id))
        third = client.expect(PUBLISH)
        assert third.payload == "3"
        client.send(acknowledge(PUBREC, first.packet_id))
        assert client.expect(PUBREL).packet_id == first.packet_id
        client.ping()  # a message of QoS 2 is open until its PUBCOMP
        client.send(acknowledge(PUBCOMP, first.packet_id))
        assert client.expect(PUBLISH).payload == "4"


def test_messages_of_qos_0_do_not_wait_for_a_reader_to_acknowledge_others(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, receive_maximum=1) as client, connected(broker.port) as sender:
        client.subscribe(topic, 1)
        sender.publish(topic, "open", 1)
        assert client.expect(PUBLISH).payload == "open"
        sender.publish(topic, "waits", 1)
        sender.publish(topic, "passes", 0)
        assert client.expect(PUBLISH).payload == "passes"


def test_a_publisher_with_more_open_messages_than_the_broker_takes_is_told_and_closed(
    ours: RunningBroker, topic: str
) -> None:
    # mosquitto 2.0.11 announces 20 and does not enforce it
    with connected(ours.port) as client:
        most = client.connack.properties["receive_maximum"]
        client.send(b"".join(publish(topic, "x", 2, packet_id=each) for each in range(1, most + 1)))
        for each in range(1, most + 1):
            assert client.expect(PUBREC).packet_id == each
        client.ping()
        client.send(publish(topic, "one too many", 2, packet_id=most + 1))
        assert client.farewell() == 0x93


def test_a_packet_larger_than_the_broker_takes_is_refused_by_its_reason(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 has no limit unless it is configured
    with connected(ours.port) as client, connected(ours.port) as other:
        most = client.connack.properties["maximum_packet_size"]
        client.try_send(b"\x30" + b"\xff\xff\xff\x7f")
        assert most < 268_435_455
        assert client.farewell() == 0x95
        other.ping()


def test_who_is_still_sending_hears_why_its_connection_ends(ours: RunningBroker, topic: str) -> None:
    # what is sent to a closed socket resets it, and the reason that has come is lost with it
    with connected(ours.port) as client:
        most = client.connack.properties["receive_maximum"]
        client.send(b"".join(publish(topic, "x", 2, packet_id=each) for each in range(1, most + 2)))
        wait_for(lambda: b"\x93" in client.socket.recv(65536, socket.MSG_PEEK)[4 * most :])
        for each in range(1, most + 1):
            client.send(acknowledge(PUBREL, each))
        answers = [client.receive() for _ in range(most + 1)]
        assert answers[-1] is not None
        assert (answers[-1].kind, answers[-1].reason) == (DISCONNECT, 0x93)


def test_the_acknowledgement_says_where_nobody_listens(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as client:
        for quality, answer in ((1, PUBACK), (2, PUBREC)):
            client.send(publish(topic, "x", quality, packet_id=9))
            assert client.expect(answer).reason in (0, 0x10)


def _refused(client: Client, *reasons: int) -> None:
    """The broker closes the connection, and where it says why, it is one of these reasons."""
    told = client.receive()
    assert told is None or told.reason in reasons, told
    assert told is None or client.is_closed()
