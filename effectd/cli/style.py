"""Formats text for people: receipts, states and rows of health, one line each; in colour on a terminal."""

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

_COLOURS = {
    "green": ("ready", "done", "on", "online", "off", "ok"),
    "yellow": ("starting", "waiting", "accepted", "partial", "superseded", "stopped", "stopping", "stop", "note"),
    "red": (
        "degraded",
        "gone",
        "failed",
        "expired",
        "refused",
        "undeliverable",
        "offline",
        "unconfirmed",
        "malformed",
        "overload",
        "wrong",
    ),
}
_PAINT = {word: colour for colour, words in _COLOURS.items() for word in words}
SHOWN = 160  # characters of a payload shown in a line


def colour(word: str) -> str | None:
    """The colour that a state or a status has everywhere; None for any other word."""
    return _PAINT.get(word)


def paint(word: str, width: int = 0) -> str:
    """`word` in its colour, padded to `width`; typer.echo takes the colour out again if there is no terminal."""
    shown = None if os.environ.get("NO_COLOR") else colour(word)
    return typer.style(f"{word:<{width}}", fg=shown, dim=shown is not None and word == "off")


def clean(text: str, limit: int = SHOWN) -> str:
    """Foreign text on one line, without anything that could control the terminal or cannot be written to it."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", "?", text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def number(value: Any) -> float | None:
    """A foreign value as a finite number of a sane size, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) <= value <= 2**53:
        return None
    return float(value)  # NaN and the infinities are not within those bounds


def receipt(fields: Mapping[str, Any]) -> str:
    """`done  wind  in 2.1 ms  (wind: done)  reason`."""
    devices = fields["devices"] if isinstance(fields.get("devices"), dict) else {}
    latency = number(fields.get("latency_ms"))
    parts = [
        paint(clean(str(fields.get("status")), 32)),
        clean(str(fields.get("effect_type") or "-"), 64),
        f"in {latency:.1f} ms" if latency is not None and devices else "",
        "(" + clean(", ".join(f"{k}: {v}" for k, v in devices.items())) + ")" if devices else "",
        clean(str(fields.get("reason") or ""), 400),
    ]
    return "  ".join(part for part in parts if part)


def doing(state: Mapping[str, Any]) -> str:
    """What a device's state topic says: `on  light 80 % #ff8800`, `off`."""
    if not state.get("on"):
        reason = state.get("reason")
        return paint("off") + (f"  {clean(reason, 400)}" if isinstance(reason, str) and reason else "")
    intensity, parameters = number(state.get("intensity")), state.get("parameters")
    share = "-" if intensity is None else f"{intensity:g} %"
    return f"{paint('on')}  {clean(str(state.get('effect_type')), 64)} {share}" + details(parameters)


def details(parameters: Any) -> str:
    """An effect's parameters, short: colours bare, everything else by name; begins with a blank."""
    if not isinstance(parameters, dict):
        return ""
    return "".join(
        " " + clean(_text(value) if key in ("color", "rgb", "scent") else f"{key}={_text(value)}", 60)
        for key, value in parameters.items()
    )


def health(table: str, width: int | None = None) -> str:
    """The table of `health` with its state words in colour; in a terminal's `width` a long reason has its own lines."""
    width = _width() if width is None else width
    head, *rows = table.split("\n")
    lines = [typer.style(head, dim=True)]
    for row in rows:
        facts, reason = row[: len(head) + 2], row[len(head) + 2 :]
        coloured = re.sub(r"(?<=\s)\S+", lambda m: paint(m.group()), facts, count=1)
        if len(row) <= width:
            lines.append(coloured + reason)
            continue
        indent = " " * (len(re.match(r"\S+\s+", facts).group()) if reason else 0)  # type: ignore[union-attr]
        lines += [coloured.rstrip(), *textwrap.wrap(reason, width, initial_indent=indent, subsequent_indent=indent)]
    return "\n".join(lines)


def prose(text: str, width: int | None = None) -> str:
    """A long sentence, broken between words where a terminal would break it within one."""
    width = _width() if width is None else width
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def clock(ms: float) -> str:
    """`1:02:03.4`, `2:03.4`, `0:03.4`."""
    tenths = int(ms // 100)
    seconds, tenth = divmod(tenths, 10)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}.{tenth}" if hours else f"{minute}:{second:02}.{tenth}"


def tool(name: str, home: Path | None = None) -> str:
    """How to call a script of this installation from here, quoted for a shell; with --home or -c where it is needed."""
    script = Path(sys.executable).parent / name
    here = Path.cwd()
    words = [str(script.relative_to(here)) if script.is_relative_to(here) else str(script)]
    if home is not None and home != here:
        words += ["-c", str(home / "supervisor.conf")] if name == "supervisorctl" else ["--home", str(home)]
    return shlex.join(words)


def _text(value: Any) -> str:
    """A published value as text; one nested almost too deep to read is too deep to write."""
    try:
        return str(value)
    except RecursionError:
        return "..."
