"""Encodes an effect for a serial device: as a user-defined line, or in the protocol of a known sketch."""

import json
from typing import Annotated, Literal

from msgspec import Meta

from drivers.template import CONSTANT, Scale, Template, encoded, unescaped, values
from effectd.driver import Effect, Options

Protocol = Literal["line", "playsem-fan", "ser"]
BAUD = {"line": 115_200, "playsem-fan": 115_200, "ser": 9600}  # defaults of the two sketches
EXPECT = {"playsem-fan": '"status":"ok"'}  # its answer to each command
SER_END = 0x2E  # "." ends a frame of SER
SER_LETTER = {"fan": b"F", "vibration": b"V", "light": b"L"}

Byte = Annotated[int, Meta(ge=0, le=255)]


class CodeOptions(Options, kw_only=True):
    """Options of one actuator, with its own port or on a board with others."""

    line: str = r"$level\n"
    off: str = r"0\n"
    scale: Scale = (0, 100)  # the device's numbers for 0 and 100 %
    actuator: Literal["fan", "vibration", "light"] = "fan"  # SER: which of the sketch's actuators
    index: Byte | None = None  # SER: which fan or vibrator (None: 1), or the first LED (None: 0)
    leds: Byte = 60  # SER: how many LEDs

    def __post_init__(self) -> None:
        Template(unescaped(self.line))
        Template(unescaped(self.off), names=CONSTANT)


class Code:
    """The bytes for one actuator called `device`. Raises ValueError for what its protocol cannot carry."""

    def __init__(self, device: str, protocol: Protocol, options: CodeOptions) -> None:
        if protocol == "ser" and SER_END in (options.index, options.leds):
            raise ValueError("index and leds: 46 is the byte that ends a frame of SER; no other value is affected")
        self._device, self._protocol, self._options = device, protocol, options
        self._line = Template(unescaped(options.line))
        self._off = encoded(Template(unescaped(options.off), names=CONSTANT).fill({"device": device}))

    @property
    def part(self) -> str:
        """Which of the board's actuators it is, if its protocol numbers them; else ""."""
        return f"{self._options.actuator} {self._index}" if self._protocol == "ser" else ""

    @property
    def parameters(self) -> set[str]:
        """The published parameters that it uses."""
        if self._protocol == "line":
            return self._line.parameters
        return {"color", "rgb"} if self.part.startswith("light") else set()

    @property
    def _index(self) -> int:
        given = self._options.index
        return int(self._options.actuator != "light") if given is None else given

    def of(self, effect: Effect | None) -> bytes:
        """The bytes for `effect`, or for off."""
        if self._protocol == "playsem-fan":
            return playsem("set_speed", speed=effect.level(100)) if effect else playsem("off")
        if self._protocol == "ser":
            return self._frame(effect)
        return encoded(self._line.fill(values(effect, self._device, self._options.scale))) if effect else self._off

    def _frame(self, effect: Effect | None) -> bytes:
        """`F` or `V`, index, level; `L`, first LED, number of LEDs, red, green, blue; then the end byte.

        (device-drivers/arduino_mpegv_devices of SER.) A level of 46 would end the frame early, there and in SER itself;
        47 is sent in its place.
        """
        levels, count = [effect.level(255) if effect else 0], list[int]()
        if self._options.actuator == "light":
            levels, count = list(effect.dimmed() if effect else (0, 0, 0)), [self._options.leds]
        levels = [level + (level == SER_END) for level in levels]
        return SER_LETTER[self._options.actuator] + bytes([self._index, *count, *levels, SER_END])


def reply(protocol: Protocol, expect: str | None) -> bytes:
    """What the device's reply has to contain: `expect`, or the protocol's default; b"" = no reply is awaited."""
    return encoded(unescaped(EXPECT.get(protocol, "") if expect is None else expect))


def playsem(command: str, **params: int) -> bytes:
    """A line for examples/hardware/fan_controller of Python_PlaySEM; its speed must be a whole number, else it is 0."""
    return json.dumps({"command": command, "params": params}).encode() + b"\n"
