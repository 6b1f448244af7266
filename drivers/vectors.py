"""`python -m drivers.vectors FILE...`: run vector files, which say which bytes or calls each effect must produce.

A file is named after its kind, `KIND.yaml`, and is a list of cases; it needs no device and no test code:

    - name: half of its speed, then off
      options: {port: /dev/ttyACM0, line: 'WIND $level\\n'}
      steps: [{effect_type: wind, intensity: 50}, off]
      out: ["WIND 50\\n", "0\\n"]

A step is an effect with any field that a driver gets, or the word off. A case with `devices: {NAME: {OPTIONS}}` is
one for a bus: a step's `device` says which of them it is for, off is for all. What the driver gives to `out` is
compared with `out`: text as it is, bytes as text in which each character is one byte.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from drivers import kinds
from effectd.base.errors import ConfigError
from effectd.config.address import Address
from effectd.config.yamlfile import YamlFile
from effectd.driver import Bus, Driver
from effectd.messages.effect import Effect

DEVICE = "device"  # the value of a template's $device
_BROKER = Address(host="127.0.0.1")
EX_USAGE = 2


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """An effect, resolved for its device."""

    effect_type: str
    intensity: float = 100
    duration: int = 1000
    parameters: dict[str, Any] = {}
    id: str = "e-1"
    device: str = DEVICE


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    steps: list[Any]
    out: list[str]
    options: dict[str, Any] = {}
    devices: dict[str, dict[str, Any]] = {}


def cases(file: Path) -> list[Case]:
    return msgspec.convert(YamlFile(file).data, list[Case])


def play(kind: str, case: Case) -> list[str]:
    """What the driver of `kind` writes for the steps of `case`, in the notation of `out`."""
    out = list[str]()
    driver = _bus(kind, case) if case.devices else _driver(kind, case)
    if not driver.uses_out:
        raise TypeError(f"{type(driver).__name__}: uses_out is not True, so it cannot run without its device")
    driver.instead = lambda what: out.append(what.decode("latin-1") if isinstance(what, bytes) else what)
    levels: dict[str, Effect | None] = dict.fromkeys(case.devices or (DEVICE,))
    for raw in case.steps:
        if raw in ("off", False):  # YAML reads a bare off as false
            levels = dict.fromkeys(levels)
        else:
            fields = msgspec.structs.asdict(msgspec.convert(raw, Step))
            device = fields.pop("device")
            if device not in levels:
                raise LookupError(f"device: {device!r} is none of {', '.join(levels)}")
            levels[device] = Effect(**fields)
        if isinstance(driver, Bus):
            driver.show(dict(levels))
        elif (effect := levels[DEVICE]) is not None:
            driver.apply(effect)
        else:
            driver.off()
    return out


def _driver(kind: str, case: Case) -> Driver:
    driver_class = kinds.find(kind)
    return driver_class(DEVICE, msgspec.convert(case.options, kinds.options_of(driver_class)), _BROKER)


def _bus(kind: str, case: Case) -> Bus:
    bus_class = kinds.find_bus(kind)
    own = kinds.device_options_of(bus_class)
    devices = {name: msgspec.convert(options, own) for name, options in case.devices.items()}
    return bus_class("bus", msgspec.convert(case.options, kinds.options_of(bus_class)), _BROKER, devices)


def wrong(file: Path) -> Iterator[str]:
    """One line for each case of `file` with another result, or that cannot be run."""
    case = None
    try:
        for case in cases(file):
            if (out := play(file.stem, case)) != case.out:
                yield f"{file}: {case.name}: out is {out}, not {case.out}"
    except (ConfigError, ImportError, LookupError, TypeError, ValueError, msgspec.ValidationError) as error:
        yield f"{file}: {case.name if case else 'not run'}: {error}"


def main(files: list[str]) -> int:
    if not files or any(name.startswith("-") for name in files):
        sys.stderr.write("usage: python -m drivers.vectors KIND.yaml ...   (docs/write-a-driver.md, section 4)\n")
        return EX_USAGE
    failures = [line for file in files for line in wrong(Path(file))]
    played = sum(len(cases(Path(file))) for file in files) if not failures else 0
    good = f"{played} case{'s come' if played != 1 else ' comes'} out as written"
    sys.stdout.write("\n".join(failures or [good]) + "\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
