"""Asks programs at their gates to stop or to hold, even if all else is dead, and reports who has confirmed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from effectd.base.errors import NotYours
from effectd.base.lock import holders
from effectd.base.loop import Loop
from effectd.cli import style
from effectd.config import programs, run_folder
from effectd.readiness.gate_request import ANSWERED_WITHIN_S, NOT_RUNNING, GateRequest

CONFIRMED_WITHIN_S = ANSWERED_WITHIN_S


class StopRequest:
    """A stop or a hold asked for at a program's gate, or for one `device` of a bus.

    `answer` is the reply, `failure` why there is none. `said_off`: its state topic showed it off after the stop.
    """

    def __init__(
        self, loop: Loop, home: Path, program: str, request: Mapping[str, object], device: str | None = None
    ) -> None:
        self.name = device or program
        self.answer: dict[str, Any] = {}
        self.failure = f"no answer within {CONFIRMED_WITHIN_S:g} s"
        self.said_off = False
        self.ended = False  # no answer comes any more
        self._silent = False  # it is alive, and may still confirm by MQTT
        GateRequest(loop, home / "run" / f"{program}.gate", request, self._hear)
        if self.ended and self.failure != NOT_RUNNING:
            self._silent = True
        elif self.ended and program in holders(home):
            self._silent, self.failure = True, f"run/{program}.gate is missing, and it did not confirm by MQTT"

    @property
    def settled(self) -> bool:
        return self.said_off or (self.ended and not self._silent)

    @property
    def off(self) -> bool:
        return self.answer.get("off") is True or self.said_off

    def _hear(self, said: dict[str, Any]) -> None:
        self.ended, self.failure = True, str(said.get("error", ""))
        if not self.failure:
            self.answer = said

    def unconfirmed(self) -> str:
        """Its row, where it has not confirmed."""
        return f"{self.name}  {style.paint('unconfirmed')}: {self.failure}"


def gates(home: Path) -> list[str]:
    """The gates of programs that know how to stop: the dispatcher, and those that may be devices."""
    names = sorted(path.stem for path in (home / "run").glob("*.gate"))
    return [name for name in names if name == programs.DISPATCHER or programs.is_device(name)]


def wait(loop: Loop, asked: Sequence[StopRequest]) -> None:
    loop.until(lambda: all(request.settled for request in asked), CONFIRMED_WITHIN_S)


def end(
    home: Path,
    asked: Sequence[StopRequest],
    dispatcher: StopRequest,
    elsewhere: Sequence[str],
    trouble: str | None,
) -> int:
    """Print the result for devices `elsewhere`, the broker and the dispatcher; returns the exit code.

    `trouble`: why nothing was sent by MQTT; None: it was.
    """
    for name in elsewhere:
        sent = "sent by MQTT; its driver is elsewhere and cannot confirm"
        typer.echo(f"{name}  {sent if trouble is None else style.paint('unconfirmed') + ': no broker to send it'}")
    if trouble is not None:
        typer.echo(f"not sent by MQTT: {trouble or 'no broker answers'}", err=True)
    if dispatcher.failure:
        typer.echo(f"dispatcher: {dispatcher.failure}", err=True)
    if all(request.off for request in asked) and (trouble is None or not elsewhere):
        return 0
    try:
        run_folder.check(home)
    except NotYours as error:
        typer.echo(str(error), err=True)
        return 77
    return 1
