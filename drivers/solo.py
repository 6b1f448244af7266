"""Adapts a driver of one device to the Bus interface: the host knows only buses."""

import math
from collections.abc import Collection

from effectd.driver import Bus, Driver, Effect


class Solo(Bus):
    refresh_hz = math.inf  # the device's `max_rate_hz` is the only limit

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver.device, driver.options, driver.broker, {driver.device: driver.options})
        self._driver = driver

    def open(self) -> None:
        self._driver.open()

    def reopen(self) -> None:
        self._driver.reopen()

    def check(self) -> None:
        self._driver.check()

    def close(self) -> None:
        self._driver.close()

    def understands(self, _device: str) -> Collection[str] | None:
        return self._driver.understands()

    def show(self, levels: dict[str, Effect | None]) -> None:
        (level,) = levels.values()
        if level is None:
            self._driver.off()
        else:
            self._driver.apply(level)
