"""One client can cost the broker only so much: each limit bites, is counted, and is one line of the log."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import wire5
from .conftest import RunningBroker, _run
from .wire import (
    CONNACK,
    PUBLISH,
    PUBREC,
    SUBACK,
    Client,
    acknowledge,
    connect,
    connected,
    packet,
    publish,
    retained,
    string,
    subscribe,
    wait_for,
)


@contextlib.contextmanager
def limited(folder: Path, **limits: int) -> Iterator[RunningBroker]:
    """A broker with these limits, of which at the end each has bitten, and was told once for each client."""
    told = ", ".join(f'"{name}": {value}' for name, value in limits.items())
    running = _run("ours", folder, "--limits={" + told + "}")
    ours = next(running)
    with contextlib.closing(running):
        yield ours
        for name in limits:
            assert int(ours.figure(f"limits/{name}")) > 0, name
            assert 1 <= len([line for line in ours.warnings() if f"broker.limits.{name}:" in line]) <= 2, ours.log()
        next(running, None)


def test_who_does_not_read_loses_messages_and_nobody_waits(tmp_path: Path) -> None:
    with limited(tmp_path, unread_bytes=1_000_000) as ours:
        with (
            connected(ours.port, "slow", receive_buffer=4096) as slow,
            connected(ours.port) as quick,
            connected(ours.port) as sender,
        ):
            slow.subscribe("flood", 1)
            quick.subscribe("flood", 1)
            for each in range(400):
                sender.publish("flood", f"{each} " + "x" * 32_000, 1)
                assert quick.message(1.0).payload.startswith(f"{each} ")
            assert ours.memory() < 60
            assert int(ours.figure("publish/messages/dropped")) > 0
            slow.ping_among_messages()


def test_who_never_acknowledges_is_kept_only_the_newest_messages(tmp_path: Path) -> None:
    with limited(tmp_path, unread_bytes=300_000) as ours, connected(ours.port) as sender:
        with connected(ours.port, "lazy", clean=False) as lazy:
            lazy.subscribe("flood", 1)
            before = ours.memory()
            for each in range(2000):
                sender.publish("flood", f"{each} " + "x" * 10_000, 1)
                assert lazy.expect(PUBLISH).payload.startswith(f"{each} ")
            assert ours.memory() - before < 10
        with Client(ours.port, connect("lazy", clean=False)) as lazy:
            assert lazy.expect(CONNACK).body == b"\1\0"
            numbers = [int(lazy.message().payload.split()[0]) for _ in range(20)]
            assert numbers == list(range(numbers[0], numbers[0] + 20))
            assert numbers[0] > 1900


@pytest.mark.parametrize(("limit", "most"), [("unacked", 10), ("session_bytes", 10_000)])
def test_what_is_kept_for_a_client_that_is_away_is_bounded_and_the_newest_stays(
    tmp_path: Path, limit: str, most: int
) -> None:
    with limited(tmp_path, **{limit: most}) as ours, connected(ours.port) as sender:
        with connected(ours.port, "away", clean=False) as away:
            away.subscribe("news", 1)
        wait_for(lambda: ours.figure("clients/disconnected") == "1")
        for each in range(50):
            sender.publish("news", f"{each} " + "x" * 1000, 1)
        with Client(ours.port, connect("away", clean=False)) as away:
            away.expect(CONNACK)
            found = [int(away.message().payload.split()[0])]
            while found[-1] != 49:
                found.append(int(away.message().payload.split()[0]))
            assert found == list(range(found[0], 50))
            assert 5 <= len(found) <= 10


def test_retained_messages_are_bounded_in_number_and_known_topics_still_change(tmp_path: Path) -> None:
    with limited(tmp_path, retained=5) as ours, connected(ours.port) as sender:
        for each in range(8):
            sender.publish(f"state/{each}", "first", 1, retain=True)
        sender.publish("state/0", "second", 1, retain=True)
        sender.publish("state/1", "", 1, retain=True)
        sender.publish("state/7", "now", 1, retain=True)
        assert retained(ours.port, "state/#") == {
            "state/0": "second",
            "state/2": "first",
            "state/3": "first",
            "state/4": "first",
            "state/7": "now",
        }


def test_retained_messages_are_bounded_in_bytes(tmp_path: Path) -> None:
    with limited(tmp_path, retained_bytes=50_000) as ours, connected(ours.port) as sender:
        for each in range(8):
            sender.publish(f"state/{each}", "x" * 10_000, 1, retain=True)
        assert set(retained(ours.port, "state/#")) == {f"state/{each}" for each in range(4)}


def test_the_oldest_of_too_many_sessions_ends(tmp_path: Path) -> None:
    with limited(tmp_path, sessions=3) as ours:
        for each in range(5):
            with connected(ours.port, f"away{each}", clean=False) as away:
                away.subscribe("news", 1)
        wait_for(lambda: ours.figure("clients/disconnected") == "3")
        for each, present in ((4, 1), (0, 0)):
            with Client(ours.port, connect(f"away{each}", clean=False)) as back:
                assert back.expect(CONNACK).body[0] == present


def test_subscriptions_and_levels_are_bounded(tmp_path: Path) -> None:
    with limited(tmp_path, subscriptions=3, topic_levels=4) as ours, connected(ours.port) as client:
        client.send(subscribe(*((f"a/{each}", 0) for each in range(5))))
        assert client.expect(SUBACK).body[2:] == b"\0\0\0\x80\x80"
        assert client.subscribe("a/0", 1) == 1
        with wire5.connected(ours.port) as five:
            five.send(wire5.subscribe(*((f"a/{each}", 0) for each in range(4)), ("1/2/3/4/5", 0)))
            assert five.expect(SUBACK).reasons == b"\0\0\0\x97\x8f"
        client.publish("1/2/3/4/5", "x", 1)


def test_too_many_messages_of_qos_2_that_are_not_released_end_the_connection(tmp_path: Path) -> None:
    with limited(tmp_path, inflight=10) as ours, connected(ours.port) as client:
        for each in range(1, 12):
            client.send(publish("a", "x", 2, packet_id=each))
        for _ in range(10):
            client.expect(PUBREC)
        assert client.is_closed()


def test_messages_of_qos_2_on_their_way_to_a_client_are_bounded_too(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"inflight": 3}'):
        with connected(ours.port) as sender, connected(ours.port) as receiver:
            receiver.subscribe("a", 2)
            for each in range(6):
                sender.publish("a", str(each), 2)
            first = [receiver.expect(PUBLISH) for _ in range(3)]
            receiver.ping()
            receiver.send(acknowledge(PUBREC, first[0].packet_id))
            receiver.receive()
            receiver.send(acknowledge(7, first[0].packet_id))
            assert receiver.expect(PUBLISH).payload == "3"


def test_packets_that_come_by_halves_are_bounded_for_all_clients_together(tmp_path: Path) -> None:
    half = publish("a", "x" * 4_000_000)[:3_900_000]
    with limited(tmp_path, buffered_bytes=20_000_000) as ours, contextlib.ExitStack() as stack:
        with connected(ours.port) as bystander:
            clients = [stack.enter_context(connected(ours.port)) for _ in range(15)]
            for client in clients:
                client.try_send(half)
            wait_for(lambda: sum(client.is_closed(0.01) for client in clients) >= 10)
            assert ours.memory() < 150
            bystander.ping()


def test_a_connect_of_more_than_64_kib_is_no_connect(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        with Client(ours.port) as client:
            client.try_send(packet(0x10, string("MQTT") + b"\4\2\0\0" + string("a") + bytes(70_000))[:100])
            assert client.is_closed(1.0)


def test_ten_thousand_filters_of_others_slow_no_message_down(tmp_path: Path) -> None:
    options = '--limits={"subscriptions": 20000}'
    for ours in _run("ours", tmp_path, options):
        with connected(ours.port) as sender, connected(ours.port) as other, connected(ours.port) as receiver:
            receiver.subscribe("exact/topic")
            before = _time_of_publishes(sender, receiver)
            for each in range(10):
                filters = [(f"{kind}/{each}/{number}/+", 0) for number in range(500) for kind in ("+", "exact")]
                other.send(subscribe(*filters))
                other.expect(SUBACK)
            assert _time_of_publishes(sender, receiver) < 3 * before + 0.05


def _time_of_publishes(sender: Client, receiver: Client) -> float:
    start = time.monotonic()
    for _ in range(200):
        sender.publish("exact/topic", "x", 1)
        receiver.expect(PUBLISH)
    return time.monotonic() - start


def test_many_connects_and_messages_leave_memory_and_descriptors_as_they_were(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):

        def live(first: int, last: int) -> None:
            for each in range(first, last):
                with connected(ours.port, f"client{each}", will=(f"will/{each}", "gone")) as client:  # noqa: B023
                    client.send(subscribe((f"topic/{each}", 1), (f"+/{each}/#", 0)))
                    client.send(publish(f"topic/{each}", "x" * 100, 1))
                    client.send(b"\xe0\0" if each % 2 else b"")

        live(0, 500)
        memory, descriptors = ours.memory(), ours.descriptors()
        live(500, 3000)
        wait_for(lambda: ours.descriptors() <= descriptors)  # noqa: B023
        assert ours.memory() - memory < 3
