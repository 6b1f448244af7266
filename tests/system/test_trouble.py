"""What commonly goes wrong at first: a used port, a wrong configuration, a device that fails."""

import os
import socket

import psutil
import pytest

from tests.system.home import Home, wait_for


def test_a_used_port_is_named_with_its_holder_and_the_home_works_without_it_until_it_is_free() -> None:
    with Home() as home, socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", home.port))
        holder.listen()
        home.start_ready()
        reason = wait_for(lambda: home.line("broker")["reason"], what="the port's holder named")
        assert reason.startswith(f"port {home.port} of 127.0.0.1 is held by ")
        assert f"(pid {os.getpid()})" in reason
        pid = home.pid("broker")
        done = home.effectd("send", "wind", "40")
        assert done.returncode == 0, done.stderr
        holder.close()
        wait_for(lambda: home.line("broker")["reason"] == "", what="the port taken")
        socket.create_connection(("127.0.0.1", home.port), 5).close()
        assert home.pid("broker") == pid, "it waits, it is not restarted"


# what lets a home listen beyond loopback; our own programs and commands need no login
OPEN = {"insecure": True, "users": {"anna": {"publish": ["effects/#"]}}}


def test_an_address_that_is_not_on_this_machine_yet_is_waited_for() -> None:
    with Home() as home:
        # of a documentation network: nobody has it
        home.config["broker"] |= OPEN | {"host": "192.0.2.1"}
        home.write()
        home.start()
        wait_for(
            lambda: (line := home.line("broker")) and "192.0.2.1 is not on this machine yet" in line["reason"],
            what="waiting for the address",
        )
        pid = home.pid("broker")
        wait_for(lambda: home.ctl("status").stdout.count("RUNNING") == 6, what="all RUNNING, none FATAL")
        assert home.pid("broker") == pid


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])  # the first is the default: both loopbacks
def test_a_client_comes_in_by_ipv6_and_effects_flow(host: str) -> None:
    with Home() as home:
        home.config["broker"] |= OPEN | {"host": host}
        home.write()
        home.start_ready()
        socket.create_connection(("::1", home.port), 5).close()
        done = home.effectd("send", "wind", "40")
        assert done.returncode == 0, done.stderr


def test_an_error_in_one_devices_section_stops_that_device_only() -> None:
    with Home({"wind": {"kind": "virtual", "effects": ["wind"], "limits": {"max_on_ms": "long"}}}) as home:
        home.start()
        others = ("broker", "dispatcher", "light")
        wait_for(
            lambda: all((line := home.line(p)) and line["state"] == "ready" for p in others), what="the others ready"
        )
        wait_for(lambda: "config.yaml:" in home.log("wind"), what="the error in its log")
        assert "devices.wind.limits.max_on_ms: " in home.log("wind")
        client = home.client()
        client.publish("effects/light", {"id": "l", "intensity": 10})
        assert client.receipt("l")["status"] == "done"
        client.publish("effects/wind", {"id": "w", "intensity": 10})
        assert client.receipt("w")["status"] == "undeliverable"
        # mended while supervisord still tries: it is picked up by itself
        home.config["devices"]["wind"]["limits"]["max_on_ms"] = 1000
        home.write()
        home.ctl("restart", "wind")
        home.ctl("restart", "dispatcher")
        home.wait_ready()


@pytest.mark.parametrize("program", [("broker_proc",), ("dispatcher_proc",), ("drivers", "wind")], ids=lambda p: p[0])
def test_a_wrong_configuration_ends_with_78_and_the_line(program: tuple[str, ...]) -> None:
    with Home() as home:
        (home.path / "config.yaml").write_text("topic_root: x\nbroker: {prot: 1}\n")
        done = home.run(program[0], *program[1:], "--home", str(home.path))
        assert done.returncode == 78
        assert (
            f"{home.path}/config.yaml:2: broker.prot: unknown key; allowed here are embedded, host, port" in done.stdout
        )


FLAKY = '''"""A device that fails while a file says so."""
from pathlib import Path
from effectd.driver import Driver, Effect, Options

class FlakyOptions(Options):
    fail: str

class Flaky(Driver):
    options: FlakyOptions
    def open(self):
        if Path(self.options.fail).exists():
            raise OSError("unplugged")
    def apply(self, effect: Effect):
        self.open()
        self.log.info("moved to %g", effect.intensity)
    def off(self):
        self.open()
'''


def test_a_device_that_fails_is_told_degraded_and_back_by_itself() -> None:
    with Home() as home:
        fail = home.path / "fail"
        home.config["devices"]["wind"] = {"kind": "flaky", "effects": ["wind"], "options": {"fail": str(fail)}}
        home.write()
        (home.path / "flaky.py").write_text(FLAKY)
        home.start_ready()
        client = home.client()
        fail.touch()
        client.publish("effects/wind", {"id": "f", "intensity": 30})
        receipt = client.receipt("f")
        assert receipt["status"] == "failed"
        assert "unplugged" in receipt["reason"]
        line = wait_for(lambda: (line := home.line("wind")) and line["state"] == "degraded" and line, what="degraded")
        assert "unplugged" in line["reason"]
        client.publish("effects/wind", {"id": "x", "intensity": 30, "ttl_ms": 300})
        receipt = client.receipt("x")
        assert receipt["status"] == "expired"
        assert "unplugged" in receipt["reason"], "an expired receipt names what was missing"
        pid = home.pid("wind")
        fail.unlink()
        home.wait_ready()
        client.publish("effects/wind", {"id": "g", "intensity": 30})
        assert client.receipt("g")["status"] == "done"
        assert home.pid("wind") == pid


def test_a_device_that_hangs_fails_its_effect_and_delays_no_other() -> None:
    slow = {"kind": "virtual", "effects": ["wind"], "options": {"apply_ms": 60000}, "limits": {"max_apply_ms": 1500}}
    with Home({"wind": slow}) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "h", "intensity": 30})
        for number in range(20):
            client.publish("effects/light", {"id": f"l{number}", "intensity": 30})
        assert all(client.receipt(f"l{number}")["status"] in ("done", "superseded") for number in range(20))
        assert client.on("receipts/h") == [] or client.json("receipts/h")[-1]["status"] == "accepted"
        receipt = client.receipt("h")
        assert receipt["status"] == "failed"
        assert "did not answer within 1500 ms" in receipt["reason"]
        pid = home.pid("wind")
        wait_for(lambda: not psutil.pid_exists(pid) or home.pids().get("wind") not in (None, pid), 20, "a fresh start")
        home.wait_ready()
