"""`effectd watch`: shows the room live: drawn on a terminal, else a line for each event, or every message as JSON."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from effectd.cli import message_lines, not_in_force, page_url
from effectd.cli.client import Client, Message
from effectd.cli.watch import draw, screen
from effectd.cli.watch.freshness import Freshness
from effectd.cli.watch.pictures import FRAMES_HZ
from effectd.cli.watch.room import Room
from effectd.cli.watch.screen import Screen
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages import lines

_WAIT_S = 10.0  # not longer: each wait leaves a timer behind for that long
_FIRST_S = 0.3  # for retained messages: without them the first picture would be empty


def run(home: Path, *, as_lines: bool, as_json: bool) -> int:
    """0 at Ctrl-C, or when the reader is gone (`effectd watch | head`)."""
    tree = reader.load(home)
    if not as_lines and not as_json and screen.usable():
        return _picture(tree)
    if as_json:
        return _lines(tree, lambda message: lines.as_line(message.topic, message.payload))
    return _lines(tree, lambda message: message_lines.in_words(message, tree.topics))


def _lines(tree: Config, line_of: Callable[[Message], str]) -> int:
    def up() -> None:
        page = page_url.of(tree)
        typer.echo(f"watching {tree.broker.address}{page and f'; the page: {page}'}", err=True)
        for line in not_in_force.lines(tree):
            typer.echo(line, err=True)

    def down(why: str) -> None:
        typer.echo(f"{why}; waiting for the broker", err=True)

    try:
        with Client(tree, "watch", (tree.topics.everything,), on_up=up, on_down=down) as client:
            client.end_with_reader(sys.stdout.fileno())
            client.open()
            if not client.loop.until(lambda: client.link.up, 1.0):
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


def _picture(tree: Config) -> int:
    """Handle messages as they come and draw: at the pace of the animations, and soon after each message."""
    room, freshness = Room(tree), Freshness(tree.home)
    with Client(tree, "watch", room.subscriptions, on_up=room.connected, on_down=room.lost) as client:
        client.open()
        loop = client.loop
        with Screen(loop) as terminal:
            drawn = loop.time()
            due = drawn + _FIRST_S

            def over() -> bool:
                return terminal.ended or terminal.resized or loop.time() >= due

            while not terminal.ended:
                for message in client.messages(due - loop.time(), over):
                    room.take(*message)
                    if due > (soon := drawn + 1 / FRAMES_HZ):  # it may have changed the picture
                        due = soon
                        loop.call_later(soon - loop.time(), lambda: None)  # so that the wait ends
                    if over():  # else a flood would keep it from drawing, and from ending
                        break
                if over():
                    if not client.link.up:
                        room.away = client.trouble or "no answer yet"
                    freshness.look(room)
                    terminal.resized = False
                    terminal.show(draw.draw(room, *terminal.size, colour=terminal.colour))
                    drawn = loop.time()
                    due = drawn + draw.pace(room)
    return 0
