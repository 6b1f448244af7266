"""The broker program: its gate tells the truth, its socket serves while its port is somebody else's."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets import InvalidStatus, Subprotocol
from websockets.sync.client import connect as websocket_client

from effectd.config.reader import home_id

from .conftest import free_port
from .wire import CONNACK, Client, connect, connected, wait_for


class Program:
    """`python -m broker_proc` in a home of its own."""

    def __init__(self, folder: Path, **broker: Any) -> None:
        self.home, self.port = folder, broker.setdefault("port", free_port())
        self.configure(**broker)
        self.log = folder / "broker.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "broker_proc", "--home", str(folder)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def configure(self, **broker: Any) -> None:
        """Write config.yaml, in one step; a remote device `far` is there for users to act for."""
        devices = {"far": {"kind": "remote", "effects": ["wind"]}}
        text = yaml.safe_dump({"broker": broker, "devices": devices, "effects": {"wind": None}})
        fresh = self.home / "config.new"
        fresh.write_text(text)
        fresh.rename(self.home / "config.yaml")

    @property
    def socket(self) -> Path:
        return self.home / "run" / "broker.sock"

    def line(self) -> dict[str, Any]:
        """The gate's last word; {} where nobody holds it."""
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as gate:
            gate.settimeout(2)
            gate.connect(str(self.home / "run" / "broker.gate"))
            found: dict[str, Any] = json.loads(gate.makefile().readline())
            return found
        return {}

    def wait_ready(self, reason: str = "") -> dict[str, Any]:
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            line = self.line()
            return (
                line.get("state") == "ready"
                and line["reason"].startswith(reason)
                and bool(reason) == bool(line["reason"])
            )

        wait_for(is_ready)
        return self.line()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose path is short enough for a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="e", dir="/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def program(folder: Path, **broker: Any) -> Iterator[Program]:
    running = Program(folder, **broker)
    try:
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_ready_means_that_clients_are_served_by_port_and_by_socket(folder: Path) -> None:
    with program(folder) as broker:
        line = broker.wait_ready()
        assert line["broker_generation"] == line["generation"]
        with connected(broker.port) as one, Client(broker.socket, connect("other")) as other:
            other.expect(CONNACK)
            other.subscribe("a", 1)
            one.publish("a", "x", 1)
            assert other.message().payload == "x"


def test_a_taken_port_leaves_the_socket_serving_and_the_gate_says_who_holds_it(folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with program(folder, port=port) as broker:
            line = broker.wait_ready(f"port {port} of 127.0.0.1 is held by ")
            assert f"(pid {os.getpid()})" in line["reason"]
            with Client(broker.socket, connect("own")) as own:
                own.expect(CONNACK)
                holder.close()
                broker.wait_ready()
                with connected(port) as client:
                    client.ping()
                own.ping()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_there_yet_is_waited_for(folder: Path, host: str) -> None:
    with program(folder, host=host, users={"anna": {}}, insecure=True) as broker:
        broker.wait_ready(f"the address {host} is not on this machine yet")
        with Client(broker.socket, connect("own")) as own:
            own.expect(CONNACK)


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost", "127.0.0.1"])
def test_addresses_of_ip_6_are_served(folder: Path, host: str) -> None:
    with program(folder, host=host) as broker:
        broker.wait_ready()
        where = "127.0.0.1" if host == "localhost" else "::1"
        with socket.create_connection((where, broker.port), 5) as client:
            client.sendall(connect("six"))
            assert client.recv(10) == b"\x20\2\0\0"


def test_who_comes_by_port_under_the_brokers_own_id_is_refused(folder: Path) -> None:
    with program(folder) as broker:
        broker.wait_ready()
        with Client(broker.port, connect(f"effectd-{home_id(folder)}-broker")) as impostor:
            assert impostor.expect(CONNACK).body == b"\0\5"
        assert broker.line()["state"] == "ready"


def test_a_websocket_is_offered_to_pages_of_this_machine_and_to_those_that_are_named(folder: Path) -> None:
    web = free_port()
    with program(folder, websocket={"port": web, "path": "/m", "origins": ["https://good.example"]}) as broker:
        broker.wait_ready()
        url, known = f"ws://127.0.0.1:{web}/m", [Subprotocol("mqtt")]
        for origin in (None, "https://good.example", "http://localhost:8090", "http://127.0.0.1", "http://[::1]:1"):
            with websocket_client(url, subprotocols=known, origin=origin) as client:  # type: ignore[arg-type]
                assert not client.protocol.extensions  # no compression
                client.send(connect("page"))
                assert client.recv() == b"\x20\2\0\0"
        for wrong, status in (
            ({"origin": "https://bad.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "https://localhost.bad.example"}, 403),
            ({"subprotocols": [Subprotocol("chat")]}, 400),
            ({"uri": f"ws://127.0.0.1:{web}/other"}, 404),
        ):
            options: dict[str, Any] = {"uri": url, "subprotocols": known} | wrong
            with pytest.raises(InvalidStatus) as refused, websocket_client(**options):
                pass
            assert refused.value.response.status_code == status


def test_with_certificates_port_and_websocket_speak_tls(folder: Path) -> None:
    _certificate(folder)
    web, files = free_port(), {"certfile": "server.crt", "keyfile": "server.key"}
    trust = ssl.create_default_context(cafile=folder / "server.crt")
    with program(folder, tls=files, websocket={"port": web}) as broker:
        broker.wait_ready()
        plain = socket.create_connection(("127.0.0.1", broker.port), 5)
        with trust.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(connect("safe"))
            assert client.recv(10) == b"\x20\2\0\0"
        with websocket_client(
            f"wss://localhost:{web}/mqtt",
            subprotocols=[Subprotocol("mqtt")],
            ssl=trust,
            sock=socket.create_connection(("127.0.0.1", web), 5),
        ) as page:
            page.send(connect("page"))
            assert page.recv() == b"\x20\2\0\0"
        with Client(broker.port) as unsafe:
            unsafe.try_send(connect("unsafe"))
            assert unsafe.is_closed(2.0)


def _certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout server.key -out server.crt"
    command += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("broker", "complaint"),
    [
        ({"plugins": {"no.such.Plugin": {}}}, "broker.plugins: cannot be loaded: Plugin import failed: no.such.Plugin"),
        (
            {"plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"wrong": 1}}},
            "broker.plugins: cannot be loaded",
        ),
        ({"tls": {"certfile": "missing.crt", "keyfile": "missing.key"}}, "broker.tls: no TLS with these files"),
        (
            {"limits": {"packet_bytes": 1}},
            "broker.limits.packet_bytes: must be a whole number from 65536 to 268435455, not 1",
        ),
        ({"websocket": {"prot": 1}}, "broker.websocket.prot: unknown key"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_said_with_its_line(
    folder: Path, broker: dict[str, Any], complaint: str
) -> None:
    running = Program(folder, **broker)
    assert running.process.wait(10) == 78
    said = running.log.read_text()
    assert complaint.replace("`", "") in said
    assert "config.yaml:" in said
    assert "Traceback" not in said


def test_a_plugin_that_is_named_is_asked_about_everybody_but_our_own_programs(folder: Path) -> None:
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}}
    with program(folder, plugins=plugins) as broker:
        broker.wait_ready()
        assert _answer(broker.port) == b"\0\5"
        with connected(broker.port, username="anna") as anna, Client(broker.socket, connect("own")) as own:
            assert own.expect(CONNACK).body == b"\0\0"
            own.subscribe("a")
            anna.publish("a", "x", 1)
            assert own.message().payload == "x"


def _answer(port: int) -> bytes:
    with contextlib.suppress(OSError), Client(port, connect("nameless")) as client:
        found = client.receive(2)
        return found.body if found else b""
    return b""


def test_an_idle_broker_is_small_and_quick(folder: Path) -> None:
    start = time.monotonic()
    with program(folder) as broker:
        wait_for(lambda: _answer(broker.port))
        assert time.monotonic() - start < 2.0  # some 0.2 s on a quiet machine
        broker.wait_ready()
        status = Path(f"/proc/{broker.process.pid}/status").read_text()
        measured = any(name.startswith("COVERAGE_") for name in os.environ)  # which takes memory itself
        assert int(status.split("VmRSS:")[1].split()[0]) < (44_000 if measured else 34_000)
