"""Converts command line text to values; bad text is reported the way typer reports a bad argument."""

import re
from typing import Any

import typer
from typer.core import TyperCommand

_UNITS_MS = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_FLAGS = ("-h", "--help", "--json", "--dry-run")


class NumbersMayBeNegative(TyperCommand):
    """A command that reads an argument such as -5 as a number, to be refused as one, not as an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        before = ["", *own]
        numbers = [
            index
            for index, text in enumerate(own)
            if re.fullmatch(r"-[0-9.]+%?", text) and (not before[index].startswith("-") or before[index] in _FLAGS)
        ]
        if len(own) == len(args) and numbers:
            rest = [text for index, text in enumerate(args) if index not in numbers]
            args = [*rest, "--", *(args[index] for index in numbers)]
        return super().parse_args(ctx, args)


def number(text: str) -> int | float | str:
    """A number if it is one, else a label."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return text
    return float(text) if "." in text else int(text)


def milliseconds(text: str | None, option: str) -> int | None:
    """`2000`, `500ms`, `2s`, `1.5 s`, `1m`; None where none is given."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", text.lower())
    if found is None or found[2] not in _UNITS_MS:
        rule = "a time such as 2s, 500ms or 2000 (ms), 0 or more"
        raise typer.BadParameter(f"{text!r}: {rule}", param_hint=option)
    return round(float(found[1]) * _UNITS_MS[found[2]])


def moment(text: str, option: str) -> int:
    """`90`, `90.5`, `1:30`, `1:01:30.5`, `90s` -> ms."""
    found = re.fullmatch(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,9}(?:\.[0-9]{1,6})?)s?", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r}: seconds or m:ss, such as 90 or 1:30", param_hint=option)
    return round((int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + float(found[3])) * 1000)


def port(text: str | None) -> int | None:
    """None where none is given; 0 for `auto`."""
    if text is None or text == "auto":
        return None if text is None else 0
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise typer.BadParameter("1 to 65535, or auto", param_hint="--port")
    return int(text)


def pair(text: str, option: str) -> tuple[str, str]:
    """`K=V`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not of the form KEY=VALUE", param_hint=option)
    return key, value


def parameter(text: str) -> tuple[str, Any]:
    """`K=V`, with V as JSON if it parses."""
    import msgspec

    key, value = pair(text, "--param")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
