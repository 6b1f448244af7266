"""`effectd play`: loads a file, or uses a loaded timeline, plays it, and shows its position."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import typer

from dispatcher_proc.score import Score
from effectd.base.errors import BrokerLost
from effectd.cli import report, style
from effectd.cli.client import Client, Message
from effectd.cli.keys import Keys
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages.payload import fields_of
from effectd.messages.topics import DEVICE_ID as NAME

EX_OTHER = 1
ANSWER_S = 15.0  # for a document of 4 MiB on a slow machine
_LARGE = 64 * 1024  # every broker accepts messages of this size
_SEEK_MS = 5000
_BAR = 24
_DRAW_S = 0.1


def run(home: Path, what: str, from_ms: int, *, loop: bool, check: bool) -> int:
    """The exit code of section 4 of the contract: 0 when it has ended, or was stopped here; 1 stopped by another."""
    tree = reader.load(home)
    path = Path(what)
    found, data = None, b""
    if path.is_file():
        found = report.load(path, tree)
        if found is None:
            return os.EX_DATAERR
        data = path.read_bytes()
        if check:
            report.show(path, found)
            return 0
        report.show_problems(path, found.problems)
    elif check or not NAME.fullmatch(what):
        kind = "no such file" if check else "neither a file nor a timeline's name (1 to 32 of a-z, 0-9, -)"
        typer.echo(f"{style.clean(what)}: {kind}", err=True)
        return os.EX_DATAERR
    name = what if found is None else named(path)
    with Client(tree, "play", (tree.topics.timeline(name, "state"), tree.topics.dead_letter("refused"))) as client:
        if not client.reach():
            return os.EX_UNAVAILABLE
        return Player(tree, client, name, found).run(data, from_ms, loop=loop)


def named(path: Path) -> str:
    """The timeline's name for a file."""
    return re.sub(r"[^a-z0-9-]+", "-", path.stem.lower()).strip("-")[:32] or "timeline"


class Player:
    """One timeline that is played from here."""

    def __init__(self, tree: Config, client: Client, name: str, score: Score | None) -> None:
        self._topics, self._client, self._name, self._score = tree.topics, client, name, score
        self._state: dict[str, Any] = {}
        self._fresh = False  # whether a state has come that is not a stored one
        self._heard_at = 0.0
        self._refused = ""
        self._quit = False
        self._tty = sys.stdout.isatty()
        self._shown = ""
        self._ordered: set[str] = set()  # topics

    def run(self, data: bytes, from_ms: int, *, loop: bool) -> int:
        for sig in (signal.SIGINT, signal.SIGTERM):
            self._client.loop.add_signal_handler(sig, self._end)
        if data:
            self._order("load", data)
            if not self._wait(self._is_loaded):
                return self._gave_up("load", len(data))
        self._order("play", json.dumps({"from_ms": from_ms, "loop": loop}).encode())
        self._fresh = False
        if not self._wait(lambda: self._fresh and self._state.get("status") in ("playing", "ended")):
            return self._gave_up("play")
        with Keys(self._client.loop, self._pressed):
            return self._follow()

    def _follow(self) -> int:
        while not self._quit and self._state.get("status") in ("playing", "paused"):
            self._draw()
            for message in self._client.messages(_DRAW_S, lambda: self._quit):
                self._take(message)
        if self._quit and self._state.get("status") in ("playing", "paused"):
            self._order("stop", b"")
            self._wait(lambda: self._state.get("status") == "loaded", always=True)
        self._draw()
        if self._tty:
            typer.echo()
        return 0 if self._quit or self._state.get("status") == "ended" else EX_OTHER

    def _order(self, word: str, payload: bytes) -> None:
        topic = self._topics.timeline(self._name, word)
        self._ordered.add(topic)
        try:
            self._client.link.publish(topic, payload, qos=1)
        except BrokerLost:
            pass  # the answer does not come, and that is reported

    def _wait(self, condition: Any, *, always: bool = False) -> bool:
        end = time.monotonic() + ANSWER_S
        while not condition() and not self._refused and (always or not self._quit):
            if time.monotonic() >= end:
                return False
            for message in self._client.messages(0.1, condition):
                self._take(message)
        return bool(condition())

    def _gave_up(self, word: str, size: int = 0) -> int:
        if self._quit:
            return 0
        if self._refused:
            typer.echo(f"{self._name}: {style.clean(self._refused, 400)}", err=True)
            return EX_OTHER
        typer.echo(no_answer(word, size, self._client.trouble), err=True)
        return os.EX_TEMPFAIL

    def _take(self, message: Message) -> None:
        if not (said := fields_of(message.payload)):
            return
        if message.topic == self._topics.timeline(self._name, "state"):
            self._state, self._fresh, self._heard_at = said, self._fresh or not message.retained, time.monotonic()
        elif said.get("topic") in self._ordered and said.get("id") is None:  # else it is of one effect
            self._refused = str(said.get("detail"))

    def _is_loaded(self) -> bool:
        """Whether the dispatcher has our document, to play next or now."""
        assert self._score is not None
        timeline = self._score.timeline
        shown = self._state.get("next") or self._state
        ours = (shown.get("title"), shown.get("effects")) == (timeline.title, len(timeline.effects))
        return self._fresh and ours

    def _pressed(self, key: str) -> None:
        if key == "q":
            self._end()
        elif key == "space":
            self._order("resume" if self._state.get("status") == "paused" else "pause", b"")
        else:
            position = max(0, self._position() + (_SEEK_MS if key == "right" else -_SEEK_MS))
            self._order("seek", json.dumps({"position_ms": round(position)}).encode())

    def _end(self) -> None:
        self._quit = True

    def _position(self) -> float:
        position = style.number(self._state.get("position_ms")) or 0.0
        if self._state.get("status") == "playing":
            position += (time.monotonic() - self._heard_at) * 1000
        return min(position, style.number(self._state.get("duration_ms")) or position)

    def _draw(self) -> None:
        status, position = str(self._state.get("status")), self._position()
        length = style.number(self._state.get("duration_ms")) or 0.0
        if self._tty:
            full = round(_BAR * position / length) if length else 0
            bar = "█" * full + "░" * (_BAR - full)
            line = f"{self._name}  {bar} {style.clock(position)} / {style.clock(length)}  {style.paint(status)}"
            sys.stdout.write(f"\r{line}{self._about(position)}\x1b[K")
            sys.stdout.flush()
        elif status != self._shown:
            self._shown = status
            typer.echo(f"{self._name}  {status}  {style.clock(position)} / {style.clock(length)}")

    def _about(self, position: float) -> str:
        """What is on now, and what comes next, as far as the file is known here."""
        if self._score is None:
            return ""
        now = {id(each.command): each.command.effect for each in self._score.due(position).values()}
        shown = [f"{effect.effect_type} {_level(effect.intensity)}" for effect in now.values()][:3]
        index = self._score.first_from(position)
        text = f"  {', '.join(shown) or '-'}"
        if index < len(self._score.commands):
            following = self._score.commands[index]
            text += f"  next {following.effect.effect_type} in {style.clock(following.at - position)}"
        return style.clean(text)


def no_answer(word: str, size: int, trouble: str) -> str:
    """What may be the reason; `size`: bytes that were sent."""
    reasons = [trouble] if trouble else []
    if size > _LARGE:
        reasons.append(f"another broker than effectd's own may refuse a message of {size} bytes: see its limits")
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"no answer to {word}{why}; see: effectd health"


def _level(intensity: float | str) -> str:
    return intensity if isinstance(intensity, str) else f"{intensity:g} %"
