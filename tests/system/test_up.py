"""`effectd up`, `down` and `health`: what they do, say, and exit with."""

import json
import os
import re
import socket
import time

from tests.system.home import Home, alive, free_port, wait_for

# --- up and down --------------------------------------------------------------------------------------------------


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


# --- health -------------------------------------------------------------------------------------------------------


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
