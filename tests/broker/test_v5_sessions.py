"""What a client of MQTT 5 says about its life: how long its session is kept, its will, its id, its keepalive."""

import time
from pathlib import Path
from typing import Any

import pytest

from . import wire
from .conftest import RunningBroker, _run
from .wire import CONNACK, PUBREC
from .wire5 import Client, connect, connected, disconnect, publish


def test_a_session_without_an_expiry_ends_with_its_connection(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic, session_expiry=0) as client:
        client.subscribe(topic, 1)
        client.send(disconnect())
        assert client.is_closed()
    assert not _session_present(broker, topic)


def test_a_session_is_kept_as_long_as_its_expiry_says(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic, session_expiry=2) as client:
        client.subscribe(topic, 1)
        client.send(disconnect())
        assert client.is_closed()
    with connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/end")
        with connected(broker.port, topic, clean=False, session_expiry=2, **_at_its_end(topic)) as client:
            assert client.connack.session_present
        assert watcher.message(20).payload == "over"  # to look for it would keep it alive
    assert not _session_present(broker, topic, session_expiry=0)


def test_a_goodbye_may_lengthen_and_shorten_the_life_of_a_session(broker: RunningBroker, topic: str) -> None:
    for at_first, at_last, kept in ((1, 60, True), (60, 0, False)):
        with connected(broker.port, topic, session_expiry=at_first) as client:
            client.subscribe(topic, 1)
            client.send(disconnect(session_expiry=at_last))
            assert client.is_closed()
        if kept:  # the shorter time has no say any more
            _let_a_session_of_a_second_end(broker, f"{topic}-other")
        assert _session_present(broker, topic, session_expiry=0) == kept


def test_a_session_cannot_be_made_to_last_by_a_goodbye_if_it_was_not_to_last_at_all(
    broker: RunningBroker, topic: str
) -> None:
    # MQTT 5, 3.14.2.2.2: a protocol error
    with connected(broker.port, topic, session_expiry=0) as client:
        client.send(disconnect(session_expiry=60))
        told = client.receive()
        assert told is None or told.reason == 0x82
    assert not _session_present(broker, topic)


def test_an_id_is_given_to_who_has_none_and_is_good_for_coming_back(broker: RunningBroker) -> None:
    with connected(broker.port, session_expiry=60) as one, connected(broker.port) as other:
        name = one.connack.properties["assigned_client_id"]
        assert name
        assert name != other.connack.properties["assigned_client_id"]
        one.send(disconnect())
        assert one.is_closed()
    assert _session_present(broker, name, session_expiry=0)


def test_no_id_is_given_to_who_has_one(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic) as client:
        assert "assigned_client_id" not in client.connack.properties


def test_the_connack_announces_nothing_that_is_not_so(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port, topic) as client:
        offered = client.connack.properties
    for name in ("retain_available", "wildcard_available", "identifiers_available", "shared_available"):
        assert offered.get(name, 1) == 1
    assert offered.get("maximum_qos", 2) == 2
    assert offered.get("receive_maximum", 65535) >= 1
    assert offered.get("maximum_packet_size", 1 << 28) > 65536


def test_our_connack_announces_our_limits(ours: RunningBroker) -> None:
    with connected(ours.port) as client:
        offered = client.connack.properties
    wanted = {"receive_maximum": 100, "maximum_packet_size": 4_259_840, "topic_alias_maximum": 16}
    assert offered.items() >= wanted.items()


def test_a_session_lives_no_longer_than_the_limit_which_is_announced(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"session_expiry_s": 1}'):
        with connected(ours.port) as watcher:
            watcher.subscribe("long/end")
            with connected(ours.port, "long", session_expiry=1000, **_at_its_end("long")) as client:
                assert client.connack.properties["session_expiry"] == 1
            assert watcher.message().payload == "over"
        assert not _session_present(ours, "long")


def test_a_keepalive_that_the_broker_sets_is_announced(broker: RunningBroker, topic: str) -> None:
    for wanted in (60, 120, 65535):
        with connected(broker.port, topic, keepalive=wanted) as client:
            assert client.connack.properties.get("server_keep_alive", wanted) <= wanted


def test_a_will_is_sent_with_all_its_properties(broker: RunningBroker, topic: str) -> None:
    properties = {
        "user_property": [("a", "2"), ("c", "3")],
        "content_type": "text",
        "payload_format": 1,
        "response_topic": "answers",
        "correlation_data": b"42",
    }
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        connected(broker.port, will=(topic, "gone"), will_properties=properties).socket.close()
        message = watcher.message()
        assert message.payload == "gone"
        assert message.properties == properties


def test_a_delayed_will_is_sent_after_its_delay(ours: RunningBroker, topic: str) -> None:
    _will_comes(ours, topic, 1, 60, 1.0)


def test_a_delayed_will_is_sent_with_the_end_of_the_session_where_that_is_earlier(
    ours: RunningBroker, topic: str
) -> None:
    _will_comes(ours, topic, 60, 1, 1.0)
    _will_comes(ours, f"{topic}-at-once", 60, 0, 0.0)


def _will_comes(broker: RunningBroker, topic: str, delay: int, expiry: int, after: float) -> None:
    """mosquitto 2.0.11 looks for what is due every few seconds, and is not asked."""
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        options = {"will": (topic, "gone"), "will_properties": {"will_delay": delay}, "session_expiry": expiry}
        connected(broker.port, topic, **options).socket.close()
        start = time.monotonic()
        assert watcher.message().payload == "gone"
        assert after - 0.1 < time.monotonic() - start < after + 0.9
        watcher.ping()


def test_who_comes_back_in_time_has_no_will_sent(broker: RunningBroker, topic: str) -> None:
    options = {"will": (topic, "gone"), "will_properties": {"will_delay": 1}, "session_expiry": 60}
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        connected(broker.port, topic, **options).socket.close()
        with connected(broker.port, topic, clean=False, session_expiry=60):
            _let_a_session_of_a_second_end(broker, f"{topic}-other")  # it began later and ends as late
            watcher.ping()


def test_a_clean_start_in_place_of_the_old_session_sends_the_delayed_will(ours: RunningBroker, topic: str) -> None:
    # MQTT 5 section 3.1.3.2.2; mosquitto 2.0.11 forgets the will
    options = {"will": (topic, "gone"), "will_properties": {"will_delay": 60}, "session_expiry": 60}
    with connected(ours.port) as watcher:
        watcher.subscribe(topic)
        connected(ours.port, topic, **options).socket.close()
        with connected(ours.port, topic):
            assert watcher.message().payload == "gone"


def test_a_goodbye_with_the_reason_4_sends_the_will_and_without_it_does_not(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        for reason in (0, 4):
            with connected(broker.port, topic, will=(topic, f"{reason}")) as client:
                client.send(disconnect(reason))
                assert client.is_closed()
        assert watcher.message().payload == "4"
        watcher.ping()


def test_who_is_taken_over_is_told_so(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 closes without a word
    for other in (connected, wire.connected):
        with connected(ours.port, topic) as old, other(ours.port, topic):
            assert old.farewell() == 0x8E


def test_a_message_published_at_qos_2_twice_over_two_connections_arrives_once(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        with connected(broker.port, topic, session_expiry=60) as client:
            client.send(publish(topic, "once", 2, packet_id=3))
            assert client.expect(PUBREC).reason in (0, 0x10)
        with connected(broker.port, topic, clean=False, session_expiry=60) as client:
            client.send(wire.acknowledge(wire.PUBREL, 3))
            assert client.expect(wire.PUBCOMP).reason == 0
        assert [each.payload for each in watcher.heard()] == ["once"]


@pytest.mark.parametrize("session_expiry", [0, 60])
def test_authentication_beyond_a_password_is_refused(broker: RunningBroker, topic: str, session_expiry: int) -> None:
    opening = connect(topic, session_expiry=session_expiry)
    # the authentication method 0x15 is put before the other properties
    at = opening.index(b"MQTT") + 8
    method = b"\x15" + wire.string("SCRAM-SHA-1")
    body = opening[2:at] + bytes([opening[at] + len(method)]) + method + opening[at + 1 :]
    with Client(broker.port, wire.packet(0x10, body)) as client:
        assert client.expect(CONNACK).reason == 0x8C
        assert client.is_closed()


def _at_its_end(topic: str) -> dict[str, Any]:
    """Options of a client whose session ends with a message on `<topic>/end`: a will waits no longer than that."""
    return {"will": (f"{topic}/end", "over"), "will_properties": {"will_delay": 600}}


def _let_a_session_of_a_second_end(broker: RunningBroker, client_id: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(f"{client_id}/end")
        connected(broker.port, client_id, session_expiry=1, **_at_its_end(client_id)).socket.close()
        assert watcher.message(20).payload == "over"


def _session_present(broker: RunningBroker, client_id: str, session_expiry: int | None = None) -> bool:
    with connected(broker.port, client_id, clean=False, session_expiry=session_expiry) as client:
        present: bool = client.connack.session_present
        client.send(disconnect())
        assert client.is_closed()
    return present
