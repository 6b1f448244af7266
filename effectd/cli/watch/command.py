"""`effectd watch`: the room, live: drawn on a terminal, else a line for each event, or every message as JSON."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from effectd.cli import message_lines
from effectd.cli.client import Client, Message
from effectd.cli.watch import draw, screen
from effectd.cli.watch.pictures import FRAMES_HZ
from effectd.cli.watch.room import Room
from effectd.cli.watch.screen import Screen
from effectd.config import reader
from effectd.config.reader import Config

_WAIT_S = 10.0  # not longer: each wait leaves a timer behind for that long
_FIRST_S = 0.3  # for retained messages: without them the first picture would be empty


def run(home: Path, *, as_lines: bool, as_json: bool) -> int:
    """0 at Ctrl-C, or when the reader is gone (`effectd watch | head`)."""
    tree = reader.load(home)
    if not as_lines and not as_json and screen.usable():
        return _picture(tree)
    if as_json:
        return _lines(tree, message_lines.as_line)
    return _lines(tree, lambda message: message_lines.in_words(message, tree.topics))


def _lines(tree: Config, line_of: Callable[[Message], str]) -> int:
    def up() -> None:
        typer.echo(f"watching {tree.broker.address}", err=True)

    def down(why: str) -> None:
        typer.echo(f"{why}; waiting for the broker", err=True)

    try:
        with Client(tree, "watch", (tree.topics.everything,), on_up=up, on_down=down) as client:
            if stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
                client.loop.add_reader(sys.stdout.fileno(), _reader_gone)  # a pipe that we write to reports only that
            client.link.open()
            if not client.until(lambda: client.link.up, 1.0):
                down(client.trouble or f"no broker answers at {tree.broker.address}")
            while True:
                for message in client.messages(_WAIT_S):
                    line = line_of(message)
                    if line:
                        typer.echo(line)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's last flush complains
        return 0


def _reader_gone() -> None:
    raise BrokenPipeError


def _picture(tree: Config) -> int:
    room = Room(tree)
    with Client(tree, "watch", room.subscriptions, on_up=room.connected, on_down=room.lost) as client:
        client.link.open()
        with Screen(client.loop) as terminal:
            _Pictures(client, room, terminal).show()
    return 0


class _Pictures:
    """Takes the messages as they come and draws: at the pace of what moves, and soon after each message."""

    def __init__(self, client: Client, room: Room, terminal: Screen) -> None:
        self._client, self._room, self._screen = client, room, terminal
        self._drawn = client.loop.time()
        self._next = self._drawn + _FIRST_S

    def show(self) -> None:
        """Until the screen is ended."""
        while not self._screen.ended:
            for message in self._client.messages(self._next - self._client.loop.time(), self._due):
                self._room.take(*message)
                self._hasten()
            if self._due():
                self._draw()

    def _due(self) -> bool:
        return self._screen.ended or self._screen.resized or self._client.loop.time() >= self._next

    def _hasten(self) -> None:
        """A message may have changed the picture: draw it within the time of one frame."""
        soon = self._drawn + 1 / FRAMES_HZ
        if self._next > soon:
            self._next = soon
            self._client.loop.call_later(soon - self._client.loop.time(), lambda: None)  # so that the wait ends

    def _draw(self) -> None:
        if not self._client.link.up:
            self._room.away = self._client.trouble or "no answer yet"
        self._screen.resized = False
        width, height = self._screen.size
        self._screen.show(draw.draw(self._room, width, height, colour=self._screen.colour))
        self._drawn = self._client.loop.time()
        self._next = self._drawn + draw.pace(self._room)
