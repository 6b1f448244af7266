"""The command line as a person or a script uses it: what each command does, says, and exits with."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.home import Home, alive, free_port, wait_for


class Running:
    """An `effectd` command in the background, its output in files, ended for sure."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self._out, self._err = home.path / "out", home.path / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "effectd.cli", *arguments], cwd=home.path, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def says(self, text: str) -> None:
        wait_for(lambda: text in self.out + self.err, what=f"{text!r}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_home() -> Iterator[Home]:
    """A home in which nothing runs yet. An effect whose driver does not answer ends soon."""
    with Home() as home:
        for device in home.config["devices"].values():
            device["limits"] = {"max_apply_ms": 100}
        home.write()
        yield home


@pytest.fixture
def up_home(own_home: Home) -> Home:
    done = own_home.effectd("up")
    assert done.returncode == 0, done.stdout + done.stderr
    own_home.pids()
    return own_home


@pytest.fixture
def taken(own_home: Home) -> Iterator[socket.socket]:
    """Somebody else listens on the home's port."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", own_home.port))
        holder.listen()
        yield holder


# --- up and down -----------------------------------------------------------------------------------------------------


def test_up_says_in_one_plain_line_of_each_program_that_it_is_ready(own_home: Home) -> None:
    done = own_home.effectd("up")
    own_home.pids()
    assert done.returncode == 0, done.stderr
    assert own_home.ready()
    lines = done.stdout.splitlines()
    programs = ("broker", "dispatcher", "light", "wind", "vibration", "scent")
    assert sorted(lines[:-1]) == sorted(f"{program}: ready" for program in programs)
    assert lines[-1].startswith("all 6 programs are ready (")
    assert "\x1b" not in done.stdout
    assert (own_home.path / "run").stat().st_mode & 0o777 == 0o700


def test_up_makes_the_folders_of_a_home_that_was_copied_without_them(own_home: Home) -> None:
    (own_home.path / "run" / "log").rmdir()
    (own_home.path / "run").rmdir()
    assert own_home.effectd("up").returncode == 0
    own_home.pids()
    assert (own_home.path / "run" / "log").stat().st_mode & 0o777 == 0o700


def test_up_starts_what_is_stopped_and_touches_nothing_else(up_home: Home) -> None:
    up_home.ctl("stop", "wind")
    before = up_home.pids()
    assert up_home.effectd("up").returncode == 0
    after = up_home.pids()
    assert after.pop("wind")
    assert after == before


def test_up_takes_in_a_program_that_both_files_have_gained(up_home: Home) -> None:
    before = up_home.pids()
    up_home.config["devices"]["fan"] = {"kind": "virtual", "effects": ["wind"]}
    up_home.write()
    done = up_home.effectd("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fan: ready" in done.stdout
    after = up_home.pids()
    assert after.pop("fan")
    assert after == before


def test_up_with_a_wrong_configuration_exits_78_with_nothing_started(own_home: Home) -> None:
    own_home.config["devices"]["wind"]["speed"] = 5
    own_home.write()
    done = own_home.effectd("up")
    assert done.returncode == 78
    line = (own_home.path / "config.yaml").read_text().splitlines().index("    speed: 5") + 1
    where = f"{own_home.path}/config.yaml:{line}: devices.wind.speed: unknown key; allowed here are kind, effects,"
    assert done.stderr.startswith(where)
    assert done.stderr.endswith("nothing was started\n")
    assert done.stdout == ""
    assert own_home.pids() == {}
    assert not list((own_home.path / "run").glob("*.*"))


def test_up_exits_78_when_supervisord_refuses_its_file(own_home: Home) -> None:
    conf = own_home.path / "supervisor.conf"
    conf.write_text(conf.read_text().replace("loglevel=info", "loglevel=loud"))
    done = own_home.effectd("up")
    assert done.returncode == 78
    assert "loud" in done.stderr
    assert own_home.pids() == {}


def test_up_exits_3_when_not_all_is_ready_in_time_and_names_who_lacks_and_why(own_home: Home) -> None:
    own_home.config["devices"]["wind"]["options"] = {"apply_ms": 0}
    own_home.write()
    conf = own_home.path / "supervisor.conf"
    conf.write_text(conf.read_text().replace("-m drivers wind", "-m drivers wind --hoem"))
    done = own_home.effectd("up", "--wait", "10")
    own_home.pids()
    assert done.returncode == 3
    assert re.search(r"^not ready within \d+ s: .*\bwind\b", done.stderr, re.MULTILINE)
    assert "--hoem" in done.stderr
    assert re.search(r"^wind +(gone|starting) ", done.stdout, re.MULTILINE)


def test_up_names_the_holder_of_a_used_port_and_both_ways_out_and_waits_for_nothing(
    own_home: Home, taken: socket.socket
) -> None:
    done = own_home.effectd("up")
    own_home.pids()
    assert done.returncode == 3
    assert f"port {own_home.port} of 127.0.0.1 is held by " in done.stdout
    assert f"(pid {os.getpid()})" in done.stdout
    assert "sudo systemctl stop mosquitto" in done.stdout
    assert f"broker.port in {own_home.path}/config.yaml, for example " in done.stdout
    assert done.stdout.count("Two ways out") == 1
    assert "all 6 programs are ready" in done.stdout
    assert own_home.effectd("send", "wind").returncode == 0


def test_the_second_way_out_needs_only_another_up(own_home: Home, taken: socket.socket) -> None:
    done = own_home.effectd("up")
    assert re.search(r"for example \d+,", done.stdout)
    own_home.pids()
    own_home.config["broker"]["port"] = own_home.port = free_port()
    own_home.write()
    done = own_home.effectd("up")
    own_home.pids()
    assert done.returncode == 0, done.stdout + done.stderr
    assert own_home.effectd("send", "wind").returncode == 0


def test_down_leaves_no_process_and_every_device_off(up_home: Home) -> None:
    assert up_home.effectd("send", "wind", "70", "--duration", "0").returncode == 0
    pids = up_home.pids()
    assert len(pids) == 7
    done = up_home.effectd("down")
    assert done.returncode == 0, done.stderr
    assert [name for name, pid in pids.items() if alive(pid)] == []
    assert "down: supervisord and 6 programs are gone" in done.stdout
    changes = re.findall(r"(wind 70 %|off)", up_home.log("wind"))
    assert changes[-2:] == ["wind 70 %", "off"]


def test_down_where_nothing_runs_says_so_and_is_no_failure(own_home: Home) -> None:
    done = own_home.effectd("down")
    assert done.returncode == 0
    assert "nothing runs here" in done.stdout


def test_up_right_after_a_shutdown_waits_for_its_end(up_home: Home) -> None:
    before = up_home.pids()
    up_home.ctl("shutdown")
    done = up_home.effectd("up")
    after = up_home.pids()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not set(before.values()) & set(after.values())


# --- health ----------------------------------------------------------------------------------------------------------


def test_health_exits_0_when_all_are_ready_and_3_when_one_is_not(up_home: Home) -> None:
    done = up_home.effectd("health")
    assert done.returncode == 0
    assert done.stdout.count(" ready ") == 6
    up_home.ctl("stop", "wind")
    done = up_home.effectd("health")
    assert done.returncode == 3
    assert re.search(r"^wind +stopped .*supervisorctl start wind$", done.stdout, re.MULTILINE)


def test_health_waits_for_all_to_be_ready(up_home: Home) -> None:
    up_home.kill("broker")
    done = up_home.effectd("health", "--wait", "20")
    up_home.pids()
    assert done.returncode == 0, done.stdout


def test_health_as_json_has_the_shape_of_the_contract(shared_home: Home) -> None:
    done = shared_home.effectd("health", "--json")
    answer = json.loads(done.stdout)
    assert answer["ready"] is True
    assert list(answer["programs"]) == ["broker", "dispatcher", "light", "wind", "vibration", "scent"]
    fields = {"state", "since", "reason", "pid", "generation", "broker_generation", "stale"}
    assert all(set(program) == fields for program in answer["programs"].values())
    assert answer["programs"]["wind"]["pid"] == shared_home.pid("wind")
    assert abs(answer["programs"]["wind"]["since"] / 1000 - time.time()) < 60


def test_health_names_a_device_whose_section_is_wrong_with_its_line(up_home: Home) -> None:
    up_home.config["devices"]["wind"]["location"] = "upstairs"
    up_home.write()
    up_home.ctl("stop", "wind")
    up_home.order("start", "wind")
    wait_for(lambda: "devices.wind.location" in up_home.effectd("health").stdout, what="the error in health")
    assert up_home.effectd("health").returncode == 3


def test_health_exits_3_where_nothing_runs(own_home: Home) -> None:
    done = own_home.effectd("health", "--json")
    assert done.returncode == 3
    programs = json.loads(done.stdout)["programs"]
    assert {program["state"] for program in programs.values()} == {"gone"}


# --- send ------------------------------------------------------------------------------------------------------------


def test_send_prints_the_final_receipt_on_one_line_and_exits_0_when_it_is_done(shared_home: Home) -> None:
    client = shared_home.client()
    done = shared_home.effectd(
        "send", "light", "high", "--param", "color=#ff8800", "--param", "rgb=[255, 136, 0]", "--duration", "5000"
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"done  light  in \d+\.\d ms  \(light: done\)\n", done.stdout)
    state = wait_for(lambda: (s := client.state("light")) and s["on"] and s, what="the light on")
    assert state["intensity"] == 100
    assert state["parameters"] == {"color": "#ff8800", "rgb": [255, 136, 0]}


def test_send_as_json_prints_the_receipt_as_it_came(shared_home: Home) -> None:
    client = shared_home.client()
    done = shared_home.effectd("send", "wind", "12.5", "--id", "my-id", "--priority", "9", "--json")
    assert done.returncode == 0
    assert done.stdout.encode().rstrip(b"\n") == client.on("receipts/my-id")[-1]
    assert client.json("effects/wind")[0] == {"id": "my-id", "intensity": 12.5, "priority": 9}


def test_send_exits_1_with_the_dispatchers_reason_when_the_effect_is_refused(shared_home: Home) -> None:
    done = shared_home.effectd("send", "fog", "50")
    assert done.returncode == 1
    assert done.stdout.startswith("refused  fog  effect_type: unknown; known are light, wind")


def test_send_tells_what_it_waits_for_and_exits_1_when_the_effect_expires(up_home: Home) -> None:
    up_home.ctl("stop", "wind")
    done = up_home.effectd("send", "wind", "50", "--ttl", "400")
    assert done.returncode == 1
    assert done.stderr == "accepted  wind  waiting: wind is not running\n"
    assert re.fullmatch(r"expired  wind  in 4\d\d\.\d ms  \(wind: expired\)  wind is not running\n", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("wind", "300"), "intensity: "),
        (("wind", "--ttl", "0"), "ttl_ms: "),
        (("wind", "--id", "no blanks"), "id: "),
        (("wind", "--param", "color=blurple"), "parameters.color: "),
    ],
)
def test_send_refuses_what_breaks_a_rule_without_asking_anybody(
    own_home: Home, arguments: tuple[str, ...], reason: str
) -> None:
    done = own_home.effectd("send", *arguments)
    assert done.returncode == 1
    assert done.stdout.startswith(f"refused  wind  {reason}")


def test_send_of_a_used_id_with_other_content_is_told_at_once(shared_home: Home) -> None:
    assert shared_home.effectd("send", "wind", "10", "--id", "one").returncode == 0
    again = shared_home.effectd("send", "wind", "10", "--id", "one", "--json")
    assert again.returncode == 0
    other = shared_home.effectd("send", "wind", "20", "--id", "one")
    assert other.returncode == 1
    assert "id: was used" in other.stdout


def test_send_publishes_again_until_there_is_a_receipt(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    client = up_home.client()
    with Running(up_home, "send", "wind", "30", "--ttl", "20000") as sending:
        wait_for(lambda: len(client.on("effects/wind")) > 1, what="the effect published again")
        up_home.order("start", "dispatcher")
        assert sending.process.wait(20) == 0, sending.err
        assert sending.out.startswith("done  wind")
    published = client.on("effects/wind")
    assert published == published[:1] * len(published)
    assert [r["status"] for r in client.json(f"receipts/{json.loads(published[0])['id']}")].count("done") >= 1


def test_send_exits_75_when_nobody_gives_a_receipt(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    done = up_home.effectd("send", "wind", "--ttl", "1", "--id", "lonely")
    assert done.returncode == 75
    assert done.stderr == "no receipt of lonely; see: effectd health\n"


def test_send_exits_69_and_says_how_to_start_where_there_is_no_broker(own_home: Home) -> None:
    done = own_home.effectd("send", "wind")
    assert done.returncode == 69
    assert "cannot connect to run/broker.sock: No such file or directory" in done.stderr
    assert "effectd up" in done.stderr
    assert done.stdout == ""


def test_a_dry_run_prints_the_plan_without_a_broker(own_home: Home) -> None:
    own_home.config["devices"]["fan"] = {
        "kind": "virtual", "effects": ["wind"], "location": "left", "limits": {"max_intensity": 40},
    }  # fmt: skip
    own_home.config["devices"]["wind"]["location"] = "centerright"
    own_home.write()
    done = own_home.effectd("send", "wind", "medium", "--location", "left", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == "plan; nothing is sent\n  fan  wind 50 %  for 2000 ms  at most 40 % (max_intensity)\n"
    done = own_home.effectd("send", "wind", "30", "--target", "wind", "--fade", "500", "--dry-run")
    assert done.stdout == "plan; nothing is sent\n  wind  wind 30 %  for 2000 ms, a fade of 500 ms\n"
    done = own_home.effectd("send", "wind", "--location", "center", "--dry-run", "--json")
    assert json.loads(done.stdout) == {
        "devices": {"wind": {"intensity": 100, "duration": 2000}},
        "note": "no device at center; the nearest took it: wind",
    }


def test_a_dry_run_of_what_would_be_refused_exits_1(own_home: Home) -> None:
    done = own_home.effectd("send", "fog", "--dry-run")
    assert done.returncode == 1
    assert done.stdout.startswith("refused  fog  effect_type: unknown")
    own_home.config["effects"]["fog"] = {}
    own_home.write()
    done = own_home.effectd("send", "fog", "--dry-run")
    assert done.returncode == 1
    assert done.stdout == "undeliverable  fog  no device of this home does fog\n"


def test_ctrl_c_exits_130_without_a_traceback(up_home: Home) -> None:
    up_home.ctl("stop", "dispatcher")
    client = up_home.client()
    with Running(up_home, "send", "wind") as sending:
        wait_for(lambda: client.on("effects/wind"), what="the effect")
        assert sending.interrupt() == 130
        assert sending.out + sending.err == ""


# --- stop ------------------------------------------------------------------------------------------------------------


def test_stop_turns_every_device_off_and_says_so_by_mqtt_as_well(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("wind", "light"):
        assert shared_home.effectd("send", effect, "--duration", "0").returncode == 0
    wait_for(lambda: client.state("wind")["on"] and client.state("light")["on"], what="both on")
    done = shared_home.effectd("stop")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["light  off", "scent  off", "vibration  off", "wind  off"]
    assert done.stderr == ""
    wait_for(lambda: not client.state("wind")["on"] and not client.state("light")["on"], what="both off")
    assert client.on("stop-all")


def test_stop_of_one_device_leaves_the_others_on(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("wind", "light"):
        assert shared_home.effectd("send", effect, "--duration", "0").returncode == 0
    done = shared_home.effectd("stop", "wind")
    assert (done.returncode, done.stdout) == (0, "wind  off\n")
    wait_for(lambda: not client.state("wind")["on"], what="wind off")
    assert client.state("light")["on"]
    assert client.on("devices/wind/stop")
    assert not client.on("stop-all")


def test_stop_works_with_broker_and_dispatcher_dead(up_home: Home) -> None:
    assert up_home.effectd("send", "wind", "70", "--duration", "0").returncode == 0
    up_home.ctl("stop", "dispatcher", "broker")
    done = up_home.effectd("stop")
    assert done.returncode == 0
    assert "wind  off" in done.stdout
    assert "not sent by MQTT: cannot connect" in done.stderr
    assert "dispatcher: it does not run" in done.stderr
    assert re.findall(r"(wind 70 %|off)", up_home.log("wind"))[-1] == "off"


def test_stop_works_with_a_configuration_that_cannot_be_read(up_home: Home) -> None:
    assert up_home.effectd("send", "wind", "70", "--duration", "0").returncode == 0
    (up_home.path / "config.yaml").write_text("devices: [")
    done = up_home.effectd("stop")
    assert done.returncode == 78
    assert "wind  off" in done.stdout
    assert re.findall(r"(wind 70 %|off)", up_home.log("wind"))[-1] == "off"


def test_stop_exits_1_when_a_driver_does_not_confirm(up_home: Home) -> None:
    up_home.ctl("stop", "wind")
    up_home.kill("light", signal.SIGSTOP)
    try:
        done = up_home.effectd("stop")
    finally:
        up_home.kill("light", signal.SIGCONT)
    assert done.returncode == 1
    assert "wind  unconfirmed: it does not run" in done.stdout
    assert "light  unconfirmed: " in done.stdout  # no answer in 2 s, or ended by the watchdog at that moment
    assert "scent  off" in done.stdout


def test_stop_of_an_unknown_device_is_a_usage_error_that_names_those_that_are_known(own_home: Home) -> None:
    done = own_home.effectd("stop", "fan")
    assert done.returncode == 2
    assert "no device 'fan'; known: light, wind, vibration, scent" in done.stderr


# --- watch -----------------------------------------------------------------------------------------------------------


def test_watch_as_json_prints_every_message_as_a_line_and_ends_well_at_ctrl_c(shared_home: Home) -> None:
    client = shared_home.client()
    with Running(shared_home, "watch", "--json") as watch:
        watch.says("watching 127.0.0.1")
        shared_home.effectd("send", "light", "20", "--id", "watched")
        client.publish("other", b"\xff\x00")
        client.publish("words", "not { json")
        watch.says("not { json")
        assert watch.interrupt() == 0
        lines = [json.loads(line) for line in watch.out.splitlines()]
    by_topic = {line["topic"]: line for line in lines}
    assert all(abs(line["at"] / 1000 - time.time()) < 60 for line in lines)
    assert by_topic["effects/light"]["payload"] == {"id": "watched", "intensity": 20}
    assert by_topic["receipts/watched"]["payload"]["status"] == "done"
    assert by_topic["devices/wind/availability"]["payload"] == "online"
    assert by_topic["devices/light/state"]["payload"]["on"] is True
    assert by_topic["words"]["payload"] == "not { json"
    assert by_topic["other"] == {"at": by_topic["other"]["at"], "topic": "other", "payload_base64": "/wA="}


def test_watch_says_in_plain_lines_what_happens(shared_home: Home) -> None:
    client = shared_home.client()
    with Running(shared_home, "watch") as watch:
        watch.says("watching 127.0.0.1")
        shared_home.effectd("send", "light", "80", "--param", "color=#ff8800", "--id", "seen")
        client.publish("effects/wind", "{bad")
        client.publish("effects/wind", b'{"id": "esc", "intensity": "\x1b[31m"}')
        watch.says("dead letter")
        shared_home.effectd("stop", "scent")
        watch.says("stop        scent")
        out = watch.out
    assert "  light       on  light 80 % #ff8800\n" in out
    assert re.search(r"  receipt     done  light  in \d+\.\d ms  \(light: done\)  seen\n", out)
    assert '  effect      light  {"id": "seen", ' in out
    assert "  dead letter malformed  effects/wind  neither JSON nor a bare word" in out
    assert "  wind        online\n" in out
    assert "  dispatcher  ready\n" in out
    assert "\x1b" not in out
    assert "/set" not in out


def test_watch_says_that_the_broker_is_gone_and_comes_back_with_it(up_home: Home) -> None:
    with Running(up_home, "watch") as watch:
        watch.says("watching 127.0.0.1")
        up_home.kill("broker")
        wait_for(lambda: watch.err.count("watching 127.0.0.1") == 2, what="watching again")
        assert "waiting for the broker" in watch.err
        up_home.wait_ready()
        up_home.pids()
        assert up_home.effectd("send", "wind", "33").returncode == 0
        watch.says("wind 33 %")


def test_watch_waits_for_a_broker_that_is_not_there_yet(own_home: Home) -> None:
    with Running(own_home, "watch") as watch:
        watch.says("waiting for the broker")
        assert own_home.effectd("up").returncode == 0
        own_home.pids()
        watch.says("scent       online")


def test_watch_ends_quietly_when_nobody_reads_it_any_more(shared_home: Home) -> None:
    command = f"set -o pipefail; {sys.executable} -m effectd.cli watch --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=shared_home.path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before", "after", "environment"])
def test_the_home_may_be_named_before_and_after_the_command_and_by_the_environment(own_home: Home, where: str) -> None:
    home = ["--home", str(own_home.path)] if where != "environment" else []
    before, after = (home, []) if where == "before" else ([], home)
    environment = {**os.environ, "EFFECTD_HOME": str(own_home.path) if where == "environment" else "/nowhere"}
    command = [sys.executable, "-m", "effectd.cli", *before, "check", *after]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["up", "down", "health", "check", "send wind", "stop", "watch", "demo"])
def test_every_command_exits_78_with_one_line_where_there_is_no_home(own_home: Home, command: str) -> None:
    empty = own_home.path / "empty"
    empty.mkdir()
    done = own_home.effectd("--home", str(empty), *command.split())
    assert done.returncode == 78
    assert done.stderr == (
        f"{empty}/config.yaml:1: no home here: there is no config.yaml; give --home DIR or EFFECTD_HOME\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["up", "health", "send wind", "watch", "demo", "check"])
def test_every_command_exits_78_with_the_line_where_config_yaml_is_wrong(own_home: Home, command: str) -> None:
    (own_home.path / "config.yaml").write_text("broker: {port: 0}\n")
    done = own_home.effectd(*command.split())
    assert done.returncode == 78
    assert f"{own_home.path}/config.yaml:1: broker.port: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["", "up", "down", "health", "check", "send", "stop", "watch", "demo"])
def test_help_teaches_with_examples_and_exit_codes_and_needs_no_home(tmp_path: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "effectd.cli", *command.split(), "--help"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--home" in done.stdout
    assert "effectd send wind 60" in done.stdout if command in ("", "send") else "xit code" in done.stdout


def test_the_version_names_the_contract(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "effectd.cli", "--version"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "effectd 0.1.0 (contract 2)\n")


# --- the demo --------------------------------------------------------------------------------------------------------


def test_the_demo_plays_kills_a_driver_shows_it_back_and_leaves_all_up(up_home: Home) -> None:
    before = up_home.pids()
    done = up_home.effectd("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"ready again: back in \d+ ms", done.stdout)
    assert re.search(rf"light +undisturbed: the same effect .* the same process \(pid {before['light']}\)", done.stdout)
    assert done.stdout.count("receipt    done") == 19
    assert "\x1b" not in done.stdout
    after = up_home.pids()
    assert {name for name in after if before[name] != after[name]} == {"wind"}
    assert up_home.ready()
    assert f"mosquitto_pub -h 127.0.0.1 -p {up_home.port} -t effects/wind -m 60" in done.stdout
    assert "sudo apt install mosquitto-clients" in done.stdout
    assert "supervisorctl restart wind" in done.stdout
    assert "supervisorctl tail -f wind" in done.stdout


def test_the_demo_ends_everything_afterwards_when_asked_to(own_home: Home) -> None:
    done = own_home.effectd("demo", "--down")
    assert own_home.pids() == {}
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_exits_1_and_names_the_effect_that_was_not_done(own_home: Home) -> None:
    own_home.config["devices"]["scent"]["options"] = {"apply_ms": 400}  # beyond its max_apply_ms of 100
    own_home.write()
    done = own_home.effectd("demo")
    own_home.pids()
    assert done.returncode == 1
    assert re.search(r"not as it should be: effect \S+ \(scent\): failed  scent ", done.stderr)


def test_the_demo_plays_where_the_port_is_taken_and_exits_3(own_home: Home, taken: socket.socket) -> None:
    done = own_home.effectd("demo")
    own_home.pids()
    assert done.returncode == 3, done.stdout + done.stderr
    assert "sudo systemctl stop mosquitto" in done.stdout
    assert "not as it should be" not in done.stderr
