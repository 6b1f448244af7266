"""MQTT 5: what is offered is announced, what is asked for is done, what is wrong is answered with its reason."""

import time
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from .conftest import RunningBroker, _run
from .five import Five
from .wire import Client, connect, connected, packet, string

TAKEN_OVER, SHUTTING_DOWN, KEEPALIVE, MALFORMED, PROTOCOL_ERROR = 0x8E, 0x8B, 0x8D, 0x81, 0x82


def options(pattern: str, **more: Any) -> mqtt5.TopicFilter:
    return mqtt5.TopicFilter(pattern, **{"max_qos": mqtt5.QoS.AT_LEAST_ONCE, "retain_as_published": False} | more)


# -- connecting


def test_connack_announces_what_is_offered(ours: RunningBroker) -> None:
    with Five(ours.port) as client:
        offered = client.connack
        assert (offered.receive_max, offered.max_packet_size, offered.topic_alias_max) == (100, 4_259_840, 16)
        assert (offered.max_qos, offered.retain_available, offered.subscription_id_available) == (2, True, True)
        assert (offered.shared_subscription_available, offered.wildcard_subscription_available) == (True, True)
        assert offered.assigned_client_id
        client.ping()


def test_a_client_without_an_id_is_given_one_that_nobody_else_has(broker: RunningBroker) -> None:
    with Five(broker.port) as one, Five(broker.port) as other:
        assert one.connack.assigned_client_id != other.connack.assigned_client_id
    with Five(broker.port, "mine") as client:
        assert client.connack.assigned_client_id is None


def test_a_session_lives_as_long_as_it_was_asked_for(broker: RunningBroker, topic: str) -> None:
    for expiry, present in ((0, False), (60, True), (1, False)):
        with Five(broker.port, topic, session_expiry_interval=expiry) as client:
            client.subscribe(topic)
        if expiry == 1:
            time.sleep(1.0)
            with connected(broker.port) as watcher:
                until = time.monotonic() + broker.tick + 1
                while time.monotonic() < until:
                    watcher.ping()
                    time.sleep(0.2)
        with Five(broker.port, topic, clean_start=False) as client:
            assert client.connack.session_present is present


def test_a_session_lives_no_longer_than_the_limit_and_the_client_is_told(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"session_expiry_s": 1}'):
        with Five(ours.port, "long", session_expiry_interval=1000) as client:
            assert client.connack.session_expiry_interval == 1
        time.sleep(1.2)
        with Five(ours.port, "long", clean_start=False) as client:
            assert not client.connack.session_present


def test_a_disconnect_can_shorten_the_session_but_not_begin_one(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port, topic, session_expiry_interval=60) as client:
        client.send(mqtt5.DisconnectPacket(session_expiry_interval=0))
        assert client.receive() is None
    with Five(broker.port, topic, clean_start=False) as client:
        assert not client.connack.session_present
        client.send(mqtt5.DisconnectPacket(session_expiry_interval=60))
        assert client.farewell() == PROTOCOL_ERROR


@pytest.mark.parametrize("method", ["SCRAM-SHA-1", ""])
def test_enhanced_authentication_is_refused(ours: RunningBroker, method: str) -> None:
    with Five(ours.port, authentication_method=method or "x") as client:
        assert client.connack.reason_code == 0x8C
        assert client.receive() is None
    with Five(ours.port) as client:
        client.send(packet(0xF0))
        assert client.farewell() == PROTOCOL_ERROR


# -- messages


def test_what_a_publisher_adds_reaches_clients_of_5_and_none_of_it_those_of_3_1_1(
    broker: RunningBroker, topic: str
) -> None:
    pairs = [("b", "1"), ("a", "2"), ("b", "3")]
    with Five(broker.port) as sender, Five(broker.port) as five, connected(broker.port) as older:
        five.subscribe(topic)
        older.subscribe(topic, 1)
        for qos in (0, 1, 2):
            sender.publish(
                topic,
                b"payload",
                qos,
                payload_format_indicator=1,
                content_type="text/plain",
                response_topic="answer/here",
                correlation_data=b"\0\xff",
                user_properties=pairs,
            )
            found = five.expect(mqtt5.PublishPacket)
            assert (found.payload, found.qos, found.payload_format_indicator) == (b"payload", qos, 1)
            assert (found.content_type, found.response_topic) == ("text/plain", "answer/here")
            assert (found.correlation_data, found.user_properties) == (b"\0\xff", pairs)
            assert (found.topic_alias, found.message_expiry_interval, found.subscription_ids) == (None, None, [])
            if qos == 1:
                five.send(mqtt5.PubAckPacket(found.packet_id or 0))
            elif qos == 2:
                five.send(mqtt5.PubRecPacket(found.packet_id or 0))
                five.expect(mqtt5.PubRelPacket)
                five.send(mqtt5.PubCompPacket(found.packet_id or 0))
            assert (message := older.message()).payload == "payload"
            assert message.qos == min(qos, 1)
        five.ping()


def test_a_message_of_3_1_1_reaches_a_client_of_5(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as five, connected(broker.port) as older:
        five.subscribe(topic)
        older.publish(topic, "old", 1)
        assert five.message().payload == b"old"


def test_a_message_that_has_expired_is_not_delivered_and_the_rest_of_its_time_is_told(
    broker: RunningBroker, topic: str
) -> None:
    with Five(broker.port) as sender:
        with Five(broker.port, topic, session_expiry_interval=60) as away:
            away.subscribe(topic)
        for seconds in (1, 30):
            sender.publish(topic, b"%d" % seconds, 1, message_expiry_interval=seconds)
            sender.publish(f"{topic}/kept", b"%d" % seconds, 1, message_expiry_interval=seconds, retain=True)
            time.sleep(1.2)
        with Five(broker.port, topic, clean_start=False) as late:
            message = late.message()
            assert message.payload == b"30"
            assert message.message_expiry_interval in (28, 29)
            late.ping()
            late.send_subscribe(f"{topic}/kept")
            arrived = [late.receive(), late.receive()]
            kept = next(one for one in arrived if isinstance(one, mqtt5.PublishPacket))
            assert kept.message_expiry_interval in (28, 29)


def test_a_retained_message_that_has_expired_is_gone(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as sender, Five(broker.port) as receiver:
        sender.publish(topic, b"short", 1, message_expiry_interval=1, retain=True)
        time.sleep(1.3)
        receiver.subscribe(topic)
        receiver.ping()


def test_no_local_retain_as_published_and_retain_handling(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as client, Five(broker.port) as sender:
        client.subscribe(options(topic, no_local=True, retain_as_published=True))
        client.publish(topic, b"my own", 1)
        client.ping()
        sender.publish(topic, b"kept", 1, retain=True)
        assert client.message().retain
        for handling, comes in ((2, False), (1, False), (0, True)):
            client.send_subscribe(options(topic, retain_handling=mqtt5.RetainHandling(handling)))
            client.expect(mqtt5.SubAckPacket)
            if comes:
                assert client.message().retain
            client.ping()
        with Five(broker.port) as new:
            new.send_subscribe(options(topic, retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS))
            assert {type(new.receive()) for _ in range(2)} == {mqtt5.SubAckPacket, mqtt5.PublishPacket}


def test_a_message_names_the_subscriptions_that_it_came_by(ours: RunningBroker, topic: str) -> None:
    with Five(ours.port) as client, Five(ours.port) as sender:  # mosquitto 2.0.11 sends one copy for each
        client.subscribe(f"{topic}/#", identifier=300)
        client.subscribe(f"{topic}/+", identifier=2)
        client.subscribe(f"{topic}/a")
        for level, identifiers in (("b", [2, 300]), ("b/c", [300])):
            sender.publish(f"{topic}/{level}")
            assert sorted(client.message().subscription_ids) == identifiers
        client.ping()


def test_a_client_is_sent_no_more_than_it_takes_at_once(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as sender, Five(broker.port, receive_max=3) as receiver:
        receiver.subscribe(topic, qos=1)
        for each in range(10):
            sender.publish(topic, b"%d" % each, 1)
        open_ids = [receiver.expect(mqtt5.PublishPacket).packet_id for _ in range(3)]
        receiver.ping()
        for each in range(3, 10):
            receiver.send(mqtt5.PubAckPacket(open_ids.pop(0) or 0))
            found = receiver.expect(mqtt5.PublishPacket)
            assert found.payload == b"%d" % each
            open_ids.append(found.packet_id)
        receiver.ping()


def test_a_client_that_opens_more_messages_of_qos_2_than_announced_is_told_so(ours: RunningBroker, topic: str) -> None:
    with Five(ours.port) as client:
        for each in range(1, 102):
            client.send(mqtt5.PublishPacket(topic, b"x", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=each))
        for _ in range(100):
            client.expect(mqtt5.PubRecPacket)
        assert client.farewell() == 0x93


def test_a_packet_larger_than_a_client_takes_is_not_sent_to_it(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as sender, Five(broker.port, max_packet_size=100) as receiver:
        receiver.subscribe(topic)
        for size in (10, 100, 20):
            sender.publish(topic, b"x" * size, 1)
        assert [len(receiver.message().payload) for _ in range(2)] == [10, 20]
        receiver.ping()


def test_a_packet_larger_than_announced_ends_the_connection(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"packet_bytes": 65536}'):
        with Five(ours.port) as client:
            assert client.connack.max_packet_size == 65_536
            client.publish("a", b"x" * 65_000, 1)
            client.send(mqtt5.PublishPacket("a", b"x" * 66_000).write()[:100])
            assert client.farewell() == 0x95


def test_topics_may_be_given_as_numbers(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as client, connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/#")
        client.send(mqtt5.PublishPacket(f"{topic}/a", b"1", topic_alias=1))
        client.send(mqtt5.PublishPacket("", b"2", topic_alias=1))
        client.send(mqtt5.PublishPacket(f"{topic}/b", b"3", topic_alias=1))
        client.send(mqtt5.PublishPacket("", b"4", topic_alias=1))
        heard = [watcher.message() for _ in range(4)]
        assert [one.topic[len(topic) + 1 :] + one.payload for one in heard] == ["a1", "a2", "b3", "b4"]


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


# -- wills


def test_a_will_waits_for_its_delay_and_a_client_that_is_back_cancels_it(ours: RunningBroker, topic: str) -> None:
    will = mqtt5.Will(topic, payload=b"gone", will_delay_interval=1, user_properties=[("why", "death")])
    with Five(ours.port) as watcher:
        watcher.subscribe(topic)
        Five(ours.port, topic, session_expiry_interval=60, will=will).socket.close()
        start = time.monotonic()
        found = watcher.message()
        assert found.user_properties == [("why", "death")]
        assert 0.9 < time.monotonic() - start < 2.0
        Five(ours.port, topic, session_expiry_interval=60, will=will).socket.close()
        with Five(ours.port, topic, clean_start=False, session_expiry_interval=60) as back:
            with pytest.raises(TimeoutError):
                watcher.receive(1.3)
            back.send(mqtt5.DisconnectPacket())


def test_a_will_comes_at_once_with_the_end_of_its_session(ours: RunningBroker, topic: str) -> None:
    will = mqtt5.Will(topic, payload=b"gone", will_delay_interval=100)
    with Five(ours.port) as watcher:
        watcher.subscribe(topic)
        Five(ours.port, topic, will=will).socket.close()  # its session ends with it
        assert watcher.message(1.0).payload == b"gone"
        Five(ours.port, topic, session_expiry_interval=60, will=will).socket.close()
        with Five(ours.port, topic, clean_start=True):
            assert watcher.message(1.0).payload == b"gone"


def test_a_client_can_leave_with_its_will(broker: RunningBroker, topic: str) -> None:
    with Five(broker.port) as watcher:
        watcher.subscribe(topic)
        with Five(broker.port, will=mqtt5.Will(topic, payload=b"will")) as client:
            reason = mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
            client.send(mqtt5.DisconnectPacket(reason_code=reason))
            assert watcher.message(2.0).payload == b"will"


# -- the broker's own DISCONNECT, and other reasons


def test_who_is_taken_over_is_told_so(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 says nothing where the new connection begins a new session
    for other in (Five, connected):
        with Five(ours.port, topic) as old, other(ours.port, topic):
            assert old.farewell() == TAKEN_OVER


def test_who_is_silent_for_too_long_is_told_so(ours: RunningBroker) -> None:
    with Five(ours.port, keep_alive=1) as client:
        assert client.farewell(3.0) == KEEPALIVE


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


def test_a_member_that_goes_leaves_its_share_to_the_others(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as sender, Five(broker.port) as stays:
        stays.subscribe(f"$share/group/{topic}")
        with Five(broker.port) as goes:
            goes.subscribe(f"$share/group/{topic}")
            goes.send(mqtt5.DisconnectPacket())
            assert goes.receive() is None
        for each in range(4):
            sender.publish(topic, str(each), 1)
            assert stays.message().payload == str(each).encode()


def test_a_shared_subscription_without_group_or_filter_is_refused(ours: RunningBroker) -> None:
    with Five(ours.port) as client, connected(ours.port) as older:
        for wrong in ("$share//a", "$share/g", "$share/g/", "$share/+/a"):
            assert older.subscribe(wrong) == 0x80
            client.send(packet(0x82, b"\0\1\0" + string(wrong) + b"\0"))
            assert client.expect(mqtt5.SubAckPacket).reason_codes == [0x8F]
