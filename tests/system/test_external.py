"""A home on somebody else's broker: found, tried out, lost and back; two homes on one; devices elsewhere."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker_proc import external
from effectd.base.loop import Loop
from effectd.config import reader
from effectd.program.process import Process
from tests.needs import need
from tests.system.home import Client, Home, free_port, listens, wait_for
from tests.unit.real_loop import RealLoop


class Mosquitto:
    """Debian's mosquitto, that can be killed and started again on the same port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        need("mosquitto", "mosquitto")
        self.port = free_port()
        self._conf = folder / "mosquitto.conf"
        allow = () if any(line.startswith("allow_anonymous") for line in lines) else ("allow_anonymous true",)
        text = (f"listener {self.port} 127.0.0.1", *allow, "persistence false", "set_tcp_nodelay true", *lines)
        self._conf.write_text("\n".join(text) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._process = subprocess.Popen([program, "-c", str(self._conf)], stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        """Until it listens."""
        wait_for(lambda: listens(self.port), what="mosquitto listening")

    def send(self, sig: int) -> None:
        assert self._process is not None
        self._process.send_signal(sig)

    def kill(self, sig: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(sig)
            self._process.wait(10)
            self._process = None


@contextmanager
def broker(*lines: str) -> Iterator[Mosquitto]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        mosquitto = Mosquitto(Path(folder), *lines)
        mosquitto.start()
        try:
            yield mosquitto
        finally:
            mosquitto.kill()


def at_nodes(*nodes: Any, **more: Any) -> dict[str, Any]:
    """The `broker:` of config.yaml for one with several nodes; of each its `port` is asked."""
    return {"embedded": False, "external": {"hosts": [f"127.0.0.1:{node.port}" for node in nodes], **more}}


def on(port: int, **more: Any) -> dict[str, Any]:
    """The `broker:` of config.yaml for an external one."""
    return {"embedded": False, "external": {"host": "127.0.0.1", "port": port, **more}}


def test_switching_to_an_external_broker_is_one_line_and_a_restart_of_all() -> None:
    with broker() as other, Home() as home:
        home.start_ready()
        home.config["broker"] |= on(other.port)
        home.write()
        home.ctl("restart", "all")
        home.wait_ready()
        client = Client(other.port)
        client.publish("effects/wind", {"id": "there", "intensity": 40})
        assert client.receipt("there")["status"] == "done"
        client.close()


def test_an_outage_of_the_external_broker_is_waited_for_and_effects_flow_again() -> None:
    with broker() as other, Home(broker=on(other.port)) as home:
        home.start_ready()
        pids = home.pids()
        first = home.line("broker")["generation"]
        other.kill()
        for program in ("broker", "dispatcher", "wind"):
            wait_for(lambda program=program: home.line(program)["state"] == "waiting", what=f"{program} waiting")
        other.start()
        home.wait_ready()
        assert home.pids() == pids
        assert home.line("broker")["generation"] != first
        client = Client(other.port)
        client.publish("effects/wind", {"id": "again", "intensity": 40})
        assert client.receipt("again")["status"] == "done"
        client.close()


def test_the_password_comes_from_the_environment_and_a_wrong_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    need("mosquitto_passwd", "mosquitto")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        passwords = Path(folder) / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "room", "secret"], check=True)
        passwords.chmod(0o644)
        Path(folder).chmod(0o755)
        with (
            broker("allow_anonymous false", f"password_file {passwords}") as other,
            Home(broker=on(other.port, username="room", password_env="ROOM_PASSWORD")) as home,
        ):
            monkeypatch.setenv("ROOM_PASSWORD", "wrong")
            home.start()
            line = wait_for(lambda: (x := home.line("broker")) and "refused" in x["reason"] and x, what="refused")
            assert line["state"] == "waiting"
            home.down()
            monkeypatch.setenv("ROOM_PASSWORD", "secret")
            home.start_ready()


def certificates(folder: Path, *addresses: str) -> None:
    """A CA, a server's and a client's certificate, by openssl; for this machine, and for these addresses of it."""
    need("openssl", "openssl")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=our ca"
    )
    for name in ("server", "client"):
        names = ",".join(["DNS:localhost", *(f"IP:{address}" for address in ("127.0.0.1", *addresses))])
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)


def test_tls_with_a_ca_and_a_client_certificate() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        certificates(folder)
        tls = (f"cafile {folder}/ca.crt", f"certfile {folder}/server.crt", f"keyfile {folder}/server.key")
        with broker(*tls, "require_certificate true") as other:
            files = {
                "cafile": f"{folder}/ca.crt",
                "certfile": f"{folder}/client.crt",
                "keyfile": f"{folder}/client.key",
            }
            with Home(broker=on(other.port, tls=files)) as home:
                home.start_ready()
                sent = home.effectd("--home", str(home.path), "send", "wind", "60")
                assert sent.returncode == 0, sent.stdout + sent.stderr
                home.config["broker"]["external"]["tls"] = {"cafile": files["cafile"]}
                home.write()
                home.ctl("restart", "all")
                line = wait_for(lambda: (line := home.line("broker")) and line["reason"] and line, what="a reason")
                assert line["state"] == "waiting", "a client without its certificate must not get in"


def test_two_homes_on_one_broker_under_two_roots_do_not_disturb_each_other() -> None:
    with broker() as other, Home(broker=on(other.port), topic_root="a") as one:
        with Home(broker=on(other.port), topic_root="b") as two:
            one.start()
            two.start()
            one.wait_ready()
            two.wait_ready()
            client = Client(other.port)
            client.publish("a/effects/wind", {"id": "mine", "intensity": 30, "duration": 100})
            wait_for(lambda: client.on("a/receipts/mine"), what="the receipt")
            assert json.loads(client.on("a/receipts/mine")[-1])["status"] == "done"
            client.publish("b/stop-all", "")
            client.publish("a/effects/wind", {"id": "still", "intensity": 30, "duration": 0})
            wait_for(lambda: client.on("a/receipts/still"), what="the receipt")
            assert not [topic for topic, _ in client.heard if topic.startswith("b/receipts")]
            client.close()
        one.wait_ready()


@pytest.mark.parametrize(("first", "second"), [("", ""), ("a", "a"), ("a", "")])
def test_a_root_that_another_living_home_has_or_an_empty_one_beside_it_is_refused_with_the_cure(
    first: str, second: str
) -> None:
    with broker() as other, Home(broker=on(other.port), topic_root=second) as newcomer:
        with Home(broker=on(other.port), topic_root=first) as settled:
            settled.start_ready()
            newcomer.start()
            line = wait_for(
                lambda: (x := newcomer.line("broker")) and "topic_root" in x["reason"] and x, what="refused"
            )
            assert line["state"] == "waiting"
            assert str(settled.path) in line["reason"]
            assert "give this home a topic_root of its own" in line["reason"]
            settled.wait_ready()
        newcomer.wait_ready()  # the other one has left: nothing stands in the way


def test_of_two_homes_that_come_at_one_moment_under_one_root_one_is_ready_and_the_other_when_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probed: list[Callable[[str], None]] = []  # both are through with their trials in the same turn

    class Probe:
        def __init__(self, _config: reader.Config, _loop: Loop, done: Callable[[str], None]) -> None:
            probed.append(done)
            if len(probed) == 2:
                for each in probed:
                    each("")

        def close(self) -> None: ...

    monkeypatch.setattr(external, "Probe", Probe)
    with (
        broker() as other,
        closing(RealLoop()) as loop,
        Home(broker=on(other.port)) as one,
        Home(broker=on(other.port)) as two,
    ):
        programs = []
        for home in (one, two):
            process = Process("broker", home.path)
            process.config = reader.load(home.path)
            programs.append((process.gate, external.External(process, loop)))

        def words() -> list[str]:
            return sorted("second" if "topic_root" in gate.line.reason else gate.line.state for gate, _ in programs)

        loop.until(lambda: words() in (["ready", "second"], ["ready", "ready"]))
        loop.spend(0.2)
        assert words() == ["ready", "second"]
        (_, first), (gate, second) = sorted(programs, key=lambda each: each[0].line.state)
        first.stop()
        loop._stopping = False  # the one loop of both goes on
        loop.until(lambda: gate.line.state == "ready")
        second.stop()
        for each, _ in programs:
            each.close()


def test_the_embedded_broker_of_one_home_takes_another_home_only_under_a_root_of_its_own() -> None:
    with Home() as host:
        host.start_ready()
        with Home(broker=on(host.port)) as guest:
            guest.start()
            line = wait_for(lambda: (x := guest.line("broker")) and "topic_root" in x["reason"] and x, what="refused")
            assert str(host.path) in line["reason"]
            guest.config["topic_root"] = "guest"
            guest.write()
            guest.ctl("restart", "all")
            guest.wait_ready()
        host.wait_ready()


def test_a_driver_on_another_host_is_a_home_of_its_own_without_a_dispatcher() -> None:
    here = {"wind": {"kind": "remote", "effects": ["wind"]}}
    there = {"light": None, "vibration": None, "scent": None}
    with broker() as other, Home(here, broker=on(other.port)) as main:
        with Home(there, broker=on(other.port), dispatcher=False) as far:
            main.start()
            client = Client(other.port)
            wait_for(lambda: main.line("dispatcher") and main.line("dispatcher")["state"] == "ready", what="main ready")
            client.publish("effects/wind", {"id": "early", "intensity": 30, "ttl_ms": 300})
            assert "wind (remote) is not online" in client.receipt("early")["reason"]
            far.start()
            wait_for(lambda: client.on("devices/wind/availability")[-1:] == [b"online"], what="online")
            client.publish("effects/wind", {"id": "far", "intensity": 30})
            assert client.receipt("far")["status"] == "done"
            assert "wind 30 %" in far.log("wind")
            health = far.effectd("--home", str(far.path), "health", "--json")
            assert json.loads(health.stdout)["ready"] is True
            assert "dispatcher" not in json.loads(health.stdout)["programs"]
            client.close()


def test_a_microcontroller_that_only_knows_set_is_done_unconfirmed_and_is_stopped_too() -> None:
    far = {"kind": "remote", "effects": ["wind"], "options": {"ack": False}}
    with broker() as other, Home({"wind": far}, broker=on(other.port)) as home:
        home.start()
        controller = Client(other.port, "devices/wind/set")  # a foreign client is the device
        wait_for(lambda: home.line("dispatcher") and home.line("dispatcher")["state"] == "ready", what="ready")
        client = Client(other.port)
        client.publish("effects/wind", {"id": "m", "intensity": 70, "duration": 500})
        receipt = client.receipt("m")
        assert (receipt["status"], receipt["reason"]) == ("done", "unconfirmed")
        told = wait_for(lambda: controller.json("devices/wind/set"), what="set")
        assert {"effect_type": "wind", "intensity": 70, "duration": 500}.items() <= told[0].items()
        client.publish("stop-all", "")
        wait_for(lambda: controller.json("devices/wind/set")[-1]["intensity"] == 0, what="a set of 0")
        for each in (controller, client):
            each.close()


def test_nats_is_found_able_and_carries_effects() -> None:
    """A third broker, that we know nothing of but MQTT 3.1.1; its QoS ends at 1."""
    need("nats-server", "nats-server")
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        conf = Path(folder) / "nats.conf"
        conf.write_text(
            f'port: {free_port()}\nserver_name: room\njetstream {{ store_dir: "{folder}/store" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
        )
        nats = subprocess.Popen(["nats-server", "-c", str(conf)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            with Home(broker=on(port)) as home:
                home.start_ready()
                client = Client(port, "receipts/#", "devices/#")
                client.publish("effects/wind", {"id": "n", "intensity": 40, "duration": 200})
                assert client.receipt("n")["status"] == "done"
                # its receipt ends the dispatcher's connection, again and again: that must not cost the room
                client.publish("effects/wind", {"id": "n.1", "intensity": 40, "duration": 200})
                wait_for(lambda: "closes the connection at topics with '.'" in home.log("dispatcher"), what="found out")
                client.publish("effects/wind", {"id": "on", "intensity": 40, "duration": 200})
                assert client.receipt("on")["status"] == "done"
                wait_for(lambda: (s := client.state("wind")) and not s["on"] and s["since"], what="off again")
                client.close()
        finally:
            nats.terminate()
            nats.wait(10)


FORGETFUL = """
import asyncio, sys
from broker_proc.broker import Broker
from broker_proc.listeners import listen_tcp
from effectd.config.address import Address
from effectd.config.schema import BrokerLimits

async def main():
    broker = Broker(asyncio.get_running_loop(), BrokerLimits(), unretained=("#",))
    await listen_tcp(broker, Address("127.0.0.1", int(sys.argv[1])), None)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_broker_that_cannot_do_what_is_needed_is_told_loudly_with_what_it_lacks() -> None:
    """One that keeps no retained message: nobody who comes later would know what the devices do."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", FORGETFUL, str(port)], stderr=subprocess.DEVNULL) as forgetful:
        try:
            Client(port).close()
            with Home(broker=on(port)) as home:
                home.start()
                line = wait_for(lambda: (x := home.line("broker")) and x["state"] == "degraded" and x, what="degraded")
                assert "no retained messages" in line["reason"]
                assert "cannot do what effectd needs: no retained messages" in home.log("broker")
                assert home.ctl("health").returncode == 3
        finally:
            forgetful.kill()
