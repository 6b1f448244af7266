"""Dry run of a driver or bus: its devices are not touched; what would be sent to them is logged instead."""

from collections.abc import Collection

from effectd.driver import Bus, Driver, Effect

_OPENED = "dry run: the device is not opened and not touched"


def dry(driver: Driver) -> Driver:
    """The same driver with its device left untouched."""
    return _DryRun(driver)


def dry_bus(bus: Bus) -> Bus:
    """The same bus with its devices left untouched."""
    return _DryBus(bus)


class _DryRun(Driver):
    def __init__(self, driver: Driver) -> None:
        super().__init__(driver.device, driver.options, driver.broker)
        self._driver = driver
        self._of = ""
        driver.instead = lambda what: self.log.info("dry run: %s%s", what, self._of)

    def understands(self) -> Collection[str] | None:
        return self._driver.understands()

    def open(self) -> None:
        self.log.warning(_OPENED)

    def apply(self, effect: Effect) -> None:
        self._of = f" (effect {effect.id})"
        if self._driver.uses_out:
            self._driver.apply(effect)
        else:
            self.log.info("dry run: %s%s", _in_words(effect), self._of)

    def off(self) -> None:
        self._of = ""
        if self._driver.uses_out:
            self._driver.off()
        else:
            self.log.info("dry run: off")


class _DryBus(Bus):
    def __init__(self, bus: Bus) -> None:
        super().__init__(bus.log.name, bus.options, bus.broker, bus.devices)
        self._bus = bus
        bus.instead = lambda what: self.log.info("dry run: %s", what)

    def understands(self, device: str) -> Collection[str] | None:
        return self._bus.understands(device)

    def open(self) -> None:
        self.log.warning(_OPENED)

    def show(self, levels: dict[str, Effect | None]) -> None:
        if self._bus.uses_out:
            self._bus.show(levels)
        else:
            said = (f"{name} {'off' if level is None else _in_words(level)}" for name, level in levels.items())
            self.log.info("dry run: %s", "; ".join(said))


def _in_words(effect: Effect) -> str:
    lasts = f"for {effect.duration} ms" if effect.duration else "until stopped"
    return f"{effect.effect_type} {effect.intensity:g} % {effect.parameters} {lasts}"
