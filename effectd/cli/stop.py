"""`effectd stop`: switches all devices off, or one; by MQTT and directly to the drivers, even if all else is dead."""

from collections.abc import Sequence
from pathlib import Path

import typer

from effectd.base.errors import ConfigError
from effectd.base.loop import Loop
from effectd.base.near import did_you_mean
from effectd.cli import confirmed, style
from effectd.cli.client import Client, Message
from effectd.cli.confirmed import CONFIRMED_WITHIN_S, StopRequest
from effectd.config import programs, reader
from effectd.config.reader import Config
from effectd.messages.payload import fields_of


def run(home: Path, device: str | None) -> int:
    """0: every driver of this home confirmed that its actuator is off."""
    try:
        tree = reader.load(home)
    except ConfigError as error:  # a stop must work all the same: ask every gate that exists
        typer.echo(str(error), err=True)
        loop = Loop()
        names = confirmed.gates(home)
        own = [name for name in names if device in (None, name)]
        request = {"do": "stop"} if own else {"do": "stop", "device": device}  # the program may be a bus
        asked = [StopRequest(loop, home, name, request) for name in own or names]
        confirmed.wait(loop, asked)
        _print(asked)
        return 78
    local = {name: found.bus or name for name, found in tree.devices.items() if not found.remote}  # their programs
    remote = [name for name, found in tree.devices.items() if found.remote]
    # a driver whose section is wrong or removed may still run with its old one
    wrong = [error.device for error in tree.errors if error.device]
    named = {*tree.devices, *local.values(), *wrong, programs.DISPATCHER}
    wrong += [name for name in confirmed.gates(home) if name not in named]
    known = [*local, *remote, *wrong]
    if device is not None and device not in known:
        near = did_you_mean(device, known)
        raise typer.BadParameter(f"no device {device!r}; known: {', '.join(known) or 'none'}{near}")
    wanted = {"do": "stop", "all": True} if device is None else {"do": "stop", "device": device}
    topic = tree.topics.stop_all if device is None else tree.topics.stop(device)
    published: list[bool] = []

    def publish() -> None:
        client.link.publish(topic, b"stop", qos=1, acked=lambda: published.append(True))

    with Client(tree, "stop", [tree.topics.state(name) for name in local], on_up=publish) as client:
        # first the dispatcher: what it has queued must not follow
        dispatcher = StopRequest(client.loop, home, programs.DISPATCHER, wanted)
        asked = [
            StopRequest(client.loop, home, program, wanted, name)
            for name, program in local.items()
            if device in (None, name)
        ]
        asked += [StopRequest(client.loop, home, name, {"do": "stop"}) for name in wrong if device in (None, name)]
        client.open()
        drivers = [gate for gate in asked if gate.name in local or not gate.ended]

        def enough() -> bool:
            return all(gate.settled for gate in (*drivers, dispatcher)) and (bool(published) or bool(client.trouble))

        for message in client.messages(CONFIRMED_WITHIN_S, enough):
            if not message.retained:  # its state after the stop; the retained one is from before
                _confirm(tree, drivers, message)
    _print(drivers)
    elsewhere = [name for name in remote if device in (None, name)]
    return confirmed.end(home, drivers, dispatcher, elsewhere, None if published else client.trouble)


def _confirm(tree: Config, drivers: list[StopRequest], message: Message) -> None:
    """A driver without a gate still confirms by its state topic, which it publishes once the device is off."""
    for gate in drivers:
        if message.topic == tree.topics.state(gate.name) and (said := fields_of(message.payload)):
            gate.said_off = said.get("on") is False


def _print(asked: Sequence[StopRequest]) -> None:
    for request in asked:
        typer.echo(f"{request.name}  {style.paint('off')}" if request.off else request.unconfirmed())
