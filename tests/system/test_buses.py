"""Several devices on one bus: one process and one open connection, and each device still stands for itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.home import Client, Home, wait_for
from tests.system.test_devices import NO_OTHERS, Cable

STAGE: dict[str, Any] = {
    **NO_OTHERS,
    "fan": {"bus": "stage", "effects": ["wind"], "limits": {"max_intensity": 80}},
    "lamp": {"bus": "stage", "effects": ["light"], "zones": ["front"]},
    "solo": {"kind": "virtual", "effects": ["scent"]},
}


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    with Home(STAGE, buses={"stage": {"kind": "virtual"}}) as room:
        room.start_ready()
        yield room


@pytest.fixture
def client(room: Home) -> Client:
    return room.client()


def on(client: Client, device: str) -> bool:
    return bool(client.state(device)["on"])


def test_one_process_drives_both_and_each_has_its_own_topics_limits_and_receipts(room: Home, client: Client) -> None:
    assert set(room.pids()) == {"broker", "dispatcher", "stage", "solo", "supervisord"}
    assert "stage" in room.ctl("health").stdout
    client.publish("effects/wind", {"id": "both-1", "intensity": 100, "duration": 60_000})
    client.publish("effects/light", {"id": "both-2", "intensity": 40, "duration": 60_000, "target": "front"})
    assert client.receipt("both-1")["devices"] == {"fan": "done"}
    assert client.receipt("both-2")["devices"] == {"lamp": "done"}
    wait_for(lambda: on(client, "fan") and on(client, "lamp"), what="both on")
    assert (client.state("fan")["intensity"], client.state("lamp")["intensity"]) == (80, 40)
    configs = {name: client.json(f"devices/{name}/config")[-1] for name in ("fan", "lamp")}
    assert {name: (told["kind"], told["bus"]) for name, told in configs.items()} == {
        "fan": ("virtual", "stage"),
        "lamp": ("virtual", "stage"),
    }
    assert "bus" not in client.json("devices/solo/config")[-1]


def test_a_stop_of_one_leaves_the_other_on_and_a_stop_of_all_does_not(room: Home, client: Client) -> None:
    for device, kind in (("fan", "wind"), ("lamp", "light")):
        client.publish(f"effects/{kind}", {"intensity": 50, "duration": 60_000})
        wait_for(lambda device=device: on(client, device), what=f"{device} on")
    stopped = room.effectd("stop", "fan")
    assert (stopped.returncode, stopped.stdout.split()) == (0, ["fan", "off"])
    wait_for(lambda: not on(client, "fan"), what="the fan off")
    assert on(client, "lamp")
    client.publish("devices/lamp/stop", "")
    wait_for(lambda: not on(client, "lamp"), what="the lamp off")
    client.publish("effects/light", {"intensity": 50, "duration": 60_000})
    wait_for(lambda: on(client, "lamp"), what="the lamp on again")
    stopped = room.effectd("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert {line.split()[0] for line in stopped.stdout.splitlines()} == {"fan", "lamp", "solo"}
    wait_for(lambda: not on(client, "lamp"), what="the lamp off again")


def test_a_bus_that_is_killed_takes_its_devices_offline_one_by_one_and_brings_them_back(
    room: Home, client: Client
) -> None:
    client.publish("effects/wind", {"id": "killed-1", "intensity": 50, "duration": 60_000})
    client.receipt("killed-1")
    before = {name: len(client.on(f"devices/{name}/availability")) for name in ("fan", "lamp", "solo")}
    pid = room.kill("stage")
    for name in ("fan", "lamp"):
        # the last will says it, and the new process may say it again before its device is off: once or twice, then back
        wait_for(
            lambda name=name: (
                list(dict.fromkeys(client.on(f"devices/{name}/availability")[before[name] :]))
                == [b"offline", b"online"]
            ),
            what=f"{name} offline and online again",
        )
    room.wait_ready()
    assert room.pid("stage") != pid
    assert len(client.on("devices/solo/availability")) == before["solo"]
    wait_for(lambda: not on(client, "fan"), what="off first")
    client.publish("effects/wind", {"id": "killed-2", "intensity": 50, "duration": 100})
    assert client.receipt("killed-2")["status"] == "done"


def test_a_device_that_is_added_to_a_bus_is_driven_by_it_and_no_other_program_notices(
    room: Home, client: Client
) -> None:
    before = room.pids()
    done = room.effectd("device", "add", "lamp-2", "--bus", "stage", "--effect", "light")
    assert done.returncode == 0, done.stderr
    assert "stage is ready" in done.stdout
    assert {name for name, pid in room.pids().items() if before[name] != pid} == {"stage"}
    wait_for(lambda: client.on("devices/lamp-2/availability")[-1:] == [b"online"], what="lamp-2 online")
    client.publish("effects/light", {"id": "added", "intensity": 50, "duration": 100})
    assert client.receipt("added")["devices"] == {"lamp": "done", "lamp-2": "done"}


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path)
    cable.plug_in()
    yield cable
    cable.pull_out()


def test_a_board_with_two_actuators_gets_a_line_for_what_changes_and_comes_back_with_both_off(cable: Cable) -> None:
    board = {"kind": "serial", "options": {"port": str(cable.port), "boot_ms": 0}}
    devices = {
        "fan": {"bus": "board", "effects": ["wind"], "options": {"line": r"F$level\n", "off": r"F0\n"}},
        "buzz": {"bus": "board", "effects": ["vibration"], "options": {"line": r"B$level\n", "off": r"B0\n"}},
    }
    with Home({**NO_OTHERS, **devices}, buses={"board": board}) as home:
        home.start_ready()
        client = home.client()
        wait_for(lambda: cable.heard == b"F0\nB0\n", what="both off first")
        client.publish("effects/wind", {"id": "b-1", "intensity": 60, "duration": 60_000})
        assert client.receipt("b-1")["status"] == "done"
        client.publish("effects/vibration", {"id": "b-2", "intensity": 30, "duration": 50})
        assert client.receipt("b-2")["status"] == "done"
        wait_for(lambda: cable.heard == b"F0\nB0\nF60\nB30\nB0\n", what="only what changes")
        cable.pull_out()
        for name in ("fan", "buzz"):
            wait_for(
                lambda name=name: client.on(f"devices/{name}/availability")[-1:] == [b"offline"], what=f"{name} offline"
            )
        cable.plug_in()
        wait_for(home.ready, 40, "ready again")
        wait_for(lambda: cable.heard == b"F0\nB0\n", what="both off first, again")
