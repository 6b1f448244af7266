"""Find the driver class that a device's `kind` names, and decode its options."""

import importlib
import importlib.util
import inspect
from typing import Any, get_type_hints

import msgspec

from drivers.dry_run import dry
from effectd.base.near import did_you_mean
from effectd.config import words
from effectd.config.reader import Config
from effectd.driver import Driver, Options

GROUP = "effectd.drivers"  # the entry point group of drivers in other packages
FILES = {"serial": "serial_line", "http": "web"}  # kinds whose own word is the name of a module that their file imports
OWN = ("virtual", "mqtt", "serial", "gpio", "http")
EXTRAS = {"serial": "serial", "gpiozero": "gpio"}  # module -> the extra of this package that installs it


def build(name: str, tree: Config) -> Driver:
    """The driver of device `name`, not opened yet. Raises ConfigError at the line that is wrong."""
    device = tree.device(name)
    try:
        driver_class = find(device.kind)
    except (ImportError, LookupError) as error:
        near = did_you_mean(device.kind, known())
        raise tree.option_error(name, ("kind",), f"{device.kind!r}: {error}{near}") from None
    unable = [effect for effect in device.effects if driver_class.effects and effect not in driver_class.effects]
    if unable:
        able = ", ".join(driver_class.effects)
        raise tree.option_error(name, ("effects",), f"{device.kind} cannot do {', '.join(unable)}; it can do {able}")
    try:
        options_class = options_of(driver_class)
        options = msgspec.convert(device.options, options_class)
        driver = driver_class(name, options, tree.address)
    except msgspec.ValidationError as error:
        keys, problem = words.complaint(error, device.options, options_class)
        raise tree.option_error(name, ("options", *keys), problem) from None
    except ValueError as error:  # a rule between options, or a template that makes no sense
        key, _, problem = str(error).partition(": ")
        path = ("options", key) if problem and key in options_class.__struct_encode_fields__ else ("options",)
        raise tree.option_error(name, path, problem if len(path) > 1 else str(error)) from None
    for option, topic in driver.publishes().items():
        if tree.topics.is_own(topic):
            problem = (
                f"{topic!r} is effectd's own topic: it would be taken for an effect or a command, and come back here"
            )
            raise tree.option_error(name, ("options", option), problem)
    return dry(driver) if device.dry_run else driver


def find(kind: str) -> type[Driver]:
    """A word is the driver of this package in FILES or of that name, else an entry point; `a.b`, `a.b:Class` a module.

    Raises ImportError, LookupError, or whatever a driver file does when it is loaded.
    """
    module_name, _, class_name = kind.partition(":")
    module_name = FILES.get(module_name, module_name)
    is_name = all(word.isidentifier() for word in module_name.split("."))
    if is_name and "." not in kind and importlib.util.find_spec(f"drivers.{module_name}"):
        module_name = f"drivers.{module_name}"
    elif points := _entry_points(kind):
        loaded = points[0].load()
        if inspect.isclass(loaded):
            return _checked(loaded)
        module_name = loaded.__name__
    elif not is_name or ("." not in kind and not importlib.util.find_spec(module_name)):
        raise LookupError(f"no such kind, and no module of that name; known are {', '.join(known())}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if error.name not in EXTRAS:
            raise
        raise ImportError(f"{error}; pip install 'effectd[{EXTRAS[error.name]}]'", name=error.name) from None
    if class_name:
        return _checked(getattr(module, class_name, None))
    own = [
        c
        for name, c in vars(module).items()
        if inspect.isclass(c) and issubclass(c, Driver) and c is not Driver and c.__module__ == module.__name__
        if not name.startswith("_")
    ]
    if len(own) != 1:
        raise LookupError(f"{module_name} has {len(own)} driver classes; name one as {module_name}:Class")
    return own[0]


def options_of(driver_class: type[Driver]) -> type[Options]:
    """The struct that the class annotates as its `options`."""
    found = get_type_hints(driver_class).get("options")
    return found if inspect.isclass(found) and issubclass(found, Options) else Options


def known() -> list[str]:
    """The kinds that this installation has by a word: of this package, and of others' entry points."""
    from importlib.metadata import entry_points  # heavy, and needed for a message only

    return [*OWN, "remote", *sorted({point.name for point in entry_points(group=GROUP)})]


def _entry_points(kind: str) -> list[Any]:
    from importlib.metadata import entry_points  # heavy, and not needed for the drivers of this package

    return list(entry_points(group=GROUP, name=kind))


def _checked(found: Any) -> type[Driver]:
    if not (inspect.isclass(found) and issubclass(found, Driver) and found is not Driver):
        raise LookupError(f"{found!r} is no class made from effectd.driver.Driver")
    return found
