"""A device at the end of a serial cable: Arduino, ESP, whatever listens to lines; PlaySEM's and SER's sketches too."""

import json
import os
import time
from typing import Annotated, Literal

import serial
from msgspec import Meta
from serial.tools import list_ports

from drivers.template import CONSTANT, Scale, Template, encoded, unescaped, values
from effectd.base.errors import DeviceFailed
from effectd.config.schema import Address
from effectd.driver import Driver, Effect, Options

BAUD = {"line": 115_200, "playsem-fan": 115_200, "ser": 9600}  # as the two sketches begin
EXPECT = {"playsem-fan": '"status":"ok"'}  # its answer to each command
SER_END = 0x2E  # "." ends a frame of SER
SER_LETTER = {"fan": b"F", "vibration": b"V", "light": b"L"}

Byte = Annotated[int, Meta(ge=0, le=255)]


class SerialOptions(Options):
    port: str  # a name, `usb:VID:PID` (hexadecimal, as lsusb shows them), or `auto`: the only USB serial port
    protocol: Literal["line", "playsem-fan", "ser"] = "line"
    line: str = r"$level\n"
    off: str = r"0\n"
    scale: Scale = (0, 100)  # the device's numbers for 0 and 100 %
    baud: Annotated[int, Meta(ge=50)] | None = None  # None: as the protocol says
    boot_ms: Annotated[int, Meta(ge=0, le=20_000)] = 2000  # opening resets an Arduino; its bootloader takes its time
    expect: str | None = None  # what a reply must contain; None: as the protocol says, "" = no reply is awaited
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000
    shared: bool = False  # true: other devices of this home may write to the same port
    actuator: Literal["fan", "vibration", "light"] = "fan"  # SER: which of the sketch's
    index: Byte | None = None  # SER: which fan or vibrator (None: 1), or the first LED (None: 0)
    leds: Byte = 60  # SER: how many LEDs

    def __post_init__(self) -> None:
        if self.protocol == "ser" and SER_END in (self.index, self.leds):
            raise ValueError("index and leds: 46 is the byte that ends a frame of SER; no other value is affected")
        if self.shared and self.expect:
            raise ValueError("expect: a reply on a shared port may be another device's; leave it out, or shared: false")
        if self.port.startswith("usb:"):
            usb_id(self.port)


class Serial(Driver):
    uses_out = True
    options: SerialOptions

    def __init__(self, device: str, options: SerialOptions, broker: Address) -> None:
        super().__init__(device, options, broker)
        self._line = Template(unescaped(options.line))
        self._off = encoded(Template(unescaped(options.off), names=CONSTANT).fill({"device": device}))
        reply = EXPECT.get(options.protocol, "") if options.expect is None else options.expect
        self._expect = b"" if options.shared else encoded(unescaped(reply))
        self._port: serial.Serial | None = None

    def understands(self) -> set[str]:
        if self.options.protocol == "line":
            return self._line.parameters
        return {"color", "rgb"} if (self.options.protocol, self.options.actuator) == ("ser", "light") else set()

    def claims(self) -> dict[str, bool]:
        port = f"port {os.path.realpath(self.options.port) if '/' in self.options.port else self.options.port}"
        claims = {port: not self.options.shared}
        if self.options.protocol == "ser":
            claims[f"{port}, {self.options.actuator} {self._index}"] = True
        return claims

    def open(self) -> None:
        wait_s = self.options.timeout_ms / 1000
        self._port = serial.Serial(
            find(self.options.port),
            self.options.baud or BAUD[self.options.protocol],
            timeout=wait_s,
            write_timeout=wait_s,
            exclusive=None if self.options.shared else True,
        )
        time.sleep(self.options.boot_ms / 1000)

    def apply(self, effect: Effect) -> None:
        self._send(self._bytes(effect))

    def off(self) -> None:
        self._send(self._bytes(None))

    def check(self) -> None:
        """Whatever it said unasked is read away, so that it cannot pile up; a port that has gone raises."""
        if self._port is not None and self._port.in_waiting and not self.options.shared:
            self._port.read(self._port.in_waiting)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def _index(self) -> int:
        return int(self.options.actuator != "light") if self.options.index is None else self.options.index

    def _send(self, data: bytes) -> None:
        self.out(data, lambda: self._write(data))

    def _write(self, data: bytes) -> None:
        assert self._port is not None
        if self._expect:
            self._port.reset_input_buffer()
        self._port.write(data)
        self._port.flush()
        end, said = time.monotonic() + self.options.timeout_ms / 1000, b""
        while self._expect not in said:
            self._port.timeout = left_s = max(0.0, end - time.monotonic())
            more = self._port.read(max(1, self._port.in_waiting)) if left_s else b""
            if not more:
                raise DeviceFailed(f"no {self._expect!r} within {self.options.timeout_ms} ms; it said {said[-200:]!r}")
            said += more

    def _bytes(self, effect: Effect | None) -> bytes:
        """What says `effect`, or off."""
        if self.options.protocol == "playsem-fan":
            return playsem("set_speed", speed=effect.level(100)) if effect else playsem("off")
        if self.options.protocol == "ser":
            return self._frame(effect)
        return encoded(self._line.fill(values(effect, self.device, self.options.scale))) if effect else self._off

    def _frame(self, effect: Effect | None) -> bytes:
        """`F` or `V`, index, level; `L`, first LED, how many, red, green, blue; then the end.

        (device-drivers/arduino_mpegv_devices of SER.) A level of 46 would end the frame early, there and in SER itself;
        47 is sent in its place.
        """
        levels, count = [effect.level(255) if effect else 0], list[int]()
        if self.options.actuator == "light":
            levels = list(effect.dimmed() if effect else (0, 0, 0))
            count = [self.options.leds]
        levels = [level + (level == SER_END) for level in levels]
        return SER_LETTER[self.options.actuator] + bytes([self._index, *count, *levels, SER_END])


def playsem(command: str, **params: int) -> bytes:
    """A line for examples/hardware/fan_controller of Python_PlaySEM; its speed must be a whole number, else it is 0."""
    return json.dumps({"command": command, "params": params}).encode() + b"\n"


def usb_id(port: str) -> tuple[int, int]:
    try:
        vendor, product = (int(part, 16) for part in port.removeprefix("usb:").split(":"))
    except ValueError:
        raise ValueError(f"port: {port}: usb:VID:PID, both hexadecimal, as lsusb shows them") from None
    return vendor, product


def find(port: str) -> str:
    """The name of the port; looked for again at each opening, for a cable that comes back may have another name."""
    if port != "auto" and not port.startswith("usb:"):
        return port
    there = [found for found in list_ports.comports() if found.vid is not None]
    wanted = [found for found in there if port == "auto" or (found.vid, found.pid) == usb_id(port)]
    if len(wanted) != 1:
        names = ", ".join(f"{found.device} (usb:{found.vid:04x}:{found.pid:04x})" for found in there) or "none"
        raise DeviceFailed(f"port: {port}: exactly one USB serial port must fit; there are: {names}")
    return str(wanted[0].device)
