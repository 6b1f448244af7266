"""A hold keeps devices off over everything that can die, and whoever looks is told who holds."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from effectd.base.loop import Loop
from effectd.cli.confirmed import StopRequest
from tests.system.home import Client, Home, wait_for
from tests.system.test_external import broker
from tests.system.test_promises import with_witness


def held(home: Home, device: str = "wind") -> str:
    """What a device's own gate says of it."""
    line = home.line(device)
    return line["reason"] if line and line["state"] == "ready" else ""


def past_the_dispatcher(home: Home) -> Client:
    """Somebody who may command a driver, as the dispatcher may."""
    return home.program("test.dispatcher", "receipts/none")


def refused(home: Home, client: Client, effect_id: str, why: str) -> None:
    client.publish("effects/wind", {"id": effect_id, "intensity": 60})
    receipt = client.receipt(effect_id)
    assert (receipt["status"], receipt["reason"]) == ("refused", why)


def test_held_by_hand_shown_everywhere_and_released() -> None:
    with Home() as home:
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "before", "duration": 0})
        wait_for(lambda: (s := client.state("wind")) and s["on"], what="wind on")
        done = home.effectd("hold", "front-desk", "--reason", "cleaning")
        assert done.returncode == 0, done.stderr
        assert "wind  off  held by front-desk: cleaning\n" in done.stdout
        wait_for(lambda: not client.state("wind")["on"], what="wind off")
        assert client.state("wind")["reason"] == "held by front-desk: cleaning"
        refused(home, client, "meanwhile", "held by front-desk: cleaning")
        (hold,) = client.json("system/holds")[-1]
        assert (hold["name"], hold["reason"], hold["target"]) == ("front-desk", "cleaning", None)
        health = home.effectd("health", "--json")
        assert health.returncode == 0  # held is no fault
        programs = json.loads(health.stdout)["programs"]
        assert programs["wind"]["reason"] == programs["dispatcher"]["reason"] == "held by front-desk: cleaning"
        assert home.effectd("hold", "door", "--target", "nobody").returncode == 2
        second = home.effectd("hold", "door", "--target", "wind")
        assert second.stdout == "wind  off  held by front-desk: cleaning; held by door\n"
        released = home.effectd("release", "front-desk")
        assert (released.returncode, released.stdout) == (0, "wind  off  held by door\n")
        client.publish("effects/light", {"id": "others"})
        assert client.receipt("others")["status"] == "done"
        refused(home, client, "still", "held by door")
        assert home.effectd("release", "door").stdout == "nothing is held\n"
        client.publish("effects/wind", {"id": "after"})
        assert client.receipt("after")["status"] == "done"
        assert client.json("system/holds")[-1] == []


def test_held_over_kill_9_of_everything_a_reboot_and_down_and_up() -> None:
    with broker() as seen_at, Home({"wind": with_witness(seen_at.port)}) as home:
        witness = Client(seen_at.port, "#")
        home.clients.append(witness)
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("holds/door", b"open")  # not retained
        wait_for(lambda: held(home) == "held by door: open", what="held")
        for name in ("broker", "dispatcher", "wind"):
            home.kill(name)
        home.wait_ready()
        assert held(home) == "held by door: open"
        client = home.client()
        refused(home, client, "killed", "held by door: open")
        home.kill("supervisord")
        wait_for(lambda: not home.left(), what="all gone")
        home.start()
        home.wait_ready()
        assert held(home) == "held by door: open"
        assert home.effectd("down").returncode == 0
        path = home.path / "run" / "holds"
        notes = json.loads(path.read_bytes())
        path.write_bytes(json.dumps([note | {"boot": "another", "ms": 10**12} for note in notes]).encode())
        up = home.effectd("up")
        home.pids()
        assert up.returncode == 0, up.stdout
        assert "held by door: open" in up.stdout
        client = home.client()
        refused(home, client, "rebooted", "held by door: open")
        effect = {"id": "foreign", "effect_type": "wind", "intensity": 60, "duration": 100}
        past_the_dispatcher(home).publish("devices/wind/set", effect)
        wait_for(lambda: client.on("devices/wind/ack"), what="an answer")
        assert client.json("devices/wind/ack")[-1]["reason"] == "held by door: open"
        client.publish("holds/door", b"")
        wait_for(lambda: not held(home), what="released")
        client.publish("effects/wind", {"id": "free", "duration": 50})
        assert client.receipt("free")["status"] == "done"
        wait_for(lambda: b"free" in witness.on("fan"), what="the witness")
        assert {payload for payload in witness.on("fan") if payload != b"off"} == {b"free"}


def test_a_thousand_effects_while_held_are_all_answered_and_nothing_moves() -> None:
    with broker() as seen_at, Home({"wind": with_witness(seen_at.port)}) as home:
        witness = Client(seen_at.port, "#")
        home.clients.append(witness)
        home.start()
        home.wait_ready()
        client = home.client("receipts/#", "devices/wind/ack", "dead-letters/#")
        client.publish("holds/door", {"reason": "open", "target": "wind"}, retain=True)
        wait_for(lambda: held(home), what="held")
        effect = {"effect_type": "wind", "intensity": 60, "duration": 100}
        foreign = past_the_dispatcher(home)
        for number in range(500):
            client.publish("effects/wind", {"id": f"e{number}", "intensity": 60})
            foreign.publish("devices/wind/set", effect | {"id": f"s{number}", "seq": number + 1})
        wait_for(lambda: len({t for t, _ in client.heard if t.startswith("receipts/e")}) == 500, 30, "500 receipts")
        wait_for(lambda: len(client.on("devices/wind/ack")) >= 500, 30, "500 acks")
        assert {
            r["status"] for t in list(client.heard) if t[0].startswith("receipts/e") for r in [json.loads(t[1])]
        } == {"refused"}
        assert {ack["status"] for ack in client.json("devices/wind/ack")} == {"stopped"}
        assert set(witness.on("fan")) <= {b"off"}


@pytest.mark.parametrize("dead", [("broker",), ("dispatcher",), ("broker", "dispatcher")], ids=str)
def test_by_the_gate_a_device_is_off_within_50_ms_though_broker_and_dispatcher_are_dead(dead: tuple[str, ...]) -> None:
    with broker() as seen_at, Home({"wind": with_witness(seen_at.port)}) as home:
        witness = Client(seen_at.port, "#")
        home.clients.append(witness)
        home.start()
        home.wait_ready()
        client = home.client()
        took = []
        for number in range(5):
            client.publish("effects/wind", {"id": f"on-{number}", "duration": 0})
            wait_for(lambda number=number: witness.on("fan")[-1:] == [b"on-%d" % number], what="on")
            for name in dead:
                home.kill(name, signal.SIGSTOP)
            count = len(witness.on("fan"))
            took.append(press(home.path, "wind", lambda count=count: b"off" in witness.on("fan")[count:]))
            for name in dead:
                home.kill(name, signal.SIGCONT)
            assert home.effectd("release", "front").returncode == 0
            home.wait_ready()
        assert min(took) < 0.05, took  # the machine may be slow; a defect would be slow each time


def press(home: Path, device: str, off: Callable[[], bool]) -> float:
    """Seconds from the press of a button to what the witness sees."""
    loop = Loop()
    began = time.monotonic()
    gate = StopRequest(loop, home, device, {"do": "hold", "name": "front", "reason": "pressed"})
    wait_for(off, 5, "off")
    took = time.monotonic() - began
    while not gate.settled:
        loop.turn()
    assert gate.answer["held"] == {device: "held by front: pressed"}
    loop.close()
    return took


def test_a_device_on_a_bus_is_held_by_its_own_name_and_the_others_go_on() -> None:
    devices = {
        "lamp": {"bus": "board", "effects": ["light"], "limits": {"max_flash_hz": 0}},
        "fan": {"bus": "board", "effects": ["wind"], "zones": ["row-a"]},
        "wind": None,
        "light": None,
    }
    with Home(devices, buses={"board": {"kind": "virtual"}}) as home:
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("holds/door", {"reason": "open", "target": "row-a"})
        wait_for(lambda: held(home, "board") == "fan: held by door: open", what="held")
        refused(home, client, "fan", "held by door: open")
        client.publish("effects/light", {"id": "lamp"})
        assert client.receipt("lamp")["status"] == "done"


def test_a_release_that_a_dead_driver_did_not_hear_reaches_it_all_the_same() -> None:
    with Home() as home:
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("holds/door", b"open")
        wait_for(lambda: held(home), what="held")
        home.order("stop", "wind")
        client.publish("holds/door", b"")
        wait_for(lambda: not held(home, "light"), what="released elsewhere")
        home.order("start", "wind")
        home.wait_ready()
        client.publish("effects/wind", {"id": "free"})
        assert client.receipt("free")["status"] == "done"


def test_a_device_elsewhere_is_told_by_mqtt_and_a_wrong_file_does_not_keep_the_rest_from_being_held() -> None:
    with Home({"far": {"kind": "remote", "effects": ["wind"], "zones": ["attic"]}}) as home:
        home.start()
        home.wait_ready()
        client = home.client()
        done = home.effectd("hold", "door", "--target", "attic")
        assert (done.returncode, done.stdout) == (
            0,
            "far  sent by MQTT; its driver is elsewhere and cannot confirm\n",
        )
        wait_for(lambda: client.on("devices/far/stop"), what="a stop, for a driver that knows no hold")
        assert home.effectd("release", "door").returncode == 0
        (home.path / "config.yaml").write_text("broker: {port: none}\n")
        broken = home.effectd("hold", "door")
        assert broken.returncode == 78
        assert "wind  off  held by door\n" in broken.stdout
