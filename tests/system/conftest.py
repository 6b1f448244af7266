"""Fixtures of the tests that run real homes."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import need
from tests.system.home import Client, Home, free_port


@pytest.fixture
def home() -> Iterator[Home]:
    """A home that a test may break: started, all ready."""
    with Home() as home:
        home.start_ready()
        yield home


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Home]:
    """A home that a module's tests share, and leave as they found it."""
    with Home() as home:
        home.start_ready()
        yield home


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


@pytest.fixture
def mosquitto() -> Iterator[int]:
    """The port of a second, real broker that is none of ours."""
    program = need("mosquitto", "mosquitto")
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        conf = Path(folder) / "mosquitto.conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        with subprocess.Popen([program, "-c", str(conf)], stderr=subprocess.DEVNULL) as process:
            try:
                Client(port).close()
                yield port
            finally:
                process.terminate()
                process.wait(5)
