"""Each kind of device at its real transport, with real driver processes in a real home."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.needs import need
from tests.system.home import Client, Home, wait_for

Pins = Callable[[str], list[str]]
NO_OTHERS: dict[str, Any] = dict.fromkeys(("light", "wind", "vibration", "scent"))
# gpiozero's mock pins live in the driver's own process: this one writes down each state that it takes on
WITNESS = """
import os
from gpiozero.pins.mock import MockPWMPin
class WitnessPin(MockPWMPin):
    def _change_state(self, value):
        changed = super()._change_state(value)
        with open(os.environ["PIN_WITNESS"], "a") as file:
            file.write(f"{self.info.name} {value:g}\\n")
        return changed
"""
ENTRY_POINT = "[gpiozero_mock_pin_classes]\nwitness = witness_pin:WitnessPin\n"


class Cable:
    """A serial cable made of two pseudo terminals; `heard` is what arrived since it was last plugged in."""

    def __init__(self, folder: Path) -> None:
        need("socat", "socat")
        self.port, self._far = folder / "tty-near", folder / "tty-far"
        self.heard = b""
        self._socat: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> None:
        ends = [f"pty,raw,echo=0,link={link}" for link in (self.port, self._far)]
        self._socat = subprocess.Popen(["socat", *ends])
        wait_for(lambda: self.port.exists() and self._far.exists(), what="the two terminals")
        self.heard = b""
        threading.Thread(target=self._listen, daemon=True).start()

    def pull_out(self) -> None:
        if self._socat is not None:
            self._socat.terminate()
            self._socat.wait(5)
            self._socat = None

    def _listen(self) -> None:
        far = os.open(self._far, os.O_RDWR | os.O_NOCTTY)
        try:
            while data := os.read(far, 1000):
                self.heard += data
        except OSError:
            pass  # pulled out
        finally:
            os.close(far)


@pytest.fixture(scope="module")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cable]:
    cable = Cable(tmp_path_factory.mktemp("cable"))
    cable.plug_in()
    yield cable
    cable.pull_out()


@pytest.fixture(scope="module")
def plug() -> Iterator[HTTPServer]:
    """A web server that says yes to whatever is asked of it."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/on").respond_with_json({"ison": True})
        server.expect_request("/off").respond_with_json({"ison": False})
        yield server


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pins]:
    """What a pin of the mock Raspberry Pi was set to, in order."""
    folder = tmp_path_factory.mktemp("pins")
    (folder / "witness_pin.py").write_text(WITNESS)
    (folder / "witness-1.dist-info").mkdir()
    (folder / "witness-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: witness\nVersion: 1\n")
    (folder / "witness-1.dist-info" / "entry_points.txt").write_text(ENTRY_POINT)
    written = folder / "pins.txt"
    written.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIN_WITNESS", str(written))
        patch.setenv("GPIOZERO_PIN_FACTORY", "mock")
        patch.setenv("GPIOZERO_MOCK_PIN_CLASS", "witness")
        patch.setenv("PYTHONPATH", str(folder))

        yield lambda pin: [line.split()[1] for line in written.read_text().splitlines() if line.startswith(f"{pin} ")]


@pytest.fixture(scope="module")
def room(plug: HTTPServer, pins: Pins) -> Iterator[Home]:
    http = {"url": plug.url_for("/on") + "?level=$level", "off_url": plug.url_for("/off")}
    devices = {
        "blower": {"kind": "gpio", "effects": ["vibration"], "options": {"pin": 18, "min_duty": 30}},
        "pump": {"kind": "gpio", "effects": ["scent"], "options": {"pin": 17, "mode": "relay", "active_high": False}},
        "plug": {"kind": "http", "effects": ["light"], "range": [20, 80], "options": http},
    }
    with Home({**NO_OTHERS, **devices}) as room:
        room.start_ready()
        yield room


@pytest.fixture(scope="module")
def wired(cable: Cable) -> Iterator[Home]:
    """A home whose only device hangs on the cable."""
    serial = {"port": str(cable.port), "boot_ms": 0, "line": r"WIND $level\n", "off": r"WIND 0\n"}
    with Home({**NO_OTHERS, "fan": {"kind": "serial", "effects": ["wind"], "options": serial}}) as wired:
        wired.start_ready()
        yield wired


def test_a_fan_on_a_serial_cable_goes_off_first_and_follows_the_effects(wired: Home, cable: Cable) -> None:
    client = wired.client()
    wait_for(lambda: cable.heard == b"WIND 0\n", what="off first")
    client.publish("effects/wind", {"id": "serial-1", "intensity": 60, "duration": 200})
    assert client.receipt("serial-1")["status"] == "done"
    wait_for(lambda: cable.heard == b"WIND 0\nWIND 60\nWIND 0\n", what="the effect and its end")


def test_a_cable_that_is_pulled_out_shows_at_once_and_comes_back_by_itself_off_first(wired: Home, cable: Cable) -> None:
    client = wired.client()
    pid = wired.pid("fan")
    cable.pull_out()  # nobody sends an effect: the driver itself notices
    wait_for(lambda: (wired.line("fan") or {}).get("state") == "degraded", what="degraded")
    wait_for(lambda: client.on("devices/fan/availability")[-1:] == [b"offline"], what="offline")
    client.publish("effects/wind", {"id": "serial-2", "intensity": 60, "ttl_ms": 300})
    assert client.receipt("serial-2")["status"] == "expired"

    cable.plug_in()
    wait_for(lambda: (wired.line("fan") or {}).get("state") == "ready", 40, "ready again")
    wait_for(lambda: client.on("devices/fan/availability")[-1:] == [b"online"], what="online")
    client.publish("effects/wind", {"id": "serial-3", "intensity": 30, "duration": 100})
    assert client.receipt("serial-3")["status"] == "done"
    wait_for(lambda: cable.heard == b"WIND 0\nWIND 30\nWIND 0\n", what="off first, the effect, its end")
    assert wired.pid("fan") == pid


def test_a_cable_that_is_pulled_out_under_an_effect_fails_that_effect_or_is_noticed_before(
    wired: Home, cable: Cable
) -> None:
    client = wired.client()
    cable.pull_out()
    client.publish("effects/wind", {"id": "serial-4", "intensity": 60, "ttl_ms": 400})
    assert client.receipt("serial-4")["status"] in ("failed", "expired")
    wait_for(lambda: (wired.line("fan") or {}).get("state") == "degraded", what="degraded")
    cable.plug_in()
    wait_for(wired.ready, 40, "all ready again")
    wait_for(lambda: cable.heard == b"WIND 0\n", what="off first")


def test_a_pin_of_a_raspberry_pi_is_off_first_gets_its_duty_and_is_off_again(room: Home, pins: Pins) -> None:
    client = room.client()
    assert set(pins("GPIO18")) == {"0"}
    assert set(pins("GPIO17")) == {"1"}, "low is on: it must never have been low"
    client.publish("effects/vibration", {"id": "gpio-1", "intensity": 60, "duration": 100})
    client.publish("effects/vibration", {"id": "gpio-2", "intensity": 10, "priority": 9, "duration": 100})
    client.publish("effects/scent", {"id": "gpio-3", "intensity": 100, "duration": 100})
    assert [client.receipt(f"gpio-{i}")["status"] for i in (1, 2, 3)] == ["done"] * 3
    wait_for(lambda: pins("GPIO18")[-3:] == ["0.6", "0.3", "0"], what="two duties, then off")
    wait_for(lambda: pins("GPIO17")[-2:] == ["0", "1"], what="on, then off")


def test_a_web_plug_is_asked_within_its_range_and_the_state_shows_what_was_asked_for(
    room: Home, plug: HTTPServer
) -> None:
    client = room.client()
    wait_for(lambda: plug.log, what="off first")
    assert plug.log[0][0].path == "/off"
    before = len(plug.log)
    client.publish("effects/light", {"id": "http-1", "intensity": 50, "duration": 100})
    assert client.receipt("http-1")["status"] == "done"
    wait_for(lambda: len(plug.log) == before + 2, what="the end")
    assert [request.full_path for request, _ in plug.log[before:]] == ["/on?level=50", "/off?"]
    client.publish("effects/light", {"id": "http-2", "intensity": 100, "duration": 100})
    assert client.receipt("http-2")["status"] == "done"
    shown = wait_for(lambda: [s for s in client.json("devices/plug/state") if s["effect_id"] == "http-2"])
    assert [state["intensity"] for state in shown] == [100]
    assert [request.full_path for request, _ in plug.log if request.path == "/on"][-1] == "/on?level=80"


def test_a_web_plug_that_refuses_fails_the_effect_and_says_why(room: Home, plug: HTTPServer) -> None:
    client = room.client()
    plug.expect_oneshot_request("/on").respond_with_data("overheated", 503)
    client.publish("effects/light", {"id": "http-3", "intensity": 50})
    receipt = client.receipt("http-3")
    assert receipt["status"] == "failed"
    assert "503" in receipt["reason"]
    assert "overheated" in receipt["reason"]
    wait_for(room.ready, what="ready again")


def test_a_device_that_speaks_mqtt_on_another_broker(mosquitto: int) -> None:
    options = {"topic": "cmnd/$device/Dimmer", "broker": {"host": "127.0.0.1", "port": mosquitto}}
    device = {"kind": "mqtt", "effects": ["light"], "options": options}
    heard = Client(mosquitto, "cmnd/#")
    with Home({**NO_OTHERS, "lamp": device}) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/light", {"id": "mqtt-1", "intensity": 60, "duration": 100})
        assert client.receipt("mqtt-1")["status"] == "done"
        wait_for(lambda: heard.on("cmnd/lamp/Dimmer") == [b"0", b"60", b"0"], what="off first, the effect, its end")
    heard.close()


def test_a_dry_run_is_ready_and_does_effects_without_any_device() -> None:
    serial = {"port": "/dev/nobody", "line": r"WIND $level\n", "off": r"WIND 0\n"}
    devices = {
        "fan": {"kind": "serial", "effects": ["wind"], "range": [20, 80], "dry_run": True, "options": serial},
        "own": {"kind": "own", "effects": ["scent"], "dry_run": True},
    }
    with Home({**NO_OTHERS, **devices}) as home:
        own = "from effectd.driver import Driver\nclass Own(Driver):\n    def open(self): raise OSError\n"
        (home.path / "own.py").write_text(own)
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "dry-1", "intensity": 50, "duration": 0})
        client.publish("effects/scent", {"id": "dry-2", "intensity": 50, "duration": 0})
        assert [client.receipt(f"dry-{i}")["status"] for i in (1, 2)] == ["done", "done"]
        wait_for(lambda: client.state("fan")["intensity"] == 50, what="the state")
        assert r"dry run: b'WIND 50\n' (effect dry-1)" in home.log("fan")
        assert "dry run: scent 50 % {} until stopped (effect dry-2)" in home.log("own")
