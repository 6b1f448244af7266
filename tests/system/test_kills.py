"""Kill anything, and it is back, with the others undisturbed."""

import itertools
import os
import signal

import psutil
import pytest

from tests.needs import need
from tests.system.home import Client, Home, alive, wait_for

PROGRAMS = ("broker", "dispatcher", "wind")


def next_effect_is_done(home: Home, client: Client, number: int) -> None:
    client.publish("effects/wind", {"id": f"after-{number}", "intensity": 40, "duration": 50, "ttl_ms": 10000})
    assert client.receipt(f"after-{number}")["status"] == "done"


@pytest.mark.parametrize("program", [*PROGRAMS, "light"])
def test_a_killed_program_is_back_and_the_others_keep_their_pids(home: Home, program: str) -> None:
    wait_for(lambda: "RUNNING" in home.ctl("status", program).stdout, what="RUNNING")  # past startsecs
    before = home.pids()
    killed = home.kill(program)
    wait_for(lambda: (line := home.line(program)) and line["pid"] != killed, what=f"a new {program}")
    home.wait_ready()
    after = home.pids()
    assert after.pop(program) != before.pop(program)
    assert after == before
    assert "FATAL" not in home.ctl("status").stdout
    next_effect_is_done(home, home.client(), 1)


def test_a_driver_killed_in_the_middle_of_an_effect_comes_back_with_the_device_off(home: Home, mosquitto: int) -> None:
    client = home.client()
    client.publish("effects/wind", {"id": "long", "intensity": 70, "duration": 30000})
    assert client.receipt("long")["status"] == "done"
    wait_for(lambda: client.state("wind")["on"], what="wind on")
    home.kill("wind")
    wait_for(lambda: not client.state("wind")["on"], what="wind off")
    assert b"offline" in client.on("devices/wind/availability")
    wait_for(lambda: client.on("devices/wind/availability")[-1] == b"online", what="online again")
    assert not client.state("wind")["on"], "an effect of before the death must not be resumed"


@pytest.mark.parametrize("order", list(itertools.permutations(PROGRAMS)), ids="-".join)
def test_every_order_of_start_converges(shared_home: Home, order: tuple[str, ...]) -> None:
    home = shared_home
    for program in PROGRAMS:
        home.order("stop", program)
    wait_for(lambda: not any(home.line(program) for program in PROGRAMS), what="the three gone")
    for program in order:
        home.order("start", program)
        wait_for(lambda program=program: home.line(program), what=f"the gate of {program}")
    home.wait_ready()
    next_effect_is_done(home, home.client(), 2)


@pytest.mark.parametrize("order", list(itertools.permutations(PROGRAMS)), ids="-".join)
def test_every_order_of_restart_converges(shared_home: Home, order: tuple[str, ...]) -> None:
    home = shared_home
    home.wait_ready()
    others = {name: pid for name, pid in home.pids().items() if name not in PROGRAMS}
    for program in order:
        home.order("stop", program)
        wait_for(lambda program=program: home.line(program) is None, what=f"the end of {program}")
        home.order("start", program)
    home.wait_ready()
    assert {name: pid for name, pid in home.pids().items() if name not in PROGRAMS} == others
    next_effect_is_done(home, home.client(), 3)


def test_stop_all_then_start_all_converges(shared_home: Home) -> None:
    home = shared_home
    assert home.ctl("stop", "all").returncode == 0
    assert home.ctl("start", "all").returncode == 0
    home.wait_ready()
    next_effect_is_done(home, home.client(), 4)


@pytest.mark.parametrize("stopped", PROGRAMS)
def test_what_depends_on_a_stopped_program_waits_and_says_for_what(shared_home: Home, stopped: str) -> None:
    home = shared_home
    home.wait_ready()
    home.ctl("stop", stopped)
    wait_for(lambda: home.line(stopped) is None, what="gone")
    if stopped == "broker":
        line = wait_for(lambda: (line := home.line("wind")) and line["state"] == "waiting" and line, what="waiting")
        assert line["reason"] == "broker is not running"
    assert home.ctl("health").returncode == 3
    assert "EXITED" not in home.ctl("status").stdout
    home.ctl("start", stopped)
    home.wait_ready()


def test_kill_9_of_supervisord_switches_everything_off_and_leaves_no_orphan(mosquitto: int) -> None:
    fan = {
        "kind": "mqtt",
        "effects": ["wind"],
        "options": {"topic": "fan/speed", "broker": {"host": "127.0.0.1", "port": mosquitto}},
    }
    witness = Client(mosquitto)
    with Home({"wind": fan}) as home:
        home.start_ready()
        home.client().publish("effects/wind", {"id": "w", "intensity": 80, "duration": 30000})
        wait_for(lambda: witness.on("fan/speed")[-1:] == [b"80"], what="the fan at 80")
        pids = home.pids()
        os.kill(pids["supervisord"], signal.SIGKILL)
        wait_for(lambda: witness.on("fan/speed")[-1] == b"0", 5, "the fan off")
        wait_for(lambda: not any(alive(pid) for pid in pids.values()), 5, "everything gone")
        assert all(home.line(name) is None for name in home.lines()), "a stale gate is believed"
        home.start_ready()
        assert witness.on("fan/speed")[-1] == b"0"
        next_effect_is_done(home, home.client(), 4)
    witness.close()


def test_a_taken_lock_names_its_holder_and_the_first_stays_ready(shared_home: Home) -> None:
    home = shared_home
    home.wait_ready()
    pid = home.pid("wind")
    second = home.run("drivers", "wind", "--home", str(home.path))
    assert second.returncode == 75
    assert f"pid {pid}" in second.stdout
    assert home.line("wind")["pid"] == pid
    home.wait_ready()


def test_stop_all_leaves_every_device_off(home: Home) -> None:
    need("mosquitto", "mosquitto")
    client = home.client()
    for effect in ("light", "wind", "vibration", "scent"):
        client.publish(f"effects/{effect}", {"id": effect, "intensity": 50, "duration": 0})
        assert client.receipt(effect)["status"] == "done"
    home.ctl("stop", "all")
    for device in ("light", "wind", "vibration", "scent"):
        assert home.log(device).rstrip().endswith("off")
    assert all(line is None for line in home.lines().values())


def test_two_homes_side_by_side_do_not_disturb_each_other(home: Home) -> None:
    with Home() as other:
        other.start_ready()
        other.client().publish("effects/wind", {"id": "there", "intensity": 90})
        here = home.client()
        next_effect_is_done(home, here, 5)
        other.kill("broker")
        other.wait_ready()
        assert here.on("receipts/there") == []
    home.wait_ready()
    assert psutil.pid_exists(home.pid("broker"))
