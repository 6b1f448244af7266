"""`effectd doctor --broker`: what those brokers can do that CI has, as docs/brokers.md shows it; logins; exit codes."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import conformance
from benchmarks.brokers import OURS
from benchmarks.brokers import started as ours
from benchmarks.nodes import MosquittoNode, NatsNode, started
from tests.needs import need
from tests.system.home import Home, free_port, listens, wait_for
from tests.system.test_external import FORGETFUL, broker, certificates


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    """A home that does not run."""
    with Home() as home:
        yield home


def column(name: str) -> dict[str, str]:
    """What the page shows of a broker, but for how long a message takes."""
    lines = conformance.shown(conformance.PAGE.read_text()).splitlines()
    head, _, *rows = ([cell.strip() for cell in line.split("|")] for line in lines)
    at = head.index(name)
    return {row[0]: row[at] for row in rows if row[0] != "round trip"}


def report(home: Home, port: int) -> dict[str, str]:
    found = conformance.report(home.path, port)
    assert "ms, at most" in found.pop("round trip")
    return found


def test_ours_has_what_the_page_says(room: Home) -> None:
    with ours(OURS) as one:
        assert report(room, one.port) == column("ours")


def test_mosquitto_has_what_the_page_says(room: Home) -> None:
    need("mosquitto", "mosquitto")
    with started(MosquittoNode) as (node,):
        assert report(room, node.port) == column("mosquitto 2.0")


def test_nats_has_what_the_page_says(room: Home) -> None:
    need("nats-server", "nats-server")
    with started(NatsNode) as (node,):
        assert report(room, node.port) == column("NATS 2.9")


def test_the_exit_code_is_0_for_one_that_has_all_1_for_one_that_lacks_something_and_69_for_none(room: Home) -> None:
    with broker() as good:
        assert room.effectd("doctor", "--broker", f"127.0.0.1:{good.port}").returncode == 0
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", FORGETFUL, str(port)], stderr=subprocess.DEVNULL) as forgetful:
        try:
            wait_for(lambda: listens(port), what="it listens")
            done = room.effectd("doctor", "--broker", f"127.0.0.1:{port}")
            assert done.returncode == 1
            assert "wrong  retained messages\n" in done.stdout
        finally:
            forgetful.kill()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = room.effectd("doctor", "--broker", f"127.0.0.1:{silent.getsockname()[1]}")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr
    nobody = ("a:1", "--password-env", "X")
    for wrong in (("nonsense",), nobody, (*nobody, "--username", "x")):
        assert room.effectd("doctor", "--broker", *wrong).returncode == 2


def test_it_logs_in_by_tls_with_a_password_from_the_environment(room: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    need("mosquitto_passwd", "mosquitto")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        certificates(folder)
        (folder / "passwords").touch(0o644)
        command = ["mosquitto_passwd", "-b", f"{name}/passwords", "room", "secret"]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "passwords").chmod(0o644)
        tls = (f"cafile {name}/ca.crt", f"certfile {name}/server.crt", f"keyfile {name}/server.key")
        with broker("allow_anonymous false", f"password_file {name}/passwords", *tls) as guarded:
            monkeypatch.setenv("ROOM_PASSWORD", "secret")
            login = ("--username", "room", "--password-env", "ROOM_PASSWORD", "--tls", f"{name}/ca.crt")
            done = room.effectd("doctor", "--broker", f"127.0.0.1:{guarded.port}", *login)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout.count("\n") == 13
            monkeypatch.setenv("ROOM_PASSWORD", "wrong")
            done = room.effectd("doctor", "--broker", f"127.0.0.1:{guarded.port}", *login)
            assert done.returncode == 69
            assert "refused the connection" in done.stderr
