"""Two devices of one home that cannot both have what each of them claims: a pin, a serial port, a channel of a bus."""

from collections.abc import Iterable, Iterator, Mapping

from effectd.base.errors import ConfigError
from effectd.config.reader import Config
from effectd.driver import Bus, Driver


def found(tree: Config, drivers: Mapping[str, Driver | Bus]) -> list[ConfigError]:
    """An error a device or bus, at its options, for the first that another one has claimed before it."""
    taken: dict[str, tuple[str, bool]] = {}  # what -> who, and whether for itself alone
    errors = []
    for name, claims in _claims(drivers.items()):
        for what, alone in claims.items():
            owner, alone_there = taken.setdefault(what, (name, alone))
            if owner != name and (alone or alone_there):
                errors.append(tree.option_error(name, ("options",), f"{what} is {owner}'s already; one of them only"))
                break
    return errors


def _claims(drivers: Iterable[tuple[str, Driver | Bus]]) -> Iterator[tuple[str, dict[str, bool]]]:
    for name, driver in drivers:
        yield name, driver.claims()
        if isinstance(driver, Bus):
            for device in driver.devices:
                yield device, {f"{what} of {name}": alone for what, alone in driver.claims_of(device).items()}
