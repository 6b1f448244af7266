"""Finds the program for a name on the command line."""

import contextlib
from pathlib import Path

import typer

from effectd.base.errors import ConfigError
from effectd.config import reader


def program_of(home: Path, name: str) -> str:
    """The program that is meant by `name`: of a device on a bus its bus's."""
    with contextlib.suppress(ConfigError):
        device = reader.load(home).devices.get(name)
        if device is not None and device.bus:
            typer.echo(f"{name} is on the bus {device.bus}", err=True)
            return device.bus
    return name
