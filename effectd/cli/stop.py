"""`effectd stop`: switch everything off, or one device; by MQTT and straight to the drivers, whatever else is dead."""

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import typer

from effectd.base.errors import ConfigError, NotYours
from effectd.base.lock import holders
from effectd.base.loop import Loop
from effectd.base.near import did_you_mean
from effectd.cli import style
from effectd.cli.client import Client, Message
from effectd.config import programs, reader, run_folder
from effectd.config.reader import Config

CONFIRMED_WITHIN_S = 2.0


def run(home: Path, device: str | None) -> int:
    """0: every driver of this home confirmed that its actuator is off."""
    try:
        tree = reader.load(home)
    except ConfigError as error:  # a stop must work all the same: ask every gate that exists
        typer.echo(str(error), err=True)
        loop = Loop()
        names = _gates(home)
        own = [name for name in names if device in (None, name)]
        request = {"do": "stop"} if own else {"do": "stop", "device": device}  # whoever has it: a bus, perhaps
        asked = [StopRequest(loop, home, name, request) for name in own or names]
        _wait(loop, asked)
        _print(asked)
        return 78
    local = {name: found.bus or name for name, found in tree.devices.items() if not found.remote}  # to its program
    remote = [name for name, found in tree.devices.items() if found.remote]
    # a driver whose section is wrong, or in config.yaml no more, may still run as it was started
    wrong = [error.device for error in tree.errors if error.device]
    named = {*tree.devices, *local.values(), *wrong, programs.DISPATCHER}
    wrong += [name for name in _gates(home) if name not in named]
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
        # first the dispatcher: what it holds must not follow
        dispatcher = StopRequest(client.loop, home, programs.DISPATCHER, wanted)
        asked = [
            StopRequest(client.loop, home, program, wanted, name)
            for name, program in local.items()
            if device in (None, name)
        ]
        asked += [StopRequest(client.loop, home, name, {"do": "stop"}) for name in wrong if device in (None, name)]
        client.open()
        drivers = [gate for gate in asked if gate.name in local or gate.connected]

        def enough() -> bool:
            return all(gate.settled for gate in (*drivers, dispatcher)) and (bool(published) or bool(client.trouble))

        for message in client.messages(CONFIRMED_WITHIN_S, enough):
            if not message.retained:  # its state after the stop; the retained one is from before
                _hear(tree, drivers, message)
    _print(drivers)
    sent = "sent by MQTT; its driver is elsewhere and cannot confirm"
    elsewhere = [name for name in remote if device in (None, name)]
    for name in elsewhere:
        typer.echo(f"{name}  {sent if published else style.paint('unconfirmed') + ': no broker to send it'}")
    if not published:
        typer.echo(f"not sent by MQTT: {client.trouble or 'no broker answers'}", err=True)
    if not dispatcher.answer:
        typer.echo(f"dispatcher: {dispatcher.failure}", err=True)
    if all(gate.off for gate in drivers) and (published or not elsewhere):
        return 0
    try:
        run_folder.check(home)
    except NotYours as error:
        typer.echo(str(error), err=True)
        return 77
    return 1


def _hear(tree: Config, drivers: list["StopRequest"], message: Message) -> None:
    """A driver without a gate still confirms by its state topic, which it publishes once the device is off."""
    for gate in drivers:
        if message.topic == tree.topics.state(gate.name):
            with contextlib.suppress(ValueError):
                said = json.loads(message.payload)
                gate.said_off = isinstance(said, dict) and said.get("on") is False


class StopRequest:
    """A stop asked for at a program's gate (for one `device` of a bus); `answer` is the reply, `failure` why none.

    `said_off`: its state topic showed it off after the stop.
    """

    def __init__(
        self, loop: Loop, home: Path, program: str, request: dict[str, Any], device: str | None = None
    ) -> None:
        self.name = device or program
        self.answer: dict[str, Any] = {}
        self.failure = f"no answer within {CONFIRMED_WITHIN_S:g} s"
        self.said_off = False
        self._lives = False  # though its gate cannot be reached
        self._loop, self._buffer = loop, b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            self._sock.connect(os.fspath(home / "run" / f"{program}.gate"))
            self._sock.send(json.dumps(request).encode() + b"\n")
        except BlockingIOError:
            self._end("it takes no connections")
        except PermissionError:
            self._lives = True
            self._end(f"run/{program}.gate is another user's")
        except OSError:
            self._lives = program in holders(home)
            self._end(
                f"run/{program}.gate is missing, and it said nothing by MQTT" if self._lives else "it does not run"
            )
        else:
            loop.add_reader(self._sock.fileno(), self._read)

    @property
    def connected(self) -> bool:
        return bool(self.answer) or self._sock.fileno() >= 0

    @property
    def settled(self) -> bool:
        return bool(self.answer) or self.said_off or (self._sock.fileno() < 0 and not self._lives)

    @property
    def off(self) -> bool:
        return self.answer.get("off") is True or self.said_off

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = self._sock.recv(65536)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and ("done" in said or "error" in said):  # else a line of its state
                    self.answer = said
        if not data:
            self._end("it ended before it answered")

    def _end(self, failure: str) -> None:
        self.failure = failure
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()


def _wait(loop: Loop, asked: list[StopRequest]) -> None:
    end = loop.call_later(CONFIRMED_WITHIN_S, lambda: None)
    while not all(gate.settled for gate in asked) and loop.time() < end.when:
        loop.turn()


def _print(asked: list[StopRequest]) -> None:
    for gate in asked:
        why = gate.answer.get("error") or gate.failure
        typer.echo(f"{gate.name}  {style.paint('off') if gate.off else style.paint('unconfirmed') + f': {why}'}")


def _gates(home: Path) -> list[str]:
    """Of those that know how to stop: the dispatcher, and whatever may be a device."""
    names = sorted(path.stem for path in (home / "run").glob("*.gate"))
    return [name for name in names if name == programs.DISPATCHER or programs.is_device(name)]
