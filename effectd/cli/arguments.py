"""Turn command line text into values; bad text is reported the way typer reports a bad argument."""

import re
from typing import Any

import typer


def number(text: str) -> int | float | str:
    """A number if it is one, else a label."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return text
    return float(text) if "." in text else int(text)


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
