"""broker.sock: this user's own programs come in by it; publishers wait for the dispatcher, and for nobody else."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import cannot

from .conftest import RunningBroker, _run
from .wire import CONNACK, PUBLISH, Client, connect, connected, publish, wait_for


@pytest.fixture(params=["ours", "ours-on-asyncio"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RunningBroker, Path]]:
    path = tmp_path / "broker.sock"
    for ours in _run(request.param, tmp_path, f"--socket={path}"):
        wait_for(path.exists)
        yield ours, path


def test_a_client_by_the_socket_is_served_like_any_other(home: tuple[RunningBroker, Path], topic: str) -> None:
    ours, path = home
    assert path.stat().st_mode & 0o777 == 0o600
    with Client(path, connect(topic)) as local, connected(ours.port) as other:
        assert local.expect(CONNACK).body == b"\0\0"
        local.subscribe(topic, 1)
        other.publish(topic, "hello", 1)
        assert local.message().payload == "hello"
        local.ping()


def test_the_socket_has_a_place_though_others_have_taken_all(tmp_path: Path) -> None:
    path = tmp_path / "broker.sock"
    for ours in _run("ours", tmp_path, f"--socket={path}", '--limits={"connections": 2}'):
        with connected(ours.port), connected(ours.port), Client(ours.port, connect()) as third:
            assert third.is_closed(1.0)
            with Client(path, connect("own")) as own:
                own.expect(CONNACK)


@pytest.mark.parametrize("how", ["removed", "replaced by a file", "replaced by a dead socket"])
def test_a_socket_that_is_taken_away_is_there_again(home: tuple[RunningBroker, Path], how: str) -> None:
    ours, path = home
    with Client(path, connect("stays")) as stays:
        stays.expect(CONNACK)
        descriptors = ours.descriptors()
        path.unlink()
        if how == "replaced by a file":
            path.write_text("")
        elif how == "replaced by a dead socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
        wait_for(lambda: _serves(path), limit=2.0)
        stays.ping()
        wait_for(lambda: ours.descriptors() <= descriptors)


def _serves(path: Path) -> bool:
    with contextlib.suppress(OSError, TimeoutError), Client(path, connect()) as client:
        return client.receive(0.5) is not None
    return False


def test_another_user_is_not_served_by_the_socket(home: tuple[RunningBroker, Path], tmp_path: Path) -> None:
    if os.geteuid():
        cannot("needs root, to be somebody else for once")
    _, path = home
    shared = Path("/tmp") / f"effectd-test-{os.getpid()}.sock"  # where anybody may go
    os.link(path, shared)
    shared.chmod(0o666)
    try:
        script = (
            "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])\n"
            "try:\n    s.sendall(bytes.fromhex(sys.argv[2])); print(len(s.recv(100)))\n"
            "except ConnectionError:\n    print(0)"
        )
        command = [sys.executable, "-c", script, str(shared), connect("stranger").hex()]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "0"
    finally:
        shared.unlink()


def test_publishers_wait_while_the_dispatcher_has_much_to_read_and_it_misses_nothing(
    home: tuple[RunningBroker, Path],
) -> None:
    ours, path = home
    count, payload = 3000, "x" * 32_000  # some 96 MB, six times what one client may leave unread
    with (
        Client(path, connect("effectd-dispatcher"), receive_buffer=4096) as dispatcher,
        Client(path, connect("effectd-fan")) as own,
        connected(ours.port) as foreign,
        connected(ours.port) as bystander,
    ):
        for local in (dispatcher, own):
            local.expect(CONNACK)
        dispatcher.subscribe("effects/#")
        sent = _send_what_it_takes(foreign, publish("effects/wind", payload) * count)
        assert sent < 40_000_000
        own.publish("effects/stop", "x", 1)  # not made to wait
        bystander.publish("elsewhere", "x", 1)  # nor who publishes to something else
        heard = 0
        while heard < sent // len(publish("effects/wind", payload)):
            found = dispatcher.expect(PUBLISH)
            heard += found.topic == "effects/wind"
        assert ours.figure("publish/messages/dropped") == "0"


def _send_what_it_takes(client: Client, data: bytes) -> int:
    """How many bytes the broker takes before it takes nothing for a while."""
    client.socket.settimeout(0.5)
    sent, view = 0, memoryview(data)
    while sent < len(data):
        try:
            sent += client.socket.send(view[sent:])
        except TimeoutError:
            break
    return sent
