"""A real home in a short temporary folder, on free ports, under a real supervisord; gone without a trace afterwards."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psutil
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from effectd.cli.check import section
from effectd.config.reader import home_id
from effectd.program.stream import no_delay

REPOSITORY = Path(__file__).resolve().parents[2]
# what a program gets that a newcomer starts: nothing of this shell but what measures coverage
BARE = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
BARE |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def listens(port: int) -> bool:
    """Whether a process listens on the port of this machine."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def answers(path: Path) -> bool:
    """Whether a process listens on the UNIX socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        try:
            sock.connect(os.fspath(path))
        except OSError:
            return False
        return True


def wait_for(condition: Callable[[], Any], limit: float = 30.0, what: str = "") -> Any:
    """The first true answer of `condition`; fails after `limit` seconds. What it looks into may not be there yet."""
    end = time.monotonic() + limit
    while True:
        try:
            answer, missing = condition(), None
        except (LookupError, TypeError) as error:
            answer, missing = None, error
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what or condition}") from missing
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """A zombie counts as gone: who reaps it, and when, is not ours."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Client:
    """A foreign MQTT client that remembers everything it hears."""

    def __init__(
        self,
        where: int | Path,
        *topics: str,
        window: int = 20,
        client_id: str = "",
        will: tuple[str, str] | None = None,
        login: tuple[str, str] | None = None,
        ca: str = "",
    ) -> None:
        """`where`: a port, or broker.sock; `window`: QoS 1 messages on their way at once, 0 = any; `will`: retained."""
        self.heard: list[tuple[str, bytes]] = []
        self._granted = 0
        self.refused: list[str] = []  # of the filters
        local = isinstance(where, Path)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, transport="unix" if local else "tcp")
        if will:
            self._client.will_set(*will, 1, True)
        if login:
            self._client.username_pw_set(*login)
        if ca:
            self._client.tls_set(ca)
        self._client.max_inflight_messages_set(window)
        self._client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self._client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in topics or ("#",)])
        self._client.on_subscribe = self._subscribed
        self._client.on_socket_open = lambda _c, _d, sock: no_delay(sock)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async(*((str(where),) if local else ("127.0.0.1", where)))
        self._client.loop_start()
        try:
            wait_for(lambda: self._granted, what=f"a connection to {where}")
        except AssertionError:
            self.close()
            raise

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        self._granted += 1
        self.refused += [str(reason) for reason in reasons if reason.is_failure]

    def publish(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        data = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        self._client.publish(topic, data, 1, retain)

    def die(self) -> None:
        """End the connection as the end of its machine would: the will is sent."""
        sock = self._client.socket()
        self._client.loop_stop()
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)

    def on(self, topic: str) -> list[bytes]:
        """What was heard on one topic, in order."""
        return [payload for where, payload in list(self.heard) if where == topic]

    def json(self, topic: str) -> list[Any]:
        return [json.loads(payload) for payload in self.on(topic)]

    def receipt(self, effect_id: str, limit: float = 15.0) -> Any:
        """The final receipt of an effect."""

        def final() -> Any:
            return next((r for r in self.json(f"receipts/{effect_id}") if r["status"] != "accepted"), None)

        return wait_for(final, limit, f"a final receipt of {effect_id}")

    def state(self, device: str) -> Any:
        """The newest one; the first is waited for."""
        return wait_for(lambda: self.json(f"devices/{device}/state"), what=f"a state of {device}")[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Home:
    """`devices` are added to (or replace) those of the repository's config.yaml; None takes one away.

    `page`: with a page, on a port of its own; most tests need none.
    """

    def __init__(self, devices: dict[str, Any] | None = None, *, page: bool = False, **top: Any) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))
        self.port = free_port()
        self.config: dict[str, Any] = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
        self.config["broker"]["port"] = self.port
        del self.config["page"]
        if page:
            self.config["page"] = {"host": "127.0.0.1", "port": free_port()}
        # a test uses them as it pleases; that a new home has these limits, tests/unit/test_budget.py shows
        self.config["devices"]["light"]["limits"]["max_flash_hz"] = 0
        del self.config["devices"]["scent"]["limits"]["budget"]
        for name, device in (devices or {}).items():
            self.config["devices"].pop(name, None)
            if device is not None:
                self.config["devices"][name] = device
        self.config.update(top)
        self.write()
        for folder in ("run", "run/log"):
            (self.path / folder).mkdir(mode=0o700)
        self.clients: list[Client] = []
        self._seen: dict[int, float] = {}  # every pid that supervisord told, with its start time

    def write(self) -> None:
        """config.yaml and supervisor.conf as they are meant now."""
        (self.path / "config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))
        conf = (REPOSITORY / "supervisor.conf").read_text()
        conf = conf[: conf.index("; One section a device")]
        if not self.config.get("dispatcher", True):
            conf = conf[: conf.index("[program:dispatcher]")]
        conf += "".join(f"\n{section(name)}" for name in self.drivers)
        if self.config.get("page") is not None:
            conf += f"\n{section('page')}"
        (self.path / "supervisor.conf").write_text(conf)
        link = self.path / "supervisord.conf"
        if not link.is_symlink():
            link.symlink_to("supervisor.conf")

    @property
    def local(self) -> list[str]:
        """The devices that are driven here."""
        return [name for name, found in self.config["devices"].items() if found.get("kind") != "remote"]

    @property
    def drivers(self) -> list[str]:
        """The programs that drive them: the bus of those that are on one."""
        return list(dict.fromkeys(self.config["devices"][name].get("bus", name) for name in self.local))

    def start(self) -> None:
        done = self.run("supervisor.supervisord", "-c", str(self.path / "supervisor.conf"))
        assert done.returncode == 0, done.stdout + done.stderr
        self.pids()

    def start_ready(self) -> None:
        """Start it, and wait until all of it is ready."""
        self.start()
        self.wait_ready()

    def run(self, module: str, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **kwargs,
        )

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("supervisor.supervisorctl", "-c", str(self.path / "supervisor.conf"), *arguments)

    def order(self, verb: str, program: str) -> None:
        """`start` or `stop` without waiting for startsecs, as fast as control allows."""
        from effectd.supervision.control import Supervisor

        supervisor = Supervisor(self.path)
        supervisor._call(f"supervisor.{verb}Process", program, False)
        if verb == "stop":  # until it is reaped, supervisord takes no order to start it
            wait_for(lambda: supervisor.programs()[program]["statename"] == "STOPPED", what="STOPPED")

    def effectd(self, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return self.run("effectd.cli", *arguments, **kwargs)

    def line(self, program: str) -> dict[str, Any] | None:
        """The line of a program's gate now; None where nobody answers."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1)
            try:
                sock.connect(str(self.path / "run" / f"{program}.gate"))
                data = sock.makefile("rb").readline()
            except OSError:
                return None
        return json.loads(data) if data else None

    def lines(self) -> dict[str, Any]:
        dispatcher = ("dispatcher",) if self.config.get("dispatcher", True) else ()
        page = ("page",) if self.config.get("page") is not None else ()
        return {name: self.line(name) for name in ("broker", *dispatcher, *self.drivers, *page)}

    def ready(self) -> bool:
        lines = self.lines()
        if not all(line and line["state"] == "ready" for line in lines.values()):
            return False
        return {line["broker_generation"] for line in lines.values()} == {lines["broker"]["generation"]}

    def wait_ready(self, limit: float = 20.0) -> None:
        try:
            wait_for(self.ready, limit, "all ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.ctl('health').stdout}\n{self.log('broker')[-2000:]}") from None

    def pid(self, program: str) -> int:
        return self.pids()[program]

    def pids(self) -> dict[str, int]:
        """The pids that supervisord knows; each is remembered, so that none can outlive the test."""
        from effectd.supervision.control import NotRunning, Supervisor

        try:
            supervisor = Supervisor(self.path)
            pids = {name: info["pid"] for name, info in supervisor.programs().items() if info["pid"] > 1}
            pids["supervisord"] = supervisor.pid()
        except NotRunning:
            return {}
        for pid in pids.values():
            try:
                self._seen.setdefault(pid, psutil.Process(pid).create_time())
            except psutil.NoSuchProcess:
                continue
        return pids

    def kill(self, program: str, sig: int = signal.SIGKILL) -> int:
        pid = self.pid(program)
        assert pid > 1
        os.kill(pid, sig)
        return pid

    def client(self, *topics: str) -> Client:
        client = Client(self.port, *topics)
        self.clients.append(client)
        return client

    def program(self, name: str, *topics: str) -> Client:
        """A client that the broker takes for the program `name` of this home."""
        path, client_id = self.path / "run" / "broker.sock", f"effectd-{home_id(self.path)}-{name}"
        self.clients.append(Client(path, *topics, client_id=client_id))
        return self.clients[-1]

    def log(self, program: str) -> str:
        path = self.path / "run" / "log" / f"{program}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def down(self) -> None:
        """End everything that this home has started, whatever state it is in."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self.pids():
            self.ctl("shutdown")
        try:
            wait_for(lambda: not self.left(), 8, "the end of all programs")
        finally:
            for pid in self.left():
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself at last
                    os.kill(pid, signal.SIGKILL)

    def left(self) -> list[int]:
        """The pids of this home that are still there."""
        left = []
        for pid, started in self._seen.items():
            try:
                process = psutil.Process(pid)
                if pid > 1 and process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(pid)
            except psutil.NoSuchProcess:
                continue
        return left

    def __enter__(self) -> "Home":
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self.down()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)
