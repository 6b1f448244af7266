"""One serial board with several actuators: an Arduino with a fan, a vibrator and a light on one cable."""

from collections.abc import Mapping
from functools import partial

from drivers.serial_code import BAUD, Code, CodeOptions, Protocol, reply
from drivers.serial_port import BOOT_MS, TIMEOUT_MS, Baud, BootMs, Port, TimeoutMs
from effectd.config.address import Address
from effectd.driver import Bus, Effect, Options


class BoardOptions(Options):
    port: str
    protocol: Protocol = "line"
    baud: Baud | None = None  # None: the protocol's default
    boot_ms: BootMs = BOOT_MS
    timeout_ms: TimeoutMs = TIMEOUT_MS
    expect: str | None = None  # what the reply to each line must contain; None: the protocol's default, "" = no reply


class Board(Bus):
    """Writes for each change what `kind: serial` would write for that device; unchanged devices are left alone."""

    uses_out = True
    refresh_hz = 1000.0  # each device's `max_rate_hz` is the limit: a line is written only for a change
    options: BoardOptions
    devices: Mapping[str, CodeOptions]

    def __init__(self, bus: str, options: BoardOptions, broker: Address, devices: Mapping[str, CodeOptions]) -> None:
        super().__init__(bus, options, broker, devices)
        self._codes = {name: Code(name, options.protocol, own) for name, own in devices.items()}
        baud, expect = options.baud or BAUD[options.protocol], reply(options.protocol, options.expect)
        self._port = Port(options.port, baud, options.boot_ms, options.timeout_ms, expect)
        self._written = dict[str, bytes]()

    def claims(self) -> dict[str, bool]:
        return {self._port.claim: True}

    def claims_of(self, device: str) -> dict[str, bool]:
        part = self._codes[device].part
        return {part: True} if part else {}

    def understands(self, device: str) -> set[str]:
        return self._codes[device].parameters

    def open(self) -> None:
        self._written.clear()
        self._port.open()

    def show(self, levels: dict[str, Effect | None]) -> None:
        for name, level in levels.items():
            data = self._codes[name].of(level)
            if data != self._written.get(name):
                self._written.pop(name, None)  # if it fails halfway, it is written again
                self.out(data, partial(self._port.write, data))
                self._written[name] = data

    def check(self) -> None:
        self._port.check()

    def close(self) -> None:
        self._port.close()
