"""A driver whose device is out of reach: what would leave for it is logged instead."""

from collections.abc import Collection

from effectd.driver import Driver, Effect


def dry(driver: Driver) -> Driver:
    """The same driver with its device out of reach: what would leave for it is logged instead."""
    return _DryRun(driver)


class _DryRun(Driver):
    def __init__(self, driver: Driver) -> None:
        super().__init__(driver.device, driver.options, driver.broker)
        self._driver = driver
        self._of = ""
        driver.instead = lambda what: self.log.info("dry run: %s%s", what, self._of)

    def understands(self) -> Collection[str] | None:
        return self._driver.understands()

    def open(self) -> None:
        self.log.warning("dry run: the device is not opened and not touched")

    def apply(self, effect: Effect) -> None:
        self._of = f" (effect {effect.id})"
        if self._driver.uses_out:
            self._driver.apply(effect)
        else:
            lasts = f"for {effect.duration} ms" if effect.duration else "until stopped"
            what = f"{effect.effect_type} {effect.intensity:g} % {effect.parameters} {lasts}"
            self.log.info("dry run: %s%s", what, self._of)

    def off(self) -> None:
        self._of = ""
        if self._driver.uses_out:
            self._driver.off()
        else:
            self.log.info("dry run: off")
