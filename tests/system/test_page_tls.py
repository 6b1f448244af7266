"""The page over TLS, alone and without a broker: users by password or certificate, renewed while it runs."""

import base64
import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from effectd.access import certificates, passwords
from tests.needs import need
from tests.system.home import Home, wait_for

BASIC = "Basic " + base64.b64encode(b"anna:open sesame").decode()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    need("openssl", "openssl")
    home = Home(page=True)
    folder = home.path / certificates.FOLDER
    certificates.make_ca(folder, "a home")
    certificates.sign(folder, "server", "localhost", names=["localhost", "127.0.0.1"])
    certificates.sign(folder, "bert", "bert")
    files = {
        key: f"{certificates.FOLDER}/{name}" for key, name in (("certfile", "server.pem"), ("keyfile", "server.key"))
    }
    home.config["page"]["tls"] = files | {"cafile": f"{certificates.FOLDER}/ca.pem"}
    home.config["broker"]["users"] = {"anna": {}, "bert": {"operate": True}}
    home.write()
    passwords.write(home.path, {"anna": passwords.hashed(b"open sesame")})
    command = [sys.executable, "-m", "page_proc", "--home", str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        try:
            wait_for(lambda: home.line("page"), what="the page")
            yield home
        finally:
            process.terminate()
            process.wait(10)
            home.__exit__()


def trusting(folder: Path, client: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if client:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    return context


def get(home: Home, path: str, client: str = "", **headers: str) -> tuple[int, Any, bytes]:
    """Status, body and the server's certificate."""
    context = trusting(home.path / certificates.FOLDER, client)

    def answered() -> http.client.HTTPSConnection | None:
        connection = http.client.HTTPSConnection("localhost", home.config["page"]["port"], timeout=20, context=context)
        try:
            connection.connect()
        except ConnectionRefusedError:  # it has no port yet
            return None
        return connection

    connection = wait_for(answered)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        shown: bytes = connection.sock.getpeercert(binary_form=True)
        return answer.status, json.loads(answer.read()), shown
    finally:
        connection.close()


def test_a_user_comes_in_by_password_or_by_a_certificate_and_nobody_else(home):
    assert get(home, "/api/me")[0] == 401
    assert get(home, "/api/me", Authorization=BASIC)[1]["user"] == "anna"
    status, said, _ = get(home, "/api/me", client="bert")
    assert (status, said["user"], said["may"]["operate"]) == (200, "bert", True)


def test_a_renewed_certificate_is_taken_in_while_it_runs(home):
    before = get(home, "/api/me")[2]
    certificates.sign(home.path / certificates.FOLDER, "server", "localhost", names=["localhost"])
    wait_for(lambda: get(home, "/api/me")[2] != before, what="the new certificate")


def test_it_serves_without_a_broker_and_says_so(home):
    status, said, _ = get(home, "/api/room", Authorization=BASIC)
    assert (status, said["broker"]) == (200, {"connected": False, "reason": "broker is not running"})
    status, said, _ = get(home, "/api/health", Authorization=BASIC)
    assert (status, said["programs"]["page"]["state"]) == (503, "waiting")
