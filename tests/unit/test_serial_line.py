"""The serial driver on a pseudo terminal: what it writes, the reply it waits for, the port it finds, a pulled cable."""

import errno
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from serial.tools import list_ports

from drivers import serial_port as module
from drivers.serial_line import Serial, SerialOptions
from effectd.base.errors import DeviceFailed
from effectd.config.address import Address
from effectd.messages.effect import Effect


class Cable:
    """A device at the other end of a cable, which answers each line with `answers(line)`."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self._end, self._ended = os.pipe()
        self.heard = b""
        self.answers: Callable[[bytes], bytes] = lambda _line: b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while self._end not in select.select([self.master, self._end], [], [])[0]:
            data = os.read(self.master, 100)
            self.heard += data
            if data.endswith(b"\n"):
                os.write(self.master, self.answers(data))

    def hears(self, data: bytes) -> bool:
        end = time.monotonic() + 5
        while self.heard != data and time.monotonic() < end:
            time.sleep(0.001)
        return self.heard == data

    def pull_out(self) -> None:
        if self._thread.is_alive():
            os.write(self._ended, b"x")
            self._thread.join()
            for fd in (self.slave, self.master, self._end, self._ended):
                os.close(fd)


class Chatter:
    """Writes to the computer without end."""

    def __init__(self, cable: Cable) -> None:
        self._going = True
        self._thread = threading.Thread(target=self._talk, args=(cable.master,))
        self._thread.start()

    def _talk(self, master: int) -> None:
        while self._going:
            if select.select([], [master], [], 0.01)[1]:
                os.write(master, b"bla\n")

    def stop(self) -> None:
        self._going = False
        self._thread.join()


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.pull_out()


@pytest.fixture
def plugged(cable: Cable) -> Iterator[Callable[..., Serial]]:
    drivers_ = list[Serial]()

    def plugged(**options: Any) -> Serial:
        settings = {"port": cable.port, "boot_ms": 0, "line": r"WIND $level\n", "off": r"WIND 0\n", **options}
        driver = Serial("fan", msgspec.convert(settings, SerialOptions), Address(host="127.0.0.1"))
        drivers_.append(driver)
        driver.open()
        return driver

    yield plugged
    for driver in drivers_:
        driver.close()


def wind(intensity: float) -> Effect:
    return Effect(id="e-1", effect_type="wind", intensity=intensity, duration=1000)


def test_what_is_written_arrives(cable, plugged):
    driver = plugged()
    driver.off()
    driver.apply(wind(60))
    assert cable.hears(b"WIND 0\nWIND 60\n")


def test_it_waits_for_an_arduino_to_boot(plugged):
    started = time.monotonic()
    plugged(boot_ms=80)
    assert time.monotonic() - started >= 0.08


def test_an_effect_is_driven_when_the_reply_is_there(cable, plugged):
    cable.answers = lambda line: b"debug 1\r\nOK " + line
    driver = plugged(expect="OK")
    driver.apply(wind(60))
    driver.apply(wind(70))


def test_an_earlier_reply_is_none_for_a_later_line(cable, plugged):
    driver = plugged(expect="OK", timeout_ms=150)
    os.write(cable.master, b"OK\r\n")
    while not driver._port.in_waiting:
        time.sleep(0.001)
    with pytest.raises(DeviceFailed, match="no b'OK' within 150 ms"):
        driver.apply(wind(60))


def test_without_the_reply_the_device_has_failed_and_what_it_said_is_told(cable, plugged):
    cable.answers = lambda _line: b"ERR 7\r\n"
    with pytest.raises(DeviceFailed, match=r"no b'OK' within 100 ms; it said b'ERR 7"):
        plugged(expect="OK", timeout_ms=100).apply(wind(60))


def test_a_device_that_never_stops_talking_is_given_up_in_time(cable, plugged):
    driver = plugged(expect="OK", timeout_ms=60)
    chatter = Chatter(cable)
    try:
        with pytest.raises(DeviceFailed, match=r"no b'OK' within 60 ms; it said b'.*bla"):
            driver.apply(wind(60))
    finally:
        chatter.stop()


def test_playsems_fan_sketch_is_believed_only_when_it_says_ok(cable, plugged):
    cable.answers = lambda _line: b'{"status":"ok","command":"set_speed","speed_pct":60,"pwm":153}\r\n'
    driver = plugged(protocol="playsem-fan", timeout_ms=300)
    driver.apply(wind(60))
    cable.answers = lambda _line: b'{"error":"invalid_json","detail":"IncompleteInput"}\r\n'
    with pytest.raises(DeviceFailed, match="invalid_json"):
        driver.apply(wind(70))


def test_a_cable_that_is_pulled_out_raises_at_the_next_call_and_while_idle(cable, plugged):
    driver = plugged()
    driver.check()
    cable.pull_out()
    for call in (driver.check, driver.off, lambda: driver.apply(wind(60))):
        with pytest.raises(OSError):  # pyserial carries no errno here, and its words are its own
            call()
    driver.close()
    driver.close()


def test_what_the_device_says_unasked_does_not_pile_up(cable, plugged):
    driver = plugged()
    os.write(cable.master, b"temperature 21\r\n" * 20)
    while not driver._port.in_waiting:
        time.sleep(0.001)
    driver.check()
    assert not driver._port.in_waiting


def test_a_port_belongs_to_one_device_unless_it_is_shared(cable, plugged):
    plugged()
    with pytest.raises(OSError) as raised:
        plugged()
    assert raised.value.errno == errno.EWOULDBLOCK


def test_devices_can_share_a_port(cable, plugged):
    fan, light = plugged(shared=True), plugged(shared=True, line=r"LIGHT $level\n")
    fan.apply(wind(1))
    assert cable.hears(b"WIND 1\n")
    light.apply(wind(2))
    assert cable.hears(b"WIND 1\nLIGHT 2\n")


# --- the port ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The serial ports that this machine seems to have: name, vendor, product."""

    def ports(*found: tuple[str, int | None, int | None]) -> None:
        there = [SimpleNamespace(device=name, vid=vid, pid=pid) for name, vid, pid in found]
        monkeypatch.setattr(list_ports, "comports", lambda: there)

    return ports


UNO, FTDI, BOARD = ("/dev/ttyACM0", 0x2341, 0x0043), ("/dev/ttyUSB0", 0x0403, 0x6001), ("/dev/ttyS0", None, None)


def test_a_name_is_the_port(ports):
    ports()
    assert module.find("/dev/ttyACM7") == "/dev/ttyACM7"


def test_auto_is_the_only_usb_port(ports):
    ports(BOARD, UNO)
    assert module.find("auto") == "/dev/ttyACM0"


def test_a_usb_id_is_found_under_whatever_name_it_has(ports):
    ports(BOARD, FTDI, UNO)
    assert module.find("usb:2341:0043") == "/dev/ttyACM0"
    assert module.find("usb:403:6001") == "/dev/ttyUSB0"


@pytest.mark.parametrize(
    ("port", "there", "told"),
    [
        ("auto", [], "there are: none"),
        ("auto", [BOARD], "there are: none"),
        ("auto", [UNO, FTDI], "/dev/ttyACM0 (usb:2341:0043), /dev/ttyUSB0 (usb:0403:6001)"),
        ("usb:2341:0043", [FTDI], "there are: /dev/ttyUSB0 (usb:0403:6001)"),
        ("usb:2341:0043", [UNO, UNO], "exactly one USB serial port must fit"),
    ],
)
def test_where_no_single_port_fits_those_that_are_there_are_told(ports, port, there, told):
    ports(*there)
    with pytest.raises(DeviceFailed) as caught:
        module.find(port)
    assert told in str(caught.value)
