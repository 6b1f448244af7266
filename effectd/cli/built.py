"""Checks the drivers of a home by building them as their processes would, without opening them.

Two devices that claim the same resource (a pin, a serial port, a channel of a bus) are an error, too.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from drivers import kinds
from effectd.base.errors import ConfigError
from effectd.config import programs
from effectd.config.reader import Config
from effectd.driver import Bus, Driver


def errors(tree: Config) -> list[ConfigError]:
    """The errors of all devices and buses, alone and in combination."""
    with own_drivers(tree.home):
        built = {name: build(tree, name) for name in tree.programs if programs.is_device(name)}
    good = {name: driver for name, driver in built.items() if not isinstance(driver, ConfigError)}
    return [*(error for error in built.values() if isinstance(error, ConfigError)), *_clashes(tree, good)]


@contextlib.contextmanager
def own_drivers(home: Path) -> Iterator[None]:
    """Find a driver file of the home's own, as `python -m drivers` does in that folder."""
    sys.path.insert(0, str(home))
    try:
        yield
    finally:
        sys.path.remove(str(home))


def build(tree: Config, name: str) -> Driver | Bus | ConfigError:
    """The driver of the device or bus `name`, built as by its process and not opened; or its error."""
    kind = (tree.buses.get(name) or tree.devices[name]).kind
    try:
        return kinds.build(name, tree)
    except ConfigError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a user's driver file may fail in any way when loaded
        return tree.option_error(name, ("kind",), f"{kind}: {type(error).__name__}: {error}")


def build_error(tree: Config, name: str) -> ConfigError | None:
    """The error of the device or bus `name`, alone or in combination with the others."""
    if name in tree.devices and tree.devices[name].remote:
        return None
    program = (tree.devices[name].bus if name in tree.devices else None) or name
    if isinstance(found := build(tree, program), ConfigError):
        return found
    others = {each: build(tree, each) for each in tree.programs if programs.is_device(each) and each != program}
    good = {each: driver for each, driver in others.items() if not isinstance(driver, ConfigError)}
    sections = (f"devices.{name}.", f"buses.{name}.")
    return next((each for each in _clashes(tree, good | {program: found}) if each.key.startswith(sections)), None)


def _clashes(tree: Config, drivers: Mapping[str, Driver | Bus]) -> list[ConfigError]:
    """One error per device or bus, at its options, for its first resource that another one has claimed before."""
    taken: dict[str, tuple[str, bool]] = {}  # what -> who, and whether for itself alone
    errors = []
    for name, claims in _claims(drivers.items()):
        for what, alone in claims.items():
            owner, alone_there = taken.setdefault(what, (name, alone))
            if owner != name and (alone or alone_there):
                errors.append(tree.option_error(name, ("options",), f"{what} is used by {owner} already"))
                break
    return errors


def _claims(drivers: Iterable[tuple[str, Driver | Bus]]) -> Iterator[tuple[str, dict[str, bool]]]:
    for name, driver in drivers:
        yield name, driver.claims()
        if isinstance(driver, Bus):
            for device in driver.devices:
                yield device, {f"{what} of {name}": alone for what, alone in driver.claims_of(device).items()}
