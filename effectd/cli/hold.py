"""`effectd hold` and `release`: a lasting stop, by MQTT and directly to every gate, even if all else is dead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from effectd.base.errors import ConfigError
from effectd.base.loop import Loop
from effectd.base.near import did_you_mean
from effectd.cli import confirmed, style
from effectd.cli.client import Client
from effectd.cli.confirmed import CONFIRMED_WITHIN_S, StopRequest
from effectd.config import programs, reader
from effectd.config.reader import Config
from effectd.messages import holds
from effectd.program.holds import own_name


def run(home: Path, name: str | None, reason: str, target: list[str]) -> int:
    """0: every device in its target is off and held."""
    tree = _load(home)
    known = sorted(tree.targets) if tree is not None else target
    if unknown := [word for word in target if word not in known]:
        names = ", ".join(known) + did_you_mean(unknown[0], known)
        raise typer.BadParameter(f"{unknown[0]!r} is neither a device nor a zone; known are {names}")
    name = _name(name)
    request = {"do": "hold", "name": name, "reason": reason, "target": target or None}
    return _ask(home, tree, name, request, holds.encode(reason, target))


def release(home: Path, name: str | None) -> int:
    """0: every driver has confirmed it; remaining holds are printed."""
    name = _name(name)
    return _ask(home, _load(home), name, {"do": "release", "name": name}, b"")


def _load(home: Path) -> Config | None:
    try:
        return reader.load(home)
    except ConfigError as error:  # a hold must work all the same, past the broker
        typer.echo(str(error), err=True)
        return None


def _name(name: str | None) -> str:
    name = name or own_name()
    if not holds.named(name):
        raise typer.BadParameter("a name is one level of a topic: no / + #, at most 200 bytes", param_hint="NAME")
    return name


def _ask(home: Path, tree: Config | None, name: str, request: dict[str, Any], payload: bytes) -> int:
    if tree is None:
        loop = Loop()
        gates = [StopRequest(loop, home, program, request) for program in confirmed.gates(home)]
        confirmed.wait(loop, gates)
        _print([gate for gate in gates if gate.name != programs.DISPATCHER], request)
        return 78
    drivers = [program for program in tree.programs if programs.is_device(program)]
    published: list[bool] = []

    def publish() -> None:  # retained: later clients must know it, and a release must clear it
        client.link.publish(tree.topics.hold(name), payload, qos=1, retain=True, acked=lambda: published.append(True))

    with Client(tree, "hold", [], on_up=publish) as client:
        gates = [StopRequest(client.loop, home, program, request) for program in (*drivers, programs.DISPATCHER)]
        client.open()

        def enough() -> bool:
            return all(gate.settled for gate in gates) and (bool(published) or bool(client.trouble))

        client.loop.until(enough, CONFIRMED_WITHIN_S)
    *asked, dispatcher = gates
    hold = holds.decode(name, payload, 0)
    elsewhere = [
        each for each, found in tree.devices.items() if found.remote and hold and hold.concerns(each, found.zones)
    ]
    _print(asked, request, elsewhere)
    return confirmed.end(home, asked, dispatcher, elsewhere, None if published else client.trouble)


def _print(asked: list[StopRequest], request: dict[str, Any], elsewhere: Sequence[str] = ()) -> None:
    """A row a device that is held, or a program that has not answered."""
    free = not elsewhere
    for gate in asked:
        if not gate.off:
            typer.echo(gate.unconfirmed())
            free = False
        for device, why in gate.answer.get("held", {}).items():
            typer.echo(f"{device}  {style.paint('off')}  {style.clean(str(why), 400)}")
            free = False
    if free:
        typer.echo("nothing is held" if request["do"] == "release" else "no device here is in its target")
