"""Real broker processes: `broker` is ours, ours without uvloop, and mosquitto; what holds for one holds for all."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need
from tests.system.home import free_port

from . import wire, wire5
from .wire import PUBLISH, connected, subscribe, wait_for

SERVE = Path(__file__).with_name("serve.py")
MOSQUITTO = """
listener {port} 127.0.0.1
listener {web_port} 127.0.0.1
protocol websockets
allow_anonymous true
persistence false
"""
_numbers = itertools.count(1)


class RunningBroker:
    """A broker in a process of its own."""

    def __init__(self, kind: str, folder: Path, *options: str) -> None:
        self.kind = kind
        self.port, self.web_port = free_port(), free_port()
        self.log_file = folder / f"{kind}.log"
        if kind == "mosquitto":
            configuration = folder / "mosquitto.conf"
            configuration.write_text(MOSQUITTO.format(port=self.port, web_port=self.web_port))
            command = [need("mosquitto", "mosquitto"), "-c", str(configuration)]
        else:
            loop = "asyncio" if kind == "ours-on-asyncio" else "uvloop"
            command = [sys.executable, str(SERVE), f"--port={self.port}", f"--web-port={self.web_port}"]
            command += [f"--loop={loop}", *options]
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self._answers)
        except AssertionError as why:
            self.stop()
            raise AssertionError(f"{kind} did not start: {why} {self.log()}") from None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def tick(self) -> float:
        """How late, in seconds, this broker may notice a silence: mosquitto 2.0 looks every five."""
        return 6.0 if self.kind == "mosquitto" else 0.0

    def memory(self) -> float:
        """Resident, MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def figure(self, name: str) -> str:
        """One of `$SYS/broker/`."""
        with connected(self.port) as client:
            client.send(subscribe((f"$SYS/broker/{name}", 0)))
            while (found := client.receive()) is not None:
                if found.kind == PUBLISH:
                    return found.payload
        raise AssertionError("closed")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def warnings(self) -> list[str]:
        return re.findall("^WARNING.*", self.log(), re.MULTILINE)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "it ended"
        try:
            connected(self.port, "start", username="start").socket.close()
        except OSError:
            return False
        return True


def _start(kind: str, folder: Path, *options: str, attempts: int = 3) -> RunningBroker:
    """A started broker; a port that was free a moment ago may have become that of another program's connection."""
    try:
        return RunningBroker(kind, folder, *options)
    except AssertionError as why:
        if attempts == 1 or "in use" not in str(why):
            raise
        return _start(kind, folder, *options, attempts=attempts - 1)


def _run(kind: str, folder: Path, *options: str) -> Iterator[RunningBroker]:
    running = _start(kind, folder, *options)
    try:
        yield running
        assert running.process.poll() in (None, 0), f"it died: {running.log()}"
    finally:
        running.stop()
    for sign in ("Traceback", "never retrieved", "ERROR", "socket.send() raised"):
        assert sign not in running.log(), running.log()


@pytest.fixture(scope="module", params=["ours", "ours-on-asyncio", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Each of the brokers, for all the tests of a module."""
    yield from _run(request.param, tmp_path_factory.mktemp("broker"))


@pytest.fixture(scope="module", params=["ours", "ours-on-asyncio"])
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Ours alone, where it is asked for what mosquitto does not do."""
    yield from _run(request.param, tmp_path_factory.mktemp("ours"))


@pytest.fixture(params=[wire, wire5], ids=["3.1.1", "5"])
def mqtt(request: pytest.FixtureRequest) -> Any:
    """The raw client of each version of MQTT: both modules have the same words."""
    return request.param


@pytest.fixture
def topic() -> str:
    """A topic and client id that no other test uses."""
    return f"test{next(_numbers)}"
