"""Converts command line values without pydantic, whose import by typer would cost 0.1 s at each command.

With an unknown version of typer (no `type_descriptor`), or for an unknown type, typer's own conversion is used.
"""

from functools import partial
from pathlib import Path
from typing import Any

import typer
import typer.main

_KNOWN = (str, int, float, bool, Path, list[str])
_NUMBERS = {int: "a whole number", float: "a number"}


def command(app: typer.Typer) -> Any:
    """The whole command, to be called without arguments."""
    found = typer.main.get_command(app)
    _quicken(found)
    return found


def _quicken(found: Any) -> None:
    for param in found.params:
        _take_over(param)
    help_option = found.get_help_option  # it makes one for each call
    found.get_help_option = lambda ctx: _take_over(help_option(ctx))
    for each in getattr(found, "commands", {}).values():
        _quicken(each)


def _take_over(param: Any) -> Any:
    wanted = getattr(param, "type_descriptor", None)
    if wanted is not None and wanted.annotation in _KNOWN and not isinstance(param.process_value, partial):
        param.process_value = partial(_process, param, param.process_value)
    return param


def _process(param: Any, typers_own: Any, ctx: typer.Context, value: Any) -> Any:
    """As typer's own `process_value`; `typers_own` is left what is missing, for it words that best."""
    many = param.nargs == -1 or getattr(param, "multiple", False)
    value = (() if many else None) if value is None else value
    if param.required and param.value_is_missing(value):
        return typers_own(ctx, value)
    if value is not None:
        value = _converted(param, ctx, value)
    return value if param.callback is None else param.callback(ctx, param, value)


def _converted(param: Any, ctx: typer.Context, value: Any) -> Any:
    kind, bounds = param.type_descriptor.annotation, param.type_descriptor.parameter_info
    if kind in _NUMBERS:
        rule = _NUMBERS[kind] + ("" if bounds.min is None else f", {bounds.min:g} or more")
        try:
            number = kind(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r}: {rule}", ctx=ctx, param=param) from None
        if not (bounds.min is None or number >= bounds.min) or not (bounds.max is None or number <= bounds.max):
            raise typer.BadParameter(f"{value!r}: {rule}", ctx=ctx, param=param)
        return number
    return Path(value) if kind is Path else list(value) if kind == list[str] else value
