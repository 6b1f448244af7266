"""Two devices of one home that cannot both have what each of them claims: a pin, a serial port."""

from collections.abc import Mapping

from effectd.base.errors import ConfigError
from effectd.config.reader import Config
from effectd.driver import Driver


def found(tree: Config, drivers: Mapping[str, Driver]) -> list[ConfigError]:
    """An error a device, at its options, for the first that another one has claimed before it."""
    taken: dict[str, tuple[str, bool]] = {}  # what -> who, and whether for itself alone
    errors = []
    for name, driver in drivers.items():
        for what, alone in driver.claims().items():
            owner, alone_there = taken.setdefault(what, (name, alone))
            if owner != name and (alone or alone_there):
                errors.append(tree.option_error(name, ("options",), f"{what} is {owner}'s already; one of them only"))
                break
    return errors
