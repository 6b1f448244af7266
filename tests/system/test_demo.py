"""`effectd demo`: it plays, kills a driver, and shows it back."""

import re
import socket

from tests.system.home import Home


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
