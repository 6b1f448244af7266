"""Finds the driver class that the `kind` of a device or a bus names, and decodes its options."""

import contextlib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Collection
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from drivers.dry_run import dry, dry_bus
from effectd.base.near import did_you_mean
from effectd.config import exposure, words
from effectd.config.reader import Config
from effectd.driver import Bus, Driver, Options

GROUP = "effectd.drivers"  # the entry point group of drivers in other packages
# kinds whose name is also a module that their file imports, and kinds whose bus has a separate file
FILES = {"serial": "serial_line", "http": "web"}
OWN, OWN_BUSES = ("virtual", "mqtt", "serial", "gpio", "http"), ("virtual", "serial")
BUS_FILES = {"serial": "serial_board"}
Kind = TypeVar("Kind", Driver, Bus)
EXTRAS = {"serial": "serial", "gpiozero": "gpio"}  # module -> the extra of this package that installs it


def build(name: str, tree: Config) -> Driver | Bus:
    """The driver of the device or bus `name`, not opened yet. Raises ConfigError at the line that is wrong."""
    bus = tree.bus(name)
    if bus is None:
        device = tree.device(name)
        if device.bus is not None:
            raise tree.option_error(name, ("bus",), f"is driven by its bus: python -m drivers {device.bus}")
        driver_class = _find(name, tree, device.kind, Driver)
        _check_effects(name, tree, driver_class)
        options = _decode(name, tree, device.options, options_of(driver_class))
        driver = _made(name, tree, options.__struct_fields__, lambda: driver_class(name, options, tree.address))
        _check_topics(name, tree, driver)
        _check_urls(name, tree, tree.devices[name].options)
        return dry(driver) if device.dry_run else driver
    bus_class = _find(name, tree, bus.kind, Bus)
    options = _decode(name, tree, bus.options, options_of(bus_class))
    devices = dict[str, Options]()
    for device_name in tree.devices_of(name):
        _check_effects(device_name, tree, bus_class)
        devices[device_name] = _decode(
            device_name, tree, tree.devices[device_name].options, device_options_of(bus_class)
        )
    made = _made(name, tree, options.__struct_fields__, lambda: bus_class(name, options, tree.address, devices))
    _check_topics(name, tree, made)
    return dry_bus(made) if bus.dry_run else made


def _find(name: str, tree: Config, kind: str, base: type[Kind]) -> type[Kind]:
    try:
        return _class(kind, base)
    except (ImportError, LookupError) as error:
        raise tree.option_error(name, ("kind",), f"{kind!r}: {error}") from None


def _check_effects(name: str, tree: Config, driver: type[Driver] | type[Bus]) -> None:
    device = tree.device(name)
    unable = [effect for effect in device.effects if driver.effects and effect not in driver.effects]
    if unable:
        able = ", ".join(driver.effects)
        raise tree.option_error(name, ("effects",), f"{device.kind} cannot do {', '.join(unable)}; it can do {able}")


def _decode(name: str, tree: Config, raw: dict[str, Any], kind: type[Options]) -> Options:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        keys, problem = words.complaint(error, raw, kind)
        raise tree.option_error(name, ("options", *keys), problem) from None


def _made(name: str, tree: Config, keys: Collection[str], make: Callable[[], Kind]) -> Kind:
    """Report a broken rule between options, or an invalid template, at its line."""
    try:
        return make()
    except ValueError as error:
        key, _, problem = str(error).partition(": ")
        path = ("options", key) if problem and key in keys else ("options",)
        raise tree.option_error(name, path, problem if len(path) > 1 else str(error)) from None


def _check_topics(name: str, tree: Config, driver: Driver | Bus) -> None:
    for option, topic in driver.publishes().items():
        if tree.topics.is_own(topic):
            problem = "is effectd's own topic: it would be taken for an effect or a command, and come back here"
            raise tree.option_error(name, ("options", option), f"{topic!r} {problem}")


def _check_urls(name: str, tree: Config, raw: dict[str, Any]) -> None:
    """Refuse a URL of this home's own page in any option: an effect would come back here as another one."""
    for option, value in raw.items():
        if not isinstance(value, str) or not value.startswith(("http://", "https://")):
            continue
        from urllib.parse import urlsplit

        with contextlib.suppress(ValueError):  # the driver reports what is not a URL
            to = urlsplit(value)
            port = to.port or (443 if to.scheme == "https" else 80)
            if exposure.is_page(tree.page, to.hostname or "", port):
                problem = "is this home's own page: a request to it would come back here"
                raise tree.option_error(name, ("options", option), f"{value!r} {problem}")


def find(kind: str) -> type[Driver]:
    """A plain word is a driver of this package or an entry point; `a.b` or `a.b:Class` is a module.

    Raises ImportError, LookupError, or any exception of the driver file that is loaded.
    """
    return _class(kind, Driver)


def find_bus(kind: str) -> type[Bus]:
    """The same for a bus: a file may contain a driver class and a bus class."""
    return _class(kind, Bus)


def _class(kind: str, base: type[Kind]) -> type[Kind]:
    module_name, _, class_name = kind.partition(":")
    module_name = (FILES if base is Driver else BUS_FILES).get(module_name, module_name)
    is_name = all(word.isidentifier() for word in module_name.split("."))
    if is_name and "." not in kind and importlib.util.find_spec(f"drivers.{module_name}"):
        module_name = f"drivers.{module_name}"
    elif points := _entry_points(kind):
        loaded = points[0].load()
        if inspect.isclass(loaded):
            return _checked(loaded, base)
        module_name = loaded.__name__
    elif not is_name or ("." not in kind and not importlib.util.find_spec(module_name)):
        there = known(base)
        near = did_you_mean(kind, there)
        raise LookupError(f"no such kind, and no module of that name; known are {', '.join(there)}{near}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if error.name not in EXTRAS:
            raise
        raise ImportError(f"{error}; pip install 'effectd[{EXTRAS[error.name]}]'", name=error.name) from None
    if class_name:
        return _checked(getattr(module, class_name, None), base)
    own = [
        c
        for name, c in vars(module).items()
        if inspect.isclass(c) and issubclass(c, base) and c is not base and c.__module__ == module.__name__
        if not name.startswith("_")
    ]
    if len(own) != 1:
        what = "driver classes" if base is Driver else "bus classes"
        raise LookupError(f"{module_name} has {len(own)} {what}; name one as {module_name}:Class")
    return own[0]


def options_of(driver_class: type[Driver] | type[Bus]) -> type[Options]:
    """The struct that the class annotates as its `options`."""
    return _options(get_type_hints(driver_class).get("options"))


def device_options_of(bus_class: type[Bus]) -> type[Options]:
    """The struct in what the class annotates as its `devices`: `dict[str, FixtureOptions]`."""
    return _options(next(iter(get_args(get_type_hints(bus_class).get("devices"))[1:]), None))


def _options(found: Any) -> type[Options]:
    return found if inspect.isclass(found) and issubclass(found, Options) else Options


def known(base: type[Driver] | type[Bus] = Driver) -> list[str]:
    """The names of all installed kinds: of this package, and of other packages' entry points."""
    from importlib.metadata import entry_points  # heavy, and needed for a message only

    own = [*OWN, "remote"] if base is Driver else list(OWN_BUSES)
    return own + sorted({point.name for point in entry_points(group=GROUP)} - set(own))


def _entry_points(kind: str) -> list[Any]:
    from importlib.metadata import entry_points  # heavy, and not needed for the drivers of this package

    return list(entry_points(group=GROUP, name=kind))


def _checked(found: Any, base: type[Kind]) -> type[Kind]:
    if not (inspect.isclass(found) and issubclass(found, base) and found is not base):
        raise LookupError(f"{found!r} is not a subclass of effectd.driver.{base.__name__}")
    return found
