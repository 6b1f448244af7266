"""amqtt's plugins are loaded, asked once for each thing, and told what happens."""

from pathlib import Path

from . import wire5
from .conftest import _run
from .wire import PUBACK, SUBACK, connected, publish, wait_for

LISTENER = '--plugins={"guards.Listener": {}}'
GUARDED = '--plugins={"guards.Guard": {}}'


def test_a_plugin_hears_of_connections_subscriptions_and_messages_and_can_publish(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, LISTENER):
        with connected(ours.port, "watcher") as watcher:
            watcher.subscribe("events", 1)
            heard = [watcher.message().payload]
            while heard[-1] != "subscribed watcher events 1":
                heard.append(watcher.message().payload)
            with connected(ours.port, "device", username="anna") as device:
                assert watcher.message().payload == "connected device anna"
                device.subscribe("set", 1)
                assert watcher.message().payload == "subscribed device set 1"
                for each in range(50):
                    device.send(publish("state", str(each), 1, packet_id=each + 1))
                for _ in range(50):
                    device.expect(PUBACK)
                device.publish("question", "x", 1)
                assert watcher.message().payload == "asked 1"  # each client, action and topic was asked about once
                assert watcher.message().payload == "message device question"
            assert watcher.message().payload == "disconnected device"
            assert ours.figure("retained messages/count") == "1"


def test_an_answer_that_takes_a_while_delays_its_own_client_only_and_keeps_the_order(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, LISTENER):
        with connected(ours.port) as receiver, connected(ours.port) as sender:
            receiver.subscribe("#", 1)
            burst = b"".join(publish(f"topic/{each % 40}", str(each), 1, packet_id=each + 1) for each in range(200))
            sender.send(burst + b"\xe0\0")
            heard: list[int] = []
            while len(heard) < 200:
                found = receiver.message()
                if found.topic.startswith("topic/"):
                    heard.append(int(found.payload))
            assert heard == list(range(200))
            wait_for(sender.is_closed)


def test_a_plugin_is_asked_about_retained_messages_wills_and_shares_too(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path, GUARDED):
        with wire5.connected(ours.port, username="trusted") as trusted, wire5.connected(ours.port) as stranger:
            for topic in ("secret/a", "open/a", "secret/b", "open/b"):
                trusted.publish(topic, "kept", 1, retain=True)
            stranger.send(wire5.subscribe(("+/+", 1), ("$share/g/+/+", 1)))
            assert stranger.expect(SUBACK).reasons == b"\1\1"
            assert sorted(stranger.message().topic for _ in range(2)) == ["open/a", "open/b"]
            trusted.publish("secret/live", "x", 1)
            trusted.publish("open/live", "x", 1)
            assert [stranger.message().topic for _ in range(2)] == ["open/live", "open/live"]
            stranger.send(wire5.publish("secret/a", "x", 1))
            assert stranger.expect(PUBACK).reason == 0x87
            assert stranger.subscribe("secret/#") == 0x87
            stranger.ping()
