"""A driver, and a bus, that fail on request: the nemesis copies this file into the home that it torments.

Files in the home make it `slow-<program>` or `stuck-<program>`; SIGUSR1 blocks its loop for as long as it lives.
"""

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.mqtt import Mqtt, MqttOptions
from effectd.base.errors import DeviceFailed
from effectd.config.address import Address
from effectd.driver import Bus, Effect, Options

SLOW_S = 0.15


class Faulty(Mqtt):
    """As `mqtt`: each effect's id goes to the witness."""

    def __init__(self, device: str, options: Options, broker: Address) -> None:
        super().__init__(device, options, broker)  # type: ignore[arg-type]
        self._faults = _Faults(device)

    def apply(self, effect: Effect) -> None:
        self._faults.strike()
        super().apply(effect)


class FaultyBus(Bus):
    """Each device tells the witness by a connection of its own, so that each has a last will that says it is off."""

    devices: Mapping[str, MqttOptions]
    refresh_hz = 1000.0  # at 40 every tenth effect of a storm is rightly superseded, and hides what is wrongly so

    def __init__(self, bus: str, options: Options, broker: Address, devices: Mapping[str, MqttOptions]) -> None:
        super().__init__(bus, options, broker, devices)
        self._faults = _Faults(bus)
        self._told = {name: Mqtt(name, own, broker) for name, own in devices.items()}
        self._shown: dict[str, str | None] = {}

    def open(self) -> None:
        self._shown.clear()
        for each in self._told.values():
            each.open()

    def show(self, levels: dict[str, Effect | None]) -> None:
        if any(levels.values()):
            self._faults.strike()
        for name, level in levels.items():
            shown = level.id if level else ""
            if shown == self._shown.get(name):
                continue
            self._shown[name] = None  # if it fails half way, it is told again
            if level:
                self._told[name].apply(level)
            else:
                self._told[name].off()
            self._shown[name] = shown

    def check(self) -> None:
        for each in self._told.values():
            each.check()

    def close(self) -> None:
        for each in self._told.values():
            each.close()


class _Faults:
    def __init__(self, program: str) -> None:
        self._slow, self._stuck = Path(f"slow-{program}"), Path(f"stuck-{program}")
        signal.signal(signal.SIGUSR1, self._block)

    def strike(self) -> None:
        if self._stuck.exists():
            while self._stuck.exists():
                time.sleep(0.01)
            raise DeviceFailed("it was stuck")
        if self._slow.exists():
            time.sleep(SLOW_S)

    def _block(self, *_: Any) -> None:
        """Run by Python on the main thread, which is the loop's."""
        while True:
            time.sleep(1)
