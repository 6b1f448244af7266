"""The MQTT clients that Python programs use move a device and hear of it."""

import asyncio
import json
import threading
from typing import Any

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from .conftest import Room

OVER = pytest.mark.parametrize("over", ["tcp", "websockets"])
VERSIONS = pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5"])
LIMIT_S = 20.0


def effect(effect_id: str) -> str:
    return json.dumps({"id": effect_id, "intensity": 40, "duration": 50})


def is_done(receipt: Any, effect_id: str) -> bool:
    """Whether it is the final receipt, which has to be a good one."""
    assert receipt["id"] == effect_id
    assert receipt["status"] in ("accepted", "done"), receipt
    return bool(receipt["status"] == "done")


@VERSIONS
@OVER
def test_paho(room: Room, over: str, version: int) -> None:
    name, done = f"paho-{over}-{version}", threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTProtocolVersion(version), transport=over)  # type: ignore[arg-type]
    client.ws_set_options("/mqtt")
    client.on_connect = lambda *_: client.subscribe(f"receipts/{name}", 1)
    client.on_subscribe = lambda *_: client.publish("effects/wind", effect(name), 1)
    client.on_message = lambda _c, _d, message: is_done(json.loads(message.payload), name) and done.set()
    client.connect("127.0.0.1", room.port if over == "tcp" else room.web_port)
    client.loop_start()
    try:
        assert done.wait(LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()


@VERSIONS
@OVER
def test_aiomqtt(room: Room, over: str, version: int) -> None:
    name = f"aiomqtt-{over}-{version}"

    async def run() -> None:
        async with (
            asyncio.timeout(LIMIT_S),
            aiomqtt.Client(
                "127.0.0.1",
                room.port if over == "tcp" else room.web_port,
                transport=over,  # type: ignore[arg-type]
                websocket_path="/mqtt" if over == "websockets" else None,
                protocol=aiomqtt.ProtocolVersion(version),
            ) as client,
        ):
            await client.subscribe(f"receipts/{name}", 1)
            await client.publish("effects/wind", effect(name), 1)
            async for message in client.messages:
                if is_done(json.loads(message.payload), name):  # type: ignore[arg-type]
                    return

    asyncio.run(run())


@VERSIONS
def test_gmqtt(room: Room, version: int) -> None:
    name = f"gmqtt-{version}"

    async def run() -> None:
        subscribed, done = asyncio.Event(), asyncio.Event()

        def on_message(_client: Any, _topic: str, payload: bytes, _qos: int, _properties: Any) -> int:
            if is_done(json.loads(payload), name):
                done.set()
            return 0

        client = gmqtt.Client(name)
        client.on_message = on_message
        client.on_subscribe = lambda *_: subscribed.set()
        await client.connect("127.0.0.1", room.port, version=version)
        try:
            async with asyncio.timeout(LIMIT_S):
                client.subscribe(f"receipts/{name}", 1)
                await subscribed.wait()
                client.publish("effects/wind", effect(name), qos=1)
                await done.wait()
        finally:
            await client.disconnect()

    asyncio.run(run())
