"""A connection takes its descriptor with it when it ends, and all of them end with the broker."""

import contextlib
import time
from pathlib import Path

import pytest

from . import wire5
from .conftest import RunningBroker, _run
from .wire import CONNACK, Client, connect, connected, publish, subscribe, unsubscribe, wait_for

NAMED = '--plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": false}}'
GUARDED = '--plugins={"guards.Guard": {}}'


def test_probes_and_broken_connections_leave_no_descriptor_open(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(topic)
        baseline = broker.descriptors()
        for each in range(100):
            Client(broker.port).socket.close()
            Client(broker.port).reset()
            Client(broker.port, connect(f"{topic}-{each}")).socket.close()
            Client(broker.port, connect(f"{topic}-{each}", will=(topic, str(each)))).reset()
            if (
                each % 10 == 0
            ):  # accepted after them: with a hundred that are not yet accepted, the kernel makes one wait
                connected(broker.port).socket.close()
        silent = [Client(broker.port) for _ in range(20)]
        wait_for(lambda: broker.descriptors() == baseline + 20)
        for each in silent:
            each.socket.close()
        wait_for(lambda: broker.descriptors() <= baseline)


def test_connections_that_are_told_why_and_do_not_leave_are_closed_all_the_same(
    ours: RunningBroker, topic: str
) -> None:
    baseline = ours.descriptors()
    with contextlib.ExitStack() as stack:
        for each in range(150):
            client = stack.enter_context(wire5.connected(ours.port, f"{topic}-{each}"))
            client.send(wire5.publish("a", "x", topic_alias=0))
            assert client.farewell()
        wait_for(lambda: ours.descriptors() <= baseline)


def test_a_connection_that_says_nothing_is_closed(tmp_path: Path) -> None:
    # mosquitto 2.0.11 keeps it for ever
    for ours in _run("ours", tmp_path, "--connect-within=0.3"):
        for begun in (b"", b"\x10", connect("slow")[:-1]):
            start = time.monotonic()
            with Client(ours.port, begun) as client:
                assert client.is_closed(2.0)
            assert 0.25 < time.monotonic() - start < 1.0
        with connected(ours.port) as client:
            start = time.monotonic()
            assert not client.is_closed(0.5)


def test_a_connection_above_the_limit_is_closed_at_once(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, '--limits={"connections": 2}'):
        with connected(ours.port), connected(ours.port):
            for _ in range(3):
                with Client(ours.port, connect()) as third:
                    assert third.is_closed(1.0)
        for _ in range(3):
            wait_for(lambda: _is_served(ours.port))  # noqa: B023


def test_a_client_that_is_not_let_in_is_told_so_and_ends_no_connection_of_its_namesake(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, NAMED):
        with connected(ours.port, "device", username="somebody", will=("will", "gone")) as client:
            with Client(ours.port, connect("device")) as stranger:
                assert stranger.expect(CONNACK).body == b"\0\5"
                assert stranger.is_closed(1.0)
            client.ping()


def test_a_secret_leaks_neither_live_nor_retained_nor_by_a_last_will(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, GUARDED):
        with connected(ours.port, username="trusted") as trusted, connected(ours.port) as stranger:
            trusted.publish("secret/retained", "x", 1, retain=True)
            trusted.subscribe("secret/forged", 1)
            assert stranger.subscribe("secret/#") == 0x80
            stranger.subscribe("#", 1)
            stranger.publish("secret/forged", "x", 1, retain=True)
            connected(ours.port, will=("secret/forged", "x"), will_retain=True).socket.close()
            trusted.publish("secret/live", "x", 1)
            trusted.publish("open", "x", 1)
            assert stranger.message().topic == "open"
            stranger.ping()
            trusted.subscribe("secret/forged")
            trusted.ping()


def test_clients_that_subscribe_while_an_answer_about_rights_is_awaited_cost_no_message(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, GUARDED):
        with connected(ours.port) as sender, connected(ours.port) as receiver, connected(ours.port) as other:
            receiver.subscribe("state/#", 1)
            for each in range(1, 301):
                sender.send(publish(f"state/{each}", str(each), 1, packet_id=each))
                other.send(subscribe((f"state/{each}/#", 0)) + unsubscribe(f"state/{each}/#"))
            assert [int(receiver.message().payload) for _ in range(300)] == list(range(1, 301))


@pytest.mark.parametrize("kind", ["ours", "mosquitto"])
def test_a_persistent_session_receives_what_came_while_it_was_away(tmp_path: Path, kind: str) -> None:
    for broker in _run(kind, tmp_path):
        with connected(broker.port, username="sender") as sender:
            with connected(broker.port, "device", clean=False, username="device") as client:
                client.subscribe("device/set", 1)
            for each in range(3):
                sender.publish("device/set", str(each), 1)
            with Client(broker.port, connect("device", clean=False, username="device")) as client:
                assert client.expect(CONNACK).body == b"\1\0"
                for each in range(3):
                    message = client.message()
                    assert (message.payload, message.retained) == (str(each), False)
                client.ping()


@pytest.mark.parametrize("kind", ["ours", "ours-on-asyncio", "mosquitto"])
def test_a_broker_that_is_stopped_sends_the_wills_and_exits_at_once(tmp_path: Path, kind: str) -> None:
    for broker in _run(kind, tmp_path):
        with contextlib.ExitStack() as stack:
            others = [connected(broker.port, will=(f"will/{each}", "")) for each in range(100)]
            others += [Client(broker.port) for _ in range(10)]  # they have not said CONNECT
            for each in others:
                stack.enter_context(each)
            slow = stack.enter_context(connected(broker.port, receive_buffer=4096))
            watcher = stack.enter_context(connected(broker.port))
            slow.subscribe("flood")
            for _ in range(300):
                watcher.send(publish("flood", "x" * 32_000))
            watcher.subscribe("will/#")
            start = time.monotonic()
            broker.process.terminate()
            assert {watcher.message().topic for _ in range(100)} == {f"will/{each}" for each in range(100)}
            assert watcher.is_closed()
            assert broker.process.wait(5) == 0
            assert time.monotonic() - start < 1.0
            assert all(each.is_closed() for each in others)


def _is_served(port: int) -> bool:
    with Client(port, connect()) as client:
        return client.receive() is not None
