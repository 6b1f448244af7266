"""What strangers and public bug reports tried on a real room, where no other test has just that input."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import cannot
from tests.system.home import Client, Home, free_port, wait_for

BURST = 300


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    """One home for all of this file; each test brings what it changes into force, and needs nothing of the others."""
    with Home() as home:
        home.start_ready()
        yield home


def up(home: Home) -> str:
    home.write()
    done = home.effectd("up")
    home.pids()
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sent(client: Client, number: str, **effect: object) -> str:
    """The final status of an effect that has time to be driven on a busy machine."""
    kind = effect.pop("effect_type")
    client.publish(f"effects/{kind}", {"id": number, "ttl_ms": 15000, **effect})
    return str(client.receipt(number)["status"])


def test_a_limit_that_was_edited_is_what_the_device_is_driven_by_after_up(room: Home) -> None:
    client = room.client("#")
    room.config["devices"]["wind"]["limits"] = {"max_intensity": 20}
    room.write()
    assert "limits.max_intensity" in room.effectd("check").stdout
    assert "restarted: limits." in up(room)
    assert "at most 20 %" in room.effectd("send", "wind", "90", "--dry-run").stdout
    assert sent(client, "limit", effect_type="wind", intensity=90, duration=0) == "done"
    wait_for(lambda: client.state("wind")["effect_id"] == "limit", what="its state")
    assert client.state("wind")["intensity"] == 20
    del room.config["devices"]["wind"]["limits"]
    up(room)


def test_a_dry_run_that_was_written_by_hand_drives_nothing_after_up(room: Home) -> None:
    client = room.client("#")
    lamp = {"kind": "mqtt", "effects": ["light"], "options": {"topic": "lamp/cmd", "payload": "$level"}}
    room.config["devices"]["light"] = lamp | {"dry_run": True}
    up(room)
    client.heard.clear()
    assert sent(client, "dry", effect_type="light", intensity=50, duration=1) == "done"
    lamp_off = [topic for topic, payload in list(client.heard) if topic == "lamp/cmd" and payload != b"0"]
    assert lamp_off == []


def test_a_device_of_another_kind_is_driven_by_its_new_driver_after_up(room: Home) -> None:
    client = room.client("#")
    lamp = {
        "kind": "mqtt",
        "effects": ["light"],
        "options": {"topic": "lamp/cmd", "payload": "$level"},
        "limits": {"max_flash_hz": 0},  # else a light that has just started may have to wait
    }
    room.config["devices"]["light"] = {"kind": "virtual", "effects": ["light"]}
    up(room)
    room.config["devices"]["light"] = lamp
    assert "light: ready (restarted: " in up(room)
    assert sent(client, "kind", effect_type="light", intensity=50, duration=1) == "done"
    wait_for(lambda: client.on("lamp/cmd")[-2:] == [b"50", b"0"], what="the lamp is told, and told to be off again")


def test_another_port_is_one_up_and_until_then_commands_reach_what_runs(room: Home) -> None:
    old, new = room.port, free_port()
    room.config["broker"]["port"] = new
    room.write()
    assert room.effectd("send", "wind", "20", "--duration", "10", "--ttl", "15000").returncode == 0
    room.port = new
    up(room)
    assert sent(room.client("#"), "port", effect_type="wind", intensity=20, duration=1) == "done"
    room.config["broker"]["port"] = room.port = old
    up(room)


@pytest.mark.parametrize(
    ("payload", "level"),
    [
        *(("ON", 100), ("on", 100), ("On", 100), ("true", 100), ('"ON"', 100), ("HIGH", 100), ("LOW", 25)),
        *(("60%", 60), ('"60"', 60), ("60.5", 60.5), ("breeze", 40), ("BREEZE", 40)),
        *(("OFF", None), ("Off", None), ('"OFF"', None), ("false", None), ("off\r\n", None), ("0", None)),
    ],
)
def test_words_and_numbers_of_real_clients_do_what_they_say(room: Home, payload: str, level: float | None) -> None:
    wind = room.config["effects"].get("wind") or {}
    if "Breeze" not in wind.get("labels", {}):
        room.config["effects"]["wind"] = wind | {"labels": {**wind.get("labels", {}), "Breeze": 40}, "duration_ms": 0}
        up(room)
    client = room.client("#")
    if level is None:
        number = f"before-{os.urandom(3).hex()}"
        assert sent(client, number, effect_type="wind", intensity=70, duration=0) == "done"
        wait_for(lambda: client.state("wind")["on"], what="on, before it is to be off")
    client.publish("effects/wind", payload)

    def as_said() -> bool:
        state = client.state("wind")
        return not state["on"] if level is None else (state["on"], state["intensity"]) == (True, level)

    wait_for(as_said, what=f"what {payload!r} says")


def test_the_will_of_a_client_may_be_an_effect_or_a_stop(room: Home) -> None:
    client = room.client("#")
    effect = json.dumps({"id": "will", "intensity": 33, "duration": 0, "ttl_ms": 15000})
    _dies(room.port, "effects/vibration", effect)
    wait_for(lambda: client.state("vibration")["effect_id"] == "will", what="the effect of the will")
    assert client.state("vibration")["on"]
    _dies(room.port, "stop-all", "")
    wait_for(lambda: not client.state("vibration")["on"], what="off by the will")


def _dies(port: int, topic: str, payload: str) -> None:
    """A client whose process ends without a goodbye."""
    code = (
        "import os, sys, paho.mqtt.client as paho\n"
        "client = paho.Client(paho.CallbackAPIVersion.VERSION2)\n"
        "client.will_set(sys.argv[2], sys.argv[3], 1)\n"
        "client.on_connect = lambda *_: os._exit(0)\n"
        "client.connect('127.0.0.1', int(sys.argv[1]))\n"
        "client.loop_forever()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(port), topic, payload], check=True, timeout=30)


def test_of_a_burst_the_last_value_is_reached_and_every_message_is_answered(room: Home) -> None:
    client = room.client("#")
    for number in range(BURST):
        fields = {"id": f"burst-{number}", "intensity": 1 + number % 90, "duration": 0, "ttl_ms": 60000}
        client.publish("effects/wind", fields)
    last = f"burst-{BURST - 1}"
    assert client.receipt(last, 60)["status"] == "done"
    wait_for(lambda: client.state("wind")["effect_id"] == last, what="the last value")
    assert client.state("wind")["intensity"] == 1 + (BURST - 1) % 90
    found = [client.receipt(f"burst-{number}", 60)["status"] for number in range(BURST)]
    assert set(found) <= {"done", "superseded"}
    assert room.effectd("stop").returncode == 0
    wait_for(lambda: not client.state("wind")["on"], what="off")


def test_a_device_is_added_without_its_cable_and_that_is_said_without_waiting(room: Home) -> None:
    impatient = "from effectd import cli; from effectd.cli import device; device.READY_S = 300.0; cli.main()"
    added = ["device", "add", "fan", "--kind", "serial", "--effect", "wind", "--option", "port=/dev/no-such-cable"]
    done = subprocess.run(
        [sys.executable, "-c", impatient, *added],
        cwd=room.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    room.pids()
    try:
        assert done.returncode == 3, done.stdout + done.stderr
        assert "/dev/no-such-cable" in done.stderr
        assert "Error" not in done.stderr
        assert "DeviceFailed" not in done.stderr
    finally:
        assert room.effectd("device", "remove", "fan").returncode == 0


def test_two_up_at_once_beside_files_of_a_dead_run_make_one_room() -> None:
    with Home() as home:
        run = home.path / "run"
        (run / "supervisord.pid").write_text("1\n")
        for name in ("supervisor.sock", "wind.gate", "broker.sock"):
            (run / name).write_text("")
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "effectd.cli", "up"], cwd=home.path, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=60)[0] for process in both]
        pids = home.pids()
        assert [process.returncode for process in both] == [0, 0], said
        assert home.ready()
        assert sorted(home.left()) == sorted(pids.values()), "one of each"


def test_a_home_that_can_only_be_read_is_refused_in_one_line() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        cannot("needs root and unshare, to mount a folder read-only")
    with Home() as home:
        mounted = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && cd "$1" && shift && exec "$@"'
        words = ["unshare", "-m", "sh", "-c", mounted, "sh", str(home.path), str(home.path), sys.executable]
        tried = subprocess.run([*words, "-c", ""], capture_output=True, text=True, timeout=60, check=False)
        if tried.returncode != 0:
            cannot(f"no folder can be mounted here: {tried.stderr}")
        done = subprocess.run(
            [*words, "-m", "effectd.cli", "up"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 78, done.stdout + done.stderr
        said = (done.stdout + done.stderr).strip()
        assert "Read-only file system" in said
        assert len(said.splitlines()) == 1, said
        assert not Path(home.path / "run" / "supervisor.sock").exists()
