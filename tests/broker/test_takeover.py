"""A device that comes back under its client id: the old connection ends, and harms the new one in nothing."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import RunningBroker
from .wire import (
    CONNACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    Client,
    acknowledge,
    connect,
    connected,
    publish,
    subscribe,
    wait_for,
)


def test_the_old_connection_is_closed_and_its_will_comes_before_anything_from_the_new_one(
    broker: RunningBroker, topic: str
) -> None:
    state = f"{topic}/availability"
    with connected(broker.port) as watcher:
        watcher.subscribe(state, 1)
        with connected(broker.port, topic, will=(state, "offline"), will_qos=1, will_retain=True) as old:
            new = Client(broker.port, connect(topic, will=(state, "other")) + publish(state, "online", retain=True))
            with new:
                new.expect(CONNACK)
                assert old.is_closed(1.0)
                assert [watcher.message().payload for _ in range(2)] == ["offline", "online"]
                new.ping()
        assert watcher.message().payload == "other"
    assert _retained(broker, state) == "online"


@pytest.mark.parametrize("clean", [True, False])
def test_a_retained_will_never_overwrites_what_the_new_connection_says(
    broker: RunningBroker, topic: str, clean: bool
) -> None:
    state = f"{topic}/availability"
    lives = []
    try:
        for _ in range(10):
            opening = connect(topic, clean=clean, will=(state, "offline"), will_retain=True)
            lives.append(Client(broker.port, opening + publish(state, "online", retain=True)))
            lives[-1].expect(CONNACK)
            lives[-1].ping()
            assert _retained(broker, state) == "online"
        assert all(each.is_closed(1.0) for each in lives[:-1])
        assert _retained(broker, state) == "online"
    finally:
        for each in lives:
            each.socket.close()
    wait_for(lambda: _retained(broker, state) == "offline")


@pytest.mark.parametrize("broker", ["ours", "mosquitto"], indirect=True)
def test_the_new_connection_is_not_deaf(broker: RunningBroker, topic: str) -> None:
    clean, kept = f"{topic}-clean", f"{topic}-kept"
    with (
        connected(broker.port) as sender,
        connected(broker.port, clean) as old_clean,
        connected(broker.port, kept, clean=False) as old_kept,
    ):
        old_clean.subscribe(f"{topic}/old", 1)
        old_kept.subscribe(f"{topic}/old", 1)
        with connected(broker.port, clean) as new_clean, connected(broker.port, kept, clean=False) as new_kept:
            assert old_clean.is_closed(1.0)
            assert old_kept.is_closed(1.0)
            for new in (new_clean, new_kept):
                assert new.subscribe(f"{topic}/set", 1) == 1
            until = time.monotonic() + 1.2  # amqtt looks for dead sessions once a second
            while time.monotonic() < until:
                sender.publish(f"{topic}/set", "to the new ones", 1)
                for new in (new_clean, new_kept):
                    assert new.message().payload == "to the new ones"
                assert not sender.is_closed(0.05)
            sender.publish(f"{topic}/old", "to what is kept of the old ones", 1)
            assert new_kept.message().topic == f"{topic}/old"
            new_kept.ping()
            new_clean.ping()


def test_what_the_old_connection_of_a_persistent_session_did_not_acknowledge_comes_again(
    broker: RunningBroker, topic: str
) -> None:
    with connected(broker.port) as sender, connected(broker.port, topic, clean=False) as old:
        old.subscribe(topic, 2)
        for quality in (1, 2):
            sender.publish(topic, f"of QoS {quality}", quality)
            assert old.expect(PUBLISH).qos == quality
        with Client(broker.port, connect(topic, clean=False)) as new:
            assert new.expect(CONNACK).body == b"\1\0"
            first, second = new.message(), new.message()
            assert [first.payload, second.payload] == ["of QoS 1", "of QoS 2"]
            assert first.duplicate
            assert second.duplicate
            new.send(acknowledge(PUBREC, second.packet_id))
            assert new.expect(PUBREL).packet_id == second.packet_id
            with Client(broker.port, connect(topic, clean=False)) as newest:
                newest.expect(CONNACK)
                assert newest.expect(PUBREL).packet_id == second.packet_id
                newest.send(acknowledge(PUBCOMP, second.packet_id))
                newest.ping()


def test_the_will_of_a_persistent_session_is_sent_too(ours: RunningBroker, topic: str) -> None:
    # mosquitto 2.0.11 sends none if both connections are persistent; MQTT 3.1.1 section 3.1.2.5 asks for it
    with connected(ours.port) as watcher:
        watcher.subscribe(topic)
        with connected(ours.port, topic, clean=False, will=(topic, "the old will")):
            with connected(ours.port, topic, clean=False, will=(topic, "the new will")):
                assert watcher.message().payload == "the old will"
            assert watcher.message().payload == "the new will"
            watcher.ping()


def test_a_connection_that_does_not_read_gives_way_at_once(broker: RunningBroker, topic: str) -> None:
    with (
        connected(broker.port) as sender,
        connected(broker.port, topic, receive_buffer=4096, will=(topic, "gone")) as old,
    ):
        old.subscribe(f"{topic}/flood")
        for _ in range(300):
            sender.send(publish(f"{topic}/flood", "x" * 32_000))
        sender.ping()
        start = time.monotonic()
        with connected(broker.port, topic) as new:
            assert time.monotonic() - start < 0.5
            new.subscribe(topic)
            new.ping()


def test_of_many_that_come_at_once_one_is_served_and_hears(broker: RunningBroker, topic: str) -> None:
    def enter(_: int) -> Client:
        client = Client(broker.port, connect(topic, will=(f"{topic}/will", "gone")))
        client.receive()
        return client

    with ThreadPoolExecutor(12) as pool:
        clients = list(pool.map(enter, range(12)))
    try:
        with connected(broker.port) as sender:
            wait_for(lambda: sum(not each.is_closed(0.05) for each in clients) == 1)
            served = next(each for each in clients if not each.is_closed(0.05))
            served.send(subscribe((f"{topic}/set", 0)))
            served.expect(SUBACK)
            sender.publish(f"{topic}/set", "hello", 1)
            assert served.expect(PUBLISH).payload == "hello"
            served.ping()
    finally:
        for each in clients:
            each.socket.close()


def _retained(broker: RunningBroker, topic: str) -> str | None:
    """What a new subscriber to `topic` is told."""
    with connected(broker.port) as reader:
        reader.send(subscribe((topic, 0)) + publish(f"{topic}/end", ""))
        reader.send(subscribe((f"{topic}/end", 0), packet_id=2))
        payload = None
        while arrived := reader.receive():
            if arrived.kind == PUBLISH and arrived.retained:
                payload = arrived.payload
            elif arrived.kind == SUBACK and arrived.packet_id == 2:
                return payload
    raise AssertionError("closed")
