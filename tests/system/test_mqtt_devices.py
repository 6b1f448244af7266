"""`kind: mqtt` believes its device: what it says of its presence, and what it says that it does."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.home import Client, Home, wait_for

NO_OTHERS: dict[str, Any] = dict.fromkeys(("light", "wind", "vibration", "scent"))


def lamp(**options: Any) -> dict[str, Any]:
    return {"kind": "mqtt", "effects": ["light"], "options": {"topic": "lamp/set", "timeout_ms": 500} | options}


@pytest.fixture
def room() -> Iterator[Home]:
    devices = {
        "lamp": lamp(availability_topic="tele/$device/LWT", availability_online="Online"),
        "sure": {**lamp(topic="sure/set", state_topic="sure/state"), "effects": ["wind"]},
    }
    with Home({**NO_OTHERS, **devices}) as home:
        home.start()
        for name in ("dispatcher", "sure"):
            wait_for(lambda name=name: (home.line(name) or {}).get("state") == "ready", what=name)
        yield home


def reason(home: Home) -> str:
    line = home.line("lamp") or {}
    return str(line.get("reason")) if line.get("state") == "degraded" else ""


def say(client: Client, payload: str) -> None:
    client.publish("tele/lamp/LWT", payload, retain=True)


def test_a_device_that_says_that_it_is_away_is_degraded_and_offline_and_never_done(room: Home) -> None:
    client = room.client()
    wait_for(lambda: "tele/lamp/LWT says nothing" in reason(room), what="it has not said that it is there")
    say(client, "Online")
    wait_for(lambda: room.line("lamp")["state"] == "ready", 5, "ready as soon as it says so")
    client.publish("effects/light", {"id": "here", "intensity": 60, "duration": 100})
    assert client.receipt("here")["status"] == "done"
    say(client, "Offline")
    wait_for(lambda: reason(room) == "the device is offline: tele/lamp/LWT says 'Offline'", 5, "degraded")
    wait_for(lambda: client.on("devices/lamp/availability")[-1] == b"offline", what="offline here as well")
    client.publish("effects/light", {"id": "away", "intensity": 60, "ttl_ms": 300})
    receipt = client.receipt("away")
    assert receipt["status"] == "expired"
    assert "the device is offline" in receipt["reason"]
    wait_for(lambda: "opening it again in 2 s" in room.log("lamp"), what="longer pauses between two attempts")
    say(client, "Online")
    wait_for(lambda: room.line("lamp")["state"] == "ready", 1.5, "no pause is waited for")
    client.publish("effects/light", {"id": "back", "intensity": 60, "duration": 100})
    assert client.receipt("back")["status"] == "done"


def test_a_device_that_says_what_it_does_is_done_when_it_has_said_so(room: Home) -> None:
    client = room.client()
    client.publish("effects/wind", {"id": "silent", "intensity": 60})
    receipt = client.receipt("silent")
    assert (receipt["status"], receipt["reason"]) == (
        "failed",
        "sure: the device said nothing on sure/state within 500 ms",
    )
    wait_for(lambda: room.line("sure")["state"] == "ready", what="opened again")

    said = [0]

    def answer(*_: Any) -> bool:
        commands = len(client.on("sure/set"))
        if commands > said[0]:
            said[0] = commands
            client.publish("sure/state", b"whatever it says")
        return bool(client.on("receipts/heard"))

    said[0] = len(client.on("sure/set"))
    client.publish("effects/wind", {"id": "heard", "intensity": 60, "duration": 100})
    wait_for(answer, what="a receipt")
    assert client.receipt("heard")["status"] == "done"
    wait_for(lambda: answer() and not client.state("sure")["on"], what="off again")
    assert room.line("sure")["state"] == "ready"


def test_a_loop_that_check_cannot_see_is_broken_and_told() -> None:
    """127.1 is this machine by another name: the device hears its own commands as effects."""
    with Home(NO_OTHERS) as home:
        broker = {"host": "127.1", "port": home.port}
        fan = {"kind": "mqtt", "effects": ["wind"], "options": {"topic": "effects/wind", "broker": broker}}
        home.config["devices"]["fan"] = fan
        home.write()
        assert home.effectd("check").returncode == 0
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "first", "intensity": 40, "duration": 60_000})
        # the off of the start goes round already, and may come in its way
        assert client.receipt("first")["status"] in ("done", "superseded")
        wait_for(lambda: "a loop, which ends here" in home.log("dispatcher"), 30, "it is noticed")

        def refused() -> bool:
            letters = [json.loads(payload) for payload in client.on("dead-letters/refused")]
            return any("a loop, which ends here" in letter["detail"] for letter in letters)

        wait_for(refused, what="its dead letter")
        client.publish("stop-all", "")
        wait_for(lambda: client.state("fan")["on"] is False, what="off")

        def quiet() -> bool:
            before = len(client.on("effects/wind"))
            end = time.monotonic() + 1.0
            while time.monotonic() < end and len(client.on("effects/wind")) == before:
                time.sleep(0.05)
            return len(client.on("effects/wind")) == before

        wait_for(quiet, 15, "nothing goes round any more")
        assert client.state("fan")["on"] is False
