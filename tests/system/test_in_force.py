"""What stands in both files is in force after `up`, whatever ran before; and until then it is said to be stale."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from effectd.config import part, reader
from effectd.readiness import glance
from tests.needs import need
from tests.system.home import REPOSITORY, Client, Home, free_port, wait_for
from tests.system.running import Running
from tests.system.test_external import broker, on

Config = dict[str, Any]
VOLATILE = ("at", "pid", "generation", "broker_generation", "since", "host")


@pytest.fixture
def own_home() -> Iterator[Home]:
    with Home() as home:
        yield home


def up(home: Home, code: int = 0) -> str:
    done = home.effectd("up")
    home.pids()
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def stale(home: Home) -> dict[str, list[str]]:
    """Per program that is not as the files say: the keys."""
    programs = json.loads(home.effectd("health", "--json").stdout)["programs"]
    return {name: row["stale"] for name, row in programs.items() if row["stale"]}


def retained(port: int) -> dict[str, Any]:
    """What the broker keeps, without what differs from run to run; a program that is gone is not there."""
    client = Client(port, "#")
    try:
        client.publish("retained-is-complete", "1")
        wait_for(lambda: client.on("retained-is-complete"), what="all that is retained")
        found = dict(client.heard)
    finally:
        client.close()
    kept = {}
    for topic, payload in found.items():
        value = json.loads(payload) if payload[:1] == b"{" else payload.decode()
        if isinstance(value, dict):
            value = {key: each for key, each in value.items() if key not in VOLATILE}
            if value.get("state") == "gone":
                continue
        kept[re.sub("homes/.*", "homes/ID", topic)] = value
    del kept["retained-is-complete"]
    return kept


def picture(home: Home) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each program that runs with what it works by, and what the broker keeps."""
    running = [name for name in home.pids() if name != "supervisord"]
    return {name: glance.part(home.path / "run", name) for name in running}, retained(home.port)


def wanted(home: Home) -> dict[str, Any]:
    tree = reader.load(home.path)
    return {name: part.of(tree, name) for name in tree.programs}


def device(name: str, **keys: Any) -> Callable[[Home], None]:
    """Change keys of a device; None takes one away."""

    def change(home: Home) -> None:
        entry = home.config["devices"].setdefault(name, {"kind": "virtual", "effects": ["wind"]})
        for key, value in keys.items():
            entry[key] = value
            if value is None:
                del entry[key]

    return change


def without(name: str) -> Callable[[Home], None]:
    return lambda home: home.config["devices"].pop(name)


def top(key: str, value: Any) -> Callable[[Home], None]:
    return lambda home: home.config.__setitem__(key, value)


def both(*changes: Callable[[Home], None]) -> Callable[[Home], None]:
    def change(home: Home) -> None:
        for each in changes:
            each(home)

    return change


def another_port(home: Home) -> None:
    home.config["broker"]["port"] = home.port = free_port()


def another_section(home: Home) -> None:
    """supervisor.conf alone: written again by the next change."""
    conf = home.path / "supervisor.conf"
    before, mine, after = conf.read_text().partition("[program:light]")
    conf.write_text(before + mine + after.replace("stopwaitsecs=5", "stopwaitsecs=4", 1))


EDITS: list[tuple[str, Callable[[Home], None], set[str]]] = [
    ("a limit", device("wind", limits={"max_on_ms": 100}), {"wind"}),
    ("another limit", device("vibration", limits={"max_intensity": 20}), {"vibration"}),
    ("an option", device("light", options={"apply_ms": 3}), {"light"}),
    ("dry run", device("scent", dry_run=True), {"scent"}),
    ("a place: the dispatcher reads it, the driver announces it", device("wind", location="left"), {"wind"}),
    ("a zone", device("wind", zones=["row-a"]), {"wind"}),
    ("a delay, which the dispatcher alone heeds", device("wind", delay_ms=40), set()),
    ("a new device", device("fan"), {"fan"}),
    ("a device less", without("scent"), set()),
    ("a label", top("effects", {"light": {"labels": {"dim": 3}}, "wind": {}, "vibration": {}}), set()),
    ("nothing", lambda _home: None, set()),
    ("an explicit default", device("fan", location="everywhere"), set()),
    ("a device that becomes remote", device("fan", kind="remote"), set()),
    ("a device that comes home", device("fan", kind="virtual"), {"fan"}),
    ("two at once", both(device("fan", curve=2), device("light", range=[10, 90])), {"fan", "light"}),
    ("one goes, one comes", both(without("fan"), device("mist")), {"mist"}),
    ("another port", another_port, {"broker"}),
    ("a broker's limit", lambda home: home.config["broker"].update(limits={"retained": 500}), {"broker"}),
    ("a section of supervisor.conf", another_section, {"light"}),
    ("another root", top("topic_root", "room1"), {"broker", "dispatcher", "light", "wind", "vibration", "mist"}),
    ("another port and no root", both(another_port, top("topic_root", "")), {"broker", "dispatcher", "wind", "mist"}),
]


def test_after_each_of_twenty_edits_exactly_what_changed_was_restarted_and_the_room_is_as_started_afresh(
    own_home: Home,
) -> None:
    home = own_home
    up(home)
    for what, change, restarted in EDITS:
        before = home.pids()
        change(home)
        if change is not another_section:
            home.write()
        said = up(home)
        after = home.pids()
        assert {name for name, pid in after.items() if before.get(name) != pid} >= restarted, f"{what}: {said}"
        if len(restarted) < 4:
            assert {name for name, pid in after.items() if before.get(name) != pid} == restarted, f"{what}: {said}"
        running, kept = picture(home)
        assert running == wanted(home), what
        drivers = {name for name in running if name not in ("broker", "dispatcher")}
        root = f"{home.config.get('topic_root', '')}/".lstrip("/")
        assert {t.removeprefix(root).split("/")[1] for t in kept if "devices/" in t} == drivers, what
        assert stale(home) == {}, what
    there = picture(home)
    home.down()
    up(home)
    assert picture(home) == there


def test_until_up_it_is_said_everywhere_which_keys_are_not_in_force(home: Home) -> None:
    device("wind", limits={"max_on_ms": 100, "max_rate_hz": 5})(home)
    home.config["effects"]["light"]["duration_ms"] = 7
    home.config["broker"]["port"] = free_port()
    home.write()
    assert stale(home) == {
        "wind": ["limits.max_on_ms", "limits.max_rate_hz"],
        "dispatcher": ["effects.light.duration_ms"],
        "broker": ["broker.port"],
    }
    health = home.effectd("health")
    assert health.returncode == 0
    assert "stale: limits.max_on_ms, limits.max_rate_hz: effectd up" in health.stdout
    check = home.effectd("check")
    assert check.returncode == 0
    assert "wind: not in force yet: limits.max_on_ms, limits.max_rate_hz" in check.stdout


def test_a_device_that_is_in_no_file_any_more_is_seen_until_it_is_off_and_gone_without_a_trace(home: Home) -> None:
    client = home.client("#")
    assert home.effectd("send", "scent", "70", "--duration", "0").returncode == 0
    wait_for(lambda: client.state("scent")["on"], what="scent on")
    without("scent")(home)
    home.write()
    health = home.effectd("health")
    assert re.search(r"^scent +ready .*left over: config.yaml does not name it any more", health.stdout, re.MULTILINE)
    assert "scent  off" in home.effectd("stop").stdout
    assert home.effectd("send", "scent", "70", "--duration", "0").returncode == 0
    wait_for(lambda: client.state("scent")["on"], what="scent on again")
    pids = home.pids()
    assert "scent: ended: in neither file any more" in up(home)
    assert [line for line in home.log("scent").splitlines() if "off" in line]
    states = client.on("devices/scent/state")
    assert [json.loads(states[-2])["on"], states[-1]] == [False, b""]
    assert client.on("devices/scent/config")[-1] == client.on("devices/scent/availability")[-1] == b""
    assert client.json("system/scent/state")[-1]["state"] == "gone"
    assert not [topic for topic in retained(home.port) if "scent" in topic]
    assert home.pids() == {name: pid for name, pid in pids.items() if name != "scent"}


def test_on_a_broker_of_others_nothing_is_left_at_the_old_place(own_home: Home, mosquitto: int) -> None:
    home = own_home
    home.config["broker"] = {"embedded": False, "external": {"host": "127.0.0.1", "port": mosquitto}}
    home.config["topic_root"] = "old"
    home.write()
    up(home)
    assert {topic.split("/")[0] for topic in retained(mosquitto)} == {"old"}
    home.config["topic_root"] = "new"
    without("scent")(home)
    home.write()
    said = up(home)
    assert "light: ready (restarted: topic_root)" in said
    kept = retained(mosquitto)
    assert {topic: value for topic, value in kept.items() if not topic.startswith("new/")} == {}
    assert not [topic for topic in kept if "scent" in topic]
    home.down()
    without("vibration")(home)
    home.write()
    up(home)
    assert not [topic for topic in retained(mosquitto) if "vibration" in topic]
    home.down()
    home.config["topic_root"] = "newest"  # moved while nothing runs, and started by systemd
    home.write()
    home.start()
    home.wait_ready(40)
    cleared = f"what was kept at 127.0.0.1:{mosquitto} under new of light, wind is cleared"
    wait_for(lambda: cleared in up(home), 60, "the old place is cleared")  # a busy broker may take two of them
    assert {topic.split("/")[0] for topic in retained(mosquitto)} == {"newest"}
    assert "is cleared" not in up(home)
    home.config["topic_root"] = "new"
    home.config["broker"] = {"port": home.port}
    home.write()
    up(home)
    assert retained(mosquitto) == {}
    assert "new/devices/light/config" in retained(home.port)


def test_what_cannot_be_cleared_at_the_old_place_is_cleared_by_the_first_up_that_can(own_home: Home) -> None:
    home = own_home
    with broker() as elsewhere:
        home.config["broker"] = on(elsewhere.port)
        home.write()
        up(home)
        home.down()
        elsewhere.kill()
        home.config["broker"] = {"port": home.port}
        home.write()
        assert f"what is kept at 127.0.0.1:{elsewhere.port} could not be cleared; the next up tries again" in up(home)
        elsewhere.start()
        cleared = f"what was kept at 127.0.0.1:{elsewhere.port} of light, "
        wait_for(lambda: cleared in up(home), 60, "the old place is cleared")


def test_what_changes_on_a_bus_or_moves_onto_it_restarts_its_one_program(own_home: Home) -> None:
    home = own_home
    home.config["buses"] = {"stage": {"kind": "virtual"}}
    home.config["devices"] |= {
        "scent": {"bus": "stage", "effects": ["scent"]},
        "light": {"bus": "stage", "effects": ["light"]},
    }
    home.write()
    up(home)
    before = home.pids()

    def restarted() -> set[str]:
        nonlocal before
        was, before = before, home.pids()
        return {name for name, pid in before.items() if was.get(name) != pid}

    home.config["devices"]["scent"]["limits"] = {"max_intensity": 30}
    home.write()
    assert stale(home) == {"stage": ["devices.scent.limits.max_intensity"]}
    assert "stage: ready (restarted: devices.scent.limits.max_intensity)" in up(home)
    assert restarted() == {"stage"}
    home.config["devices"]["wind"] = {"bus": "stage", "effects": ["wind"]}
    home.write()
    up(home)
    assert restarted() == {"stage"}
    assert "wind" not in before
    kept = retained(home.port)
    assert kept["devices/wind/config"]["bus"] == "stage"
    assert kept["devices/wind/availability"] == "online"
    assert home.effectd("device", "remove", "scent").returncode == 0
    assert restarted() == {"stage"}
    assert not [topic for topic in retained(home.port) if "scent" in topic]
    assert home.effectd("device", "set", "light", "limits.max_on_ms=50").returncode == 0
    assert restarted() == {"stage"}
    done = home.effectd("restart", "light")
    assert done.returncode == 0, done.stderr
    assert restarted() == {"stage"}
    assert stale(home) == {}


def test_what_was_stopped_by_hand_is_started_and_a_program_of_the_users_own_is_left_alone(home: Home) -> None:
    conf = home.path / "supervisor.conf"
    conf.write_text(conf.read_text() + "\n[program:theirs]\ncommand=sleep 1000\nstartsecs=1\n")
    up(home)
    theirs = home.pids()["theirs"]
    home.ctl("stop", "wind")
    home.ctl("stop", "theirs")
    assert "wind: ready (started)" in up(home)
    assert home.ctl("status", "theirs").stdout.split()[1] == "STOPPED"
    assert theirs not in home.pids().values()


def test_device_set_is_in_force_at_once_and_touches_no_other_program(home: Home) -> None:
    device("vibration", limits={"max_on_ms": 5})(home)  # an edit of somebody else that waits for its own `up`
    home.write()
    before = home.pids()
    done = home.effectd("device", "set", "wind", "limits.max_on_ms=150")
    assert done.returncode == 0, done.stderr
    assert "wind: restarted: limits.max_on_ms" in done.stdout
    assert {name for name, pid in home.pids().items() if before[name] != pid} == {"wind"}
    client = home.client("#")
    assert home.effectd("send", "wind", "50", "--duration", "5000").returncode == 0
    wait_for(lambda: client.state("wind") and not client.state("wind")["on"], 3, "off after 150 ms")
    assert stale(home) == {"vibration": ["limits.max_on_ms"]}


def test_device_remove_ends_it_while_it_is_on_and_what_waits_for_it_ends_as_failed(home: Home) -> None:
    client = home.client("#")
    assert home.effectd("send", "wind", "50", "--duration", "0").returncode == 0
    home.ctl("stop", "wind")  # so that the next effect has to wait
    client.publish("effects/wind", {"id": "late", "ttl_ms": 60000})
    wait_for(lambda: client.json("receipts/late"), what="accepted")
    before = home.pids()
    done = home.effectd("device", "remove", "wind")
    assert done.returncode == 0, done.stderr
    receipt = client.receipt("late")
    assert (receipt["status"], receipt["reason"]) == ("failed", "wind is no longer in config.yaml")
    assert home.pids() == before
    assert not [topic for topic in retained(home.port) if "wind" in topic]
    assert json.loads(home.effectd("health", "--json").stdout)["ready"]


def test_device_remove_while_a_timeline_uses_it_and_the_rest_of_the_timeline_plays_on(home: Home) -> None:
    client = home.client("#")
    effects = [{"effect_type": ("wind", "light")[n % 2], "timestamp": n * 250, "duration": 200} for n in range(240)]
    client.publish("timelines/film/load", {"effects": effects})
    client.publish("timelines/film/play", {"loop": True})

    def ended(effect: str, status: str) -> list[Any]:
        found = [json.loads(payload) for topic, payload in list(client.heard) if topic.startswith("receipts/film.")]
        return [each for each in found if each["effect_type"] == effect and each["status"] == status]

    wait_for(lambda: ended("wind", "done"), what="wind")
    done = home.effectd("device", "remove", "wind")
    assert done.returncode == 0, done.stderr
    problem = "no device of this home does wind: 120 effects"
    wait_for(lambda: problem in str(client.json("timelines/film/state")[-1]["problems"]), what="the state names it")
    lights = len(ended("light", "done"))
    wait_for(lambda: len(ended("light", "done")) > lights + 2, what="light")
    assert client.json("timelines/film/state")[-1]["status"] == "playing"
    client.publish("timelines/stop", b"")
    wait_for(lambda: client.json("timelines/film/state")[-1]["status"] == "loaded", what="its end")


def test_logs_and_restart_find_the_home_from_a_folder_within_it(home: Home) -> None:
    below = home.path / "notes" / "today"
    below.mkdir(parents=True)
    home.effectd("send", "wind", "33")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "effectd.cli", *arguments],
            cwd=below,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "wind 33 %" in run("logs", "wind")
    assert re.search(r"^wind +.*wind 33 %", run("logs"), re.MULTILINE)
    before = home.pids()
    assert "wind: ready (restarted)" in run("restart", "wind")
    assert {name for name, pid in home.pids().items() if before[name] != pid} == {"wind"}
    assert home.effectd("restart", "wnd").returncode == 2
    assert home.effectd("logs", "wnd").returncode == 2


def test_a_supervisord_of_another_version_is_told(home: Home) -> None:
    assert "older code" not in up(home)
    home.ctl("shutdown")
    wait_for(lambda: not home.left(), what="the end")
    (home.path / "sitecustomize.py").write_text(
        "import effectd.supervision.code\neffectd.supervision.code.AT_START = 'before'\n"
    )
    done = home.run(
        "supervisor.supervisord",
        "-c",
        str(home.path / "supervisor.conf"),
        env=os.environ | {"PYTHONPATH": f"{home.path}:{REPOSITORY}"},
    )
    assert done.returncode == 0, done.stderr
    home.wait_ready()
    assert "supervisord runs older code than is installed" in up(home)


def test_what_supervisord_takes_in_only_at_its_start_is_told(home: Home) -> None:
    conf = home.path / "supervisor.conf"
    assert "supervisord itself" not in up(home)
    conf.write_text(conf.read_text().replace("loglevel=info", "loglevel=debug"))
    assert "what supervisor.conf says of supervisord itself has changed since its start" in up(home)


def test_a_down_ends_an_up_that_waits(own_home: Home) -> None:
    home = own_home
    home.config["broker"] = {"embedded": False, "external": {"host": "127.0.0.1", "port": free_port()}}
    home.write()
    with Running(home, "up", "--wait", "60") as waiting:
        wait_for(lambda: (home.line("broker") or {}).get("state") == "waiting", what="a broker that waits")
        home.pids()
        began = time.monotonic()
        assert home.effectd("down").returncode == 0
        assert waiting.process.wait(5) == 3
        assert time.monotonic() - began < 8
        assert "supervisord was ended meanwhile" in waiting.err


def test_up_does_not_wait_for_a_device_that_is_not_plugged_in_and_all_else_works(own_home: Home) -> None:
    home = own_home
    device("wind", kind="serial", options={"port": "/dev/no-such-port"})(home)
    home.write()
    began = time.monotonic()
    said = up(home, 3)
    assert time.monotonic() - began < 15
    assert "it does not come by itself, so nothing is waited for" in said
    assert "wind: it is ready as soon as its device answers; everything else works" in said
    assert home.effectd("send", "light").returncode == 0
    began = time.monotonic()
    done = home.effectd(
        *("device", "add", "fan", "--kind", "serial", "--effect", "wind"),
        *("--option", "port=/dev/none"),
    )
    assert done.returncode == 3
    assert time.monotonic() - began < 10


def test_up_does_not_wait_for_a_broker_that_refuses_us_and_says_what_to_do(own_home: Home) -> None:
    need("mosquitto", "mosquitto")
    home, port = own_home, free_port()
    conf = home.path / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    with subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(conf)]) as mosquitto:
        try:
            home.config["broker"] = {"embedded": False, "external": {"host": "127.0.0.1", "port": port}}
            home.write()
            began = time.monotonic()
            said = up(home, 3)
            assert time.monotonic() - began < 20
        finally:
            mosquitto.terminate()
    assert re.search(r"^broker +waiting .*refused the connection", said, re.MULTILINE)
    assert "set what is missing in this shell; supervisord keeps the environment of its start" in said


def test_how_long_a_gate_may_be_silent_is_taken_in_without_any_restart(home: Home) -> None:
    before = home.pids()
    home.config["supervision"] = {"hung_after_ms": 5000}
    home.write()
    up(home)
    assert home.pids() == before
    home.kill("wind", signal.SIGSTOP)
    wait_for(lambda: "has said nothing for 5 s" in home.log("supervisord"), 20, "the watchdog's word")
    home.wait_ready()
