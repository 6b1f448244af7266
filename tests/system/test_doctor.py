"""`effectd doctor`: ten lines, true of a home that is well; what is not well has a line with its cure."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from effectd.access import passwords
from tests.system.home import Home, free_port, wait_for


@pytest.fixture
def room() -> Iterator[Home]:
    """A home that does not run."""
    with Home() as home:
        yield home


def lines(home: Home, code: int) -> dict[str, tuple[str, str]]:
    done = home.effectd("doctor")
    assert done.returncode == code, done.stdout + done.stderr
    found = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert len(found) == 11
    return {about: (word, text) for word, about, text in found}


def test_a_home_that_runs_and_is_well_has_eleven_lines_and_nothing_wrong(home: Home) -> None:
    said = lines(home, 0)
    assert list(said) == [
        *(
            "files",
            "broker",
            "websocket",
            "page",
            "users",
            "certificate",
            "ports",
            "rights",
            "programs",
            "devices",
            "clock",
        )
    ]
    assert said["broker"] == (
        "ok",
        f"127.0.0.1:{home.port}: every program of this machine needs no login, "
        "and may do all but what our own programs do",
    )
    assert said["ports"] == ("ok", f"{home.port}: held by our broker")
    assert said["programs"] == ("ok", "all 6 are ready")
    home.order("stop", "wind")
    word, text = lines(home, 1)["programs"]
    assert word == "wrong"
    assert text.startswith("wind is stopped")


def test_what_does_not_run_is_no_fault(room: Home) -> None:
    said = lines(room, 0)
    assert said["programs"] == ("note", "none runs: effectd up")
    assert said["ports"] == ("ok", f"{room.port}: free")


@pytest.mark.parametrize(
    ("broker", "about", "said"),
    [
        ({"host": "0.0.0.0"}, "broker", "anyone on the network needs no login"),
        ({"host": "0.0.0.0", "users": {"anna": None}}, "broker", "in the clear: effectd certificate"),
        ({"websocket": {"host": "0.0.0.0", "port": 9}}, "websocket", "anyone on the network needs no login"),
        ({"users": {"anna": None}}, "users", "no password for anna: effectd user add NAME"),
        ({"tls": {"certfile": "no.pem"}}, "certificate", "No such file or directory"),
        ({"prot": 1}, "configuration", "unknown key"),
    ],
)
def test_what_is_open_by_mistake_or_does_not_work_is_wrong_with_its_cure(
    room: Home, broker: dict[str, Any], about: str, said: str
) -> None:
    room.config["broker"] |= broker
    room.write()
    done = room.effectd("doctor")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.split()[1] == about]
    assert line.startswith("wrong ")
    assert said in line


def test_a_page_that_is_open_to_the_network_by_mistake_is_wrong(room: Home) -> None:
    room.config["page"] = {"host": "0.0.0.0", "port": free_port()}
    room.write()
    assert lines(room, 1)["page"][1].endswith(
        "anyone on the network needs no login, and may do all but what our own programs do: effectd user add NAME"
    )


def test_a_port_of_somebody_elses_and_files_that_others_read_are_wrong(room: Home) -> None:
    passwords.write(room.path, {})
    (room.path / passwords.FILE).chmod(0o644)
    with socket.create_server(("127.0.0.1", room.port)):
        said = lines(room, 1)
    assert said["ports"][0] == "wrong"
    assert f"port {room.port} of 127.0.0.1 is held by" in said["ports"][1]
    assert f"(pid {os.getpid()})" in said["ports"][1]
    assert said["rights"] == (
        "wrong",
        f"{room.path}/passwords is open to others: chmod go-rwx {room.path}/passwords",
    )


def test_a_password_in_a_config_yaml_that_others_read_is_wrong(room: Home) -> None:
    room.config["devices"]["web"] = {
        "kind": "http",
        "effects": ["wind"],
        "options": {"url": "http://127.0.0.1:9/on", "off_url": "http://127.0.0.1:9/off", "headers": {"token": "abc"}},
    }
    room.write()
    done = room.effectd("doctor")
    assert "config.yaml holds a password or token, and others can read it: chmod 600" in done.stdout
    (room.path / "config.yaml").chmod(0o600)
    assert "holds a password" not in room.effectd("doctor").stdout


def test_a_serial_port_that_is_not_there_is_told(room: Home) -> None:
    port = {"port": "/dev/no-such-port"}
    room.config["devices"]["fan"] = {"kind": "serial", "effects": ["wind"], "options": port}
    room.write()
    assert lines(room, 1)["devices"][1].startswith("fan: /dev/no-such-port is not there: is it plugged in?")


def test_the_home_of_another_user_keeps_its_secrets(home: Home) -> None:
    for path in (home.path / "run", home.path / "run" / "log"):
        assert path.stat().st_mode & 0o777 == 0o700
    readable = [path for path in (home.path / "run").rglob("*") if path.lstat().st_mode & 0o077 and not path.is_dir()]
    wait_for((home.path / "run" / "broker.sock").exists, what="broker.sock")
    assert [path for path in readable if path.suffix in (".sock", ".gate", ".journal", ".seen", ".state")] == []
    assert Path(home.path / "run").stat().st_uid == os.geteuid()
