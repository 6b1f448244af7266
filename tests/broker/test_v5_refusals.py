"""MQTT 5: what is wrong or not allowed is answered with its own reason code, and a broker that stops says so."""

from pathlib import Path
from typing import Any

import pytest

from . import wire
from .conftest import RunningBroker, _run
from .wire import PUBACK, PUBCOMP, PUBREC, PUBREL, acknowledge, packet, string
from .wire5 import connect, connected, publish, subscribe

SHUTTING_DOWN, MALFORMED, PROTOCOL_ERROR, TOO_LARGE, WRONG_ALIAS = 0x8B, 0x81, 0x82, 0x95, 0x94

WRONG = {
    "flags": (packet(0x36, string("a") + b"\0\1\0x"), MALFORMED),
    "a topic with a wildcard": (publish("a/#", "x"), MALFORMED),
    "a topic that is not UTF-8": (publish(b"\xff", "x"), MALFORMED),
    "packet id 0": (publish("a", "x", 1, packet_id=0), MALFORMED),
    "a second CONNECT": (connect("again"), PROTOCOL_ERROR),
    "authentication that was not begun": (packet(0xF0), PROTOCOL_ERROR),
    "a property twice": (publish("a", "x", content_type=["a", "b"]), PROTOCOL_ERROR),
    "a property of another packet": (publish("a", "x", receive_maximum=3), PROTOCOL_ERROR),
    "an unknown property": (packet(0x30, string("a") + b"\x02\x7f\0x"), MALFORMED),
    "a property that is cut off": (packet(0x30, string("a") + b"\x03\x02\0\0x"), MALFORMED),
    "properties longer than the packet": (packet(0x30, string("a") + b"\x20\1\0"), MALFORMED),
    "payload format 2": (publish("a", "x", payload_format=2), PROTOCOL_ERROR),
    "a subscription identifier from a client": (publish("a", "x", subscription_identifier=1), PROTOCOL_ERROR),
    "a response topic with a wildcard": (publish("a", "x", response_topic="#"), MALFORMED),
    "a subscription without a filter": (subscribe(), PROTOCOL_ERROR),
    "subscription options of a later MQTT": (packet(0x82, b"\0\1\0" + string("a") + b"\xc0"), MALFORMED),
    "Retain Handling 3": (subscribe(("a", 0), retain_handling=3), MALFORMED),
    "No Local on a shared subscription": (subscribe(("$share/g/a", 0), no_local=True), PROTOCOL_ERROR),
    "subscription identifier 0": (subscribe(("a", 0), subscription_identifier=0), PROTOCOL_ERROR),
    "bytes after a PUBACK": (packet(0x40, b"\0\1\0\0\0"), MALFORMED),
    "an alias beyond what was offered": (publish("a", "x", topic_alias=17), WRONG_ALIAS),
    "an alias that stands for no topic": (publish("", "x", topic_alias=5), PROTOCOL_ERROR),
    "no topic at all": (publish("", "x"), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_the_connection_with_its_reason(ours: RunningBroker, case: str) -> None:
    data, code = WRONG[case]
    with connected(ours.port) as client:
        client.send(data)
        assert client.farewell(2.0) == code


def test_a_packet_larger_than_announced_ends_the_connection(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"packet_bytes": 65536}'):
        with connected(ours.port) as client:
            assert client.connack.properties["maximum_packet_size"] == 65_536
            client.publish("a", "x" * 65_000, 1)
            client.send(publish("a", "x" * 66_000)[:100])
            assert client.farewell() == TOO_LARGE


def test_what_is_not_allowed_is_answered_so_and_the_connection_goes_on(ours: RunningBroker, topic: str) -> None:
    with connected(ours.port) as client:
        for topic_name, qos, answer, reason in (
            (f"$SYS/{topic}", 1, PUBACK, 0x87),
            (f"$SYS/{topic}", 2, PUBREC, 0x87),
            ("/".join("x" * 40), 1, PUBACK, 0x90),
        ):
            client.send(publish(topic_name, "x", qos))
            assert client.expect(answer).reason == reason
        client.send(acknowledge(PUBREL, 99))
        assert client.expect(PUBCOMP).reason == 0x92


@pytest.mark.parametrize("filter_", ["$share/g", "$share//a", "$share/+/a", "$share/g/"])
def test_a_malformed_share_is_not_granted(ours: RunningBroker, filter_: str, mqtt: Any) -> None:
    # mosquitto 2.0.11 grants it, and delivers nothing
    with mqtt.connected(ours.port) as client:
        assert client.subscribe(filter_) == (0x80 if mqtt is wire else 0x8F)
        client.ping()


def test_a_version_newer_than_all_is_refused_in_its_own_words(ours: RunningBroker) -> None:
    hello = packet(0x10, string("MQTT") + b"\x06\x02\0\x3c\0" + string("new"))
    with wire.Client(ours.port, hello) as client:
        assert client.expect(wire.CONNACK).body == b"\0\x84\0"


def test_a_broker_that_stops_says_so(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        with connected(ours.port) as client:
            ours.process.terminate()
            assert client.farewell() == SHUTTING_DOWN
