"""A client on a WebSocket is served like any other, and does no more harm."""

import os
import socket
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from websockets import Subprotocol
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as websocket_client

from .conftest import RunningBroker
from .wire import connect, connected, packet, publish, subscribe, wait_for


def test_a_websocket_client_is_served_like_any_other(broker: RunningBroker, topic: str) -> None:
    heard: list[bytes] = []

    def on_message(_client: Client, _userdata: object, message: MQTTMessage) -> None:
        heard.append(message.payload)

    client = Client(
        CallbackAPIVersion.VERSION2, topic, transport="websockets", protocol=MQTTv311, reconnect_on_failure=False
    )
    client.will_set(f"{topic}/will", "gone", qos=1)
    client.on_message = on_message
    client.connect("127.0.0.1", broker.web_port)
    client.loop_start()
    try:
        wait_for(client.is_connected)
        client.on_subscribe = lambda *_: heard.append(b"subscribed")
        client.subscribe(topic, 1)
        wait_for(lambda: heard == [b"subscribed"])
        for each in range(100):
            client.publish(topic, str(each), 1)
        wait_for(lambda: len(heard) == 101)
        assert heard[1:] == [str(each).encode() for each in range(100)]
        with connected(broker.port) as watcher:
            watcher.subscribe(f"{topic}/will")
            with socket.socket(fileno=os.dup(client.socket().fileno())) as connection:
                connection.shutdown(socket.SHUT_RDWR)
            assert watcher.message().payload == "gone"
    finally:
        client.loop_stop()


def test_a_packet_cut_off_in_a_websocket_is_not_published(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher:
        watcher.subscribe(f"{topic}/#")
        with _websocket(broker) as websocket:
            for frame in (connect(topic, will=(f"{topic}/will", "gone")), publish(f"{topic}/half", "x" * 100)[:50]):
                for at in range(0, len(frame), 10):
                    websocket.send(frame[at : at + 10])
            assert websocket.recv() == b"\x20\x02\0\0"
        assert watcher.message().topic == f"{topic}/will"
        watcher.ping()


def test_a_websocket_that_does_not_read_delays_nobody(broker: RunningBroker, topic: str) -> None:
    payload = "x" * 32_000
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", broker.web_port))
    with (
        connected(broker.port) as sender,
        connected(broker.port) as quick,
        _websocket(broker, sock=narrow, max_queue=1) as slow,
    ):
        slow.send(connect(topic) + subscribe((topic, 0)))
        slow.recv()
        quick.subscribe(topic)
        for _ in range(400):
            sender.send(publish(topic, payload))
            assert len(quick.message(1.0).payload) == len(payload)
        slow.socket.shutdown(socket.SHUT_RDWR)


def test_the_will_of_a_websocket_that_never_says_goodbye_is_not_late(broker: RunningBroker, topic: str) -> None:
    with connected(broker.port) as watcher, socket.create_connection(("127.0.0.1", broker.web_port)) as silent:
        watcher.subscribe(topic)
        silent.sendall(
            b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        assert b" 101 " in silent.recv(1000)
        for data in (connect(topic, will=(topic, "gone")), packet(0xF0)):
            silent.sendall(bytes([0x82, 0x80 | len(data), 0, 0, 0, 0]) + data)  # one binary frame, masked with zeros
        assert watcher.message(1.0).payload == "gone"


def _websocket(broker: RunningBroker, **options: Any) -> ClientConnection:
    address = f"ws://127.0.0.1:{broker.web_port}/mqtt"
    return websocket_client(address, subprotocols=[Subprotocol("mqtt")], compression=None, **options)
