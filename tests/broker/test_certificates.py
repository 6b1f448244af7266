"""`effectd certificate` with the real broker: TLS for its clients, certificates as users, renewal while it runs."""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from effectd.access import certificates
from tests.needs import need

from .test_embedded import folder  # noqa: F401 - a fixture
from .test_users import SECRETS, USERS, Users, running
from .wire import CONNACK, Client, connect, wait_for


def effectd(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "effectd.cli", "--home", str(home), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


def tls_of(home: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((home / "config.yaml").read_text())["broker"]["tls"]
    return found


def certified(home: Path, *more: list[str]) -> dict[str, str]:
    """The home's `broker.tls` after `effectd certificate`, and after once more with each of `more`."""
    (home / "config.yaml").write_text("broker:\n  users:\n    anna:\n")
    for arguments in ([], *more):
        effectd(home, "certificate", *arguments)
    return tls_of(home)


class Safe(Client):
    """The raw client by TLS."""

    def __init__(self, port: int, trust: ssl.SSLContext, first: bytes = b"") -> None:
        self._unparsed = b""
        self.socket = trust.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")
        self.send(first)


def trusting(home: Path, client: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=home / certificates.FOLDER / certificates.CA)
    if client:
        stem = home / certificates.FOLDER / f"client-{client}"
        context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
    return context


@pytest.fixture
def broker(folder: Path) -> Iterator[Users]:  # noqa: F811
    with running(folder, tls=certified(folder)) as users:
        yield users


def answer(client: Client) -> int:
    return client.expect(CONNACK).body[1]


def test_the_ca_is_the_only_file_that_a_client_needs_and_its_name_is_checked(broker: Users) -> None:
    login = {"username": "anna", "password": SECRETS["anna"]}
    with Safe(broker.port, trusting(broker.home), connect("a", **login)) as client:  # type: ignore[arg-type]
        assert answer(client) == 0
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(
            socket.create_connection(("127.0.0.1", broker.port), 10), server_hostname="localhost"
        )
    with pytest.raises(ssl.SSLCertVerificationError):
        trusting(broker.home).wrap_socket(
            socket.create_connection(("127.0.0.1", broker.port), 10), server_hostname="other.example"
        )
    with Client(broker.port) as plain:
        plain.try_send(connect("a", **login))  # type: ignore[arg-type]
        assert plain.is_closed()


def test_keys_are_for_their_owner_alone(broker: Users) -> None:
    made = broker.home / certificates.FOLDER
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in made.iterdir()} == {
        "ca.pem": 0o644,
        "ca.key": 0o600,
        "server.pem": 0o644,
        "server.key": 0o600,
    }


def test_mosquitto_pub_and_paho_come_in_as_they_are_told(broker: Users) -> None:
    need("mosquitto_pub", "mosquitto-clients")
    ca = str(broker.home / certificates.FOLDER / certificates.CA)
    heard = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set(ca)
    client.username_pw_set("bert", SECRETS["bert"])
    client.on_connect = lambda c, *_: c.subscribe("notes/#")
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda *_: heard.set()
    client.connect("localhost", broker.port)
    client.loop_start()
    try:
        assert subscribed.wait(10)
        command = ["mosquitto_pub", "-h", "localhost", "-p", str(broker.port), "--cafile", ca]
        command += ["-u", "anna", "-P", SECRETS["anna"], "-q", "1", "-t", "notes/x", "-m", "1"]
        subprocess.run(command, check=True, timeout=20, capture_output=True)
        assert heard.wait(10)
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_renewed_certificate_is_taken_in_while_clients_stay_connected(broker: Users) -> None:
    login: dict[str, Any] = {"username": "anna", "password": SECRETS["anna"]}
    with Safe(broker.port, trusting(broker.home), connect("stays", **login)) as stays:
        assert answer(stays) == 0
        before = stays.socket.getpeercert()  # type: ignore[attr-defined]
        said = effectd(broker.home, "certificate", "extra.example")
        assert "a running broker loads it by itself" in said

        def renewed() -> bool:
            with Safe(broker.port, trusting(broker.home)) as fresh:
                return bool(fresh.socket.getpeercert() != before)  # type: ignore[attr-defined]

        wait_for(renewed)
        stays.ping()
    with Safe(broker.port, trusting(broker.home), connect("new", **login)) as new:
        assert answer(new) == 0
        names = new.socket.getpeercert()["subjectAltName"]  # type: ignore[attr-defined]
        assert ("DNS", "extra.example") in names


def test_a_broken_certificate_is_told_and_the_one_before_stays(broker: Users) -> None:
    file = broker.home / certificates.FOLDER / certificates.SERVER
    file.write_text("no certificate")
    wait_for(lambda: "certificates/server.pem is not taken in" in broker.log.read_text())
    with Safe(broker.port, trusting(broker.home), connect("a")) as client:
        assert answer(client) == 5


def test_a_certificate_that_ends_within_thirty_days_is_warned_of_until_it_is_renewed(folder: Path) -> None:  # noqa: F811
    tls = certified(folder, ["--days", "29"])
    with running(folder, tls=tls) as users:
        words = "the certificate server.pem ends in 29 days; renew it: effectd certificate"
        wait_for(lambda: words in users.log.read_text())
        effectd(folder, "certificate")
        wait_for(lambda: "certificates/server.pem is taken in" in users.log.read_text())
        assert users.log.read_text().count("ends in") == 1
        effectd(folder, "certificate", "--days", "2")
        wait_for(lambda: "the certificate server.pem ends in 2 days" in users.log.read_text())


def test_the_common_name_of_a_certificate_is_the_user_and_others_come_by_password(folder: Path) -> None:  # noqa: F811
    tls = certified(folder, ["--client", "anna"], ["--client", "stranger"])
    assert tls["cafile"] == "certificates/ca.pem"
    with running(folder, tls=tls) as users:
        with Safe(users.port, trusting(folder, "anna"), connect("a", username="bert")) as anna:
            assert answer(anna) == 0
            assert anna.subscribe("receipts/#", 1) == 1
            assert anna.subscribe("devices/wind/set", 1) == 0x80, "anna's rights, whatever name was given"
            with Safe(users.port, trusting(folder, "stranger"), connect("b")) as stranger:
                assert answer(stranger) == 5
            login: dict[str, Any] = {"username": "bert", "password": SECRETS["bert"]}
            with Safe(users.port, trusting(folder), connect("c", **login)) as bert:
                assert answer(bert) == 0
            with Safe(users.port, trusting(folder), connect("d")) as nobody:
                assert answer(nobody) == 5
            users.change(users={name: user for name, user in USERS.items() if name != "anna"})
            assert anna.is_closed()


def test_a_certificate_of_another_ca_is_none(folder: Path) -> None:  # noqa: F811
    tls = certified(folder, ["--client", "anna"])
    context = trusting(folder)
    with tempfile.TemporaryDirectory(dir="/tmp") as other:
        certified(Path(other), ["--client", "anna"])
        foreign = Path(other) / certificates.FOLDER / "client-anna"
        context.load_cert_chain(f"{foreign}.pem", f"{foreign}.key")
    with running(folder, tls=tls) as users:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            with Safe(users.port, context, connect("a")) as impostor:
                answer(impostor)


def test_without_users_a_ca_asks_every_client_for_a_certificate(folder: Path) -> None:  # noqa: F811
    tls = certified(folder, ["--client", "anna"])
    with running(folder, tls=tls, users={}) as users:
        with Safe(users.port, trusting(folder, "anna"), connect("a")) as known:
            assert answer(known) == 0
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            with Safe(users.port, trusting(folder), connect("b")) as nobody:
                answer(nobody)
