"""Waits for programs and shows their progress: live lines on a terminal, elsewhere a line when one is ready.

Waiting ends as soon as nothing more can become ready by itself: a device stays away, a password is wrong, a file has to
be corrected. What can still become ready, such as a starting broker, is waited for.
"""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import typer

from effectd.cli import style
from effectd.config import programs, reader
from effectd.supervision import health
from effectd.supervision.health import Health, Row

TRIES_S = 1.5  # a device that fails has been tried three times by then
_GIVEN_UP = re.compile("(FATAL|EXITED|UNKNOWN):")
_NO_USE = re.compile("crash-loop|refused the connection|the environment has no|give this home a topic_root")

Rows = dict[str, Row]


class Patience:
    """Whether waiting makes sense; otherwise what to do about each program."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}

    def over(self, rows: Mapping[str, Row]) -> bool:
        """Whether no program that is not ready can become ready without help."""
        now = self._clock()
        for name, row in rows.items():
            if self._since.get(name, ("", 0.0))[0] != row.state:
                self._since[name] = row.state, now
        return not health.all_ready(dict(rows)) and all(self._settled(rows, name) for name in rows)

    def _settled(self, rows: Mapping[str, Row], name: str) -> bool:
        row = rows[name]
        if row.ready or row.left_over or row.state == "stopped":
            return True
        if row.state == "degraded":
            # its device may be a client of this home's broker, and that may just have come back
            broker, came = self._since.get(programs.BROKER, ("", 0.0))
            if broker == "ready" and reader.BROKER_SOCKET in row.reason:
                return False
            return self._clock() - max(self._since[name][1], came if broker == "ready" else 0.0) >= TRIES_S
        if row.state == "gone":
            return bool(_GIVEN_UP.match(row.reason))
        if row.state != "waiting":
            return False
        missing = [other for other in programs.of(name).waits_for if other in rows and not rows[other].ready]
        return bool(_NO_USE.search(row.reason)) or any(self._settled(rows, other) for other in missing)


def cure(name: str, row: Row, home_up: str) -> str:
    """What to do about a program that does not become ready by itself."""
    no_secret, down = "the environment has no" in row.reason, home_up.removesuffix("up") + "down"
    if row.state == "degraded" and name != programs.BROKER and not no_secret:
        return "it is ready as soon as its device answers; everything else works"
    if row.state == "stopped":
        return f"start it: {home_up}"
    if _GIVEN_UP.match(row.reason):
        return f"correct what its reason names, then: {home_up}"
    if no_secret or "refused the connection" in row.reason:
        return f"set what is missing in this shell; supervisord keeps the environment of its start: {down}, {home_up}"
    return ""


@contextlib.contextmanager
def shown(
    done: Mapping[str, str], advise: Callable[[Rows], str] = lambda _: "", *, everyone: bool = False
) -> Iterator[Callable[[Rows], None]]:
    """The callback for each change. `done`: what was done, by program; `advise`: printed once, when there is any.

    `everyone`: also report programs that are ready at the first look.
    """
    named: set[str] = set()
    advice: list[str] = []
    last: Rows = {}

    def give_advice(rows: Rows, say: Callable[[str], None]) -> None:
        if not advice and (text := advise(rows)):
            advice.append(text)
            say(text)

    def lines(rows: Rows) -> None:
        news = everyone or bool(last)
        for name, row in rows.items():
            if row.ready and name not in named:
                named.add(name)
                if news or name in done:
                    typer.echo(_line(f"{name}:", row, done.get(name, "")))
        last.update(rows)
        give_advice(rows, typer.echo)

    if not sys.stdout.isatty():
        yield lines
        return

    from rich.live import Live  # heavy
    from rich.text import Text

    with Live(Text("starting"), auto_refresh=False, transient=True) as live:

        def picture(rows: Rows) -> None:
            give_advice(rows, lambda text: live.console.print(Text(text), soft_wrap=True))
            width = max(map(len, rows), default=0)
            table = "\n".join(_line(f"{name:<{width}} ", row, done.get(name, "")) for name, row in brief(rows).items())
            shown_ = Text.from_ansi(table)
            shown_.no_wrap, shown_.overflow = True, "ellipsis"
            live.update(shown_, refresh=True)
            last.update(rows)

        yield picture
    for name in done:
        if name in last:
            typer.echo(_line(f"{name}:", last[name], done[name]))


def brief(rows: Rows) -> Rows:
    """Leave the broker's reason out of the rows that wait for it."""
    return {
        name: msgspec.structs.replace(row, reason=re.sub(r"^(broker is waiting): .*", r"\1", row.reason))
        for name, row in rows.items()
    }


def wait(look: Health, seconds: float, show: Callable[[Rows], None] = lambda _: None) -> tuple[Rows, bool]:
    """The last rows, and whether waiting for longer would be pointless."""
    patience = Patience()
    rows = look.wait(seconds, show, hopeless=lambda rows: look.alone or patience.over(rows))
    return rows, look.alone or patience.over(rows)


def _line(name: str, row: Row, done: str) -> str:
    reason = style.clean(row.reason)
    return f"{name} {style.paint(row.state)}" + (f" ({done})" if done else "") + (f": {reason}" if reason else "")
