"""`effectd timeline`: lists the loaded timelines, and sends orders to one of them."""

import json
import os
import time
from pathlib import Path
from typing import Any

import typer

from effectd.cli import style
from effectd.cli.client import Client
from effectd.cli.play import EX_OTHER
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages.payload import fields_of

_LISTEN_S = 0.5  # for the stored states, which come with the subscription
_ANSWER_S = 3.0
_WANTED = {"pause": ("paused",), "resume": ("playing", "ended"), "stop": ("loaded",), "seek": ()}


def show(home: Path) -> int:
    tree = reader.load(home)
    with Client(tree, "timeline", (tree.topics.timeline("+", "state"),)) as client:
        if not client.reach():
            return os.EX_UNAVAILABLE
        states = _states(tree, client, _LISTEN_S)
    if not states:
        typer.echo("no timelines; effectd play FILE brings one, and so does a file in the folder timelines of the home")
        return 0
    width = max(map(len, states))
    for name, state in sorted(states.items()):
        length, position = (style.number(state.get(key)) or 0 for key in ("duration_ms", "position_ms"))
        at = f"{style.clock(position)} / {style.clock(length)}"
        problems = state.get("problems")
        wrong = f"  {len(problems)} problems" if isinstance(problems, list) and problems else ""
        title = style.clean(str(state.get("title") or ""))
        loop = "  loop" if state.get("loop") is True else ""
        typer.echo(f"{name:<{width}}  {style.paint(str(state.get('status')), 8)}  {at:<17}  {title}{loop}{wrong}")
    return 0


def order(home: Path, word: str, name: str, fields: dict[str, Any]) -> int:
    """0: it is done; 1: it cannot be done, and the reason is printed."""
    tree = reader.load(home)
    topics = tree.topics
    with Client(tree, "timeline", (topics.timeline("+", "state"), topics.dead_letter("refused"))) as client:
        if not client.reach():
            return os.EX_UNAVAILABLE
        before = _states(tree, client, _LISTEN_S).get(name)
        if before is None:
            typer.echo(f"there is no timeline {style.clean(name)}; see: effectd timeline list", err=True)
            return EX_OTHER
        client.link.publish(topics.timeline(name, word), json.dumps(fields).encode() if fields else b"", qos=1)
        code, text = _answer(tree, client, word, name, before)
    typer.echo(text, err=code != 0)
    return code


def _answer(tree: Config, client: Client, word: str, name: str, before: dict[str, Any]) -> tuple[int, str]:
    for message in client.messages(_ANSWER_S if before.get("status") not in _WANTED[word] else _LISTEN_S):
        said = fields_of(message.payload)
        if message.topic == tree.topics.timeline(name, "state") and not message.retained:
            status = str(said.get("status"))
            if not _WANTED[word] or status in _WANTED[word]:
                at = style.clock(style.number(said.get("position_ms")) or 0)
                return 0, f"{name}  {style.paint(status)}  {at}"
        elif said.get("topic") == tree.topics.timeline(name, word):
            return EX_OTHER, style.clean(str(said.get("detail")), 400)
    status = str(before.get("status"))
    if status in _WANTED[word]:
        return 0, f"{name}  {style.paint(status)}"
    if word in ("pause", "resume"):
        return EX_OTHER, f"{name} is {style.clean(status)}: there is nothing to {word}"
    return os.EX_TEMPFAIL, "no answer; see: effectd health"


def _states(tree: Config, client: Client, seconds: float) -> dict[str, dict[str, Any]]:
    states: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for message in client.messages(left):
            levels = tree.topics.split(message.topic)
            if len(levels) == 3 and levels[2] == "state" and (state := fields_of(message.payload)):
                states[levels[1]] = state
    return states
