"""`effectd record`: writes the events of effects and programs to a file as JSON lines (docs/record.md)."""

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import typer

from effectd.cli.client import Client, Message
from effectd.config import programs, reader
from effectd.config.reader import Config
from effectd.messages import history
from effectd.messages.answers import Ack, DeadLetter, Receipt, State
from effectd.messages.payload import fields_of
from effectd.messages.topics import Topics
from effectd.readiness.gate_watcher import GateView, GateWatcher

_WAIT_S = 10.0


# what a history keeps of a `set`
_SENT = [key for key in history.Set.__struct_fields__ if key not in history.Event.__struct_fields__]


def run(home: Path, file: str, seconds: float | None) -> int:
    """0 at Ctrl-C, SIGTERM, after `seconds`, or when the reader of the pipe is gone."""
    tree = reader.load(home)
    try:
        out = 1 if file == "-" else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        return os.EX_CANTCREAT
    try:
        _Recorder(tree, out).run(seconds)
    except BrokenPipeError:
        return 0
    except OSError as error:  # a full disk, mostly: a history with a silent hole is worse than none
        typer.echo(f"{file}: {error.strerror}; recording ends here", err=True)
        return os.EX_IOERR
    return 0


class _Recorder:
    """Writes each event with one write(): a reader sees whole lines, also after a death."""

    def __init__(self, tree: Config, out: int) -> None:
        self._tree, self._out = tree, out
        self._ended = False
        self._states: dict[str, bytes] = {}  # each device's last state: a new connection brings it again
        self._broker: str | None = None  # the run of the broker, from its gate
        self._client = Client(tree, "record", (tree.topics.everything,), on_up=self._up, on_down=self._down)

    def run(self, seconds: float | None) -> None:
        loop = self._client.loop
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self._end)
        if seconds is not None:
            loop.call_later(seconds, self._end)
        self._client.end_with_reader(self._out)
        watcher = GateWatcher(loop, self._tree.home / "run")
        with self._client as client:
            for name in (*self._tree.programs, programs.WATCHDOG):
                if watcher.watch(name, self._program).sock is None:
                    self._write(history.Program(name=name, state="gone"))
            client.open()
            while not self._ended:
                for message in client.messages(_WAIT_S, lambda: self._ended):
                    event = _event(message, self._tree.topics)
                    if event is not None and not (isinstance(event, history.Actuated) and self._old(message)):
                        self._write(event)
                    if self._ended:  # else a flood would keep it from ending
                        break
        watcher.close()

    def _program(self, watch: GateView) -> None:
        line = watch.line
        if watch.name == programs.BROKER:
            self._broker = line.generation if watch.ready and line else None
            if self._broker and not self._client.link.up:  # do not wait for the next retry
                self._client.link.drop()
                self._client.open()
        if line is None:
            self._write(history.Program(name=watch.name, state="gone"))
        elif watch.stale:
            self._write(history.Program(name=watch.name, state="gone", reason="does not answer", pid=line.pid))
        else:
            self._write(
                history.Program(
                    name=watch.name,
                    state=line.state,
                    reason=line.reason,
                    pid=line.pid,
                    generation=line.generation,
                    broker_generation=line.broker_generation,
                )
            )

    def _up(self) -> None:
        self._write(history.Program(name="record", state="ready", pid=os.getpid(), broker_generation=self._broker))

    def _down(self, why: str) -> None:
        self._write(history.Program(name="record", state="waiting", reason=why, pid=os.getpid()))

    def _old(self, message: Message) -> bool:
        known = self._states.get(message.topic)
        self._states[message.topic] = message.payload
        return known == message.payload

    def _write(self, event: history.Event) -> None:
        line = history.line(event)
        while line:
            line = line[os.write(self._out, line) :]

    def _end(self) -> None:
        self._ended = True


def _event(message: Message, topics: Topics) -> history.Event | None:
    """The event in a message; None if it is not part of a history or cannot be read."""
    try:
        return _read(topics.split(message.topic), message)
    except (msgspec.DecodeError, RecursionError):
        return None


def _read(levels: list[str], message: Message) -> history.Event | None:
    payload = message.payload
    event: history.Event | None = None
    match levels:
        case ["effects", *_]:
            value = _value(payload)
            fields = value if isinstance(value, dict) else {}
            given = fields.get("id") or fields.get("idempotency_key")
            known = given if isinstance(given, str) else None
            event = history.Published(id=known, topic=message.topic, payload=value)
        case ["receipts", _]:
            event = history.from_receipt(msgspec.json.decode(payload, type=Receipt))
        case ["devices", device, "set"]:
            sent = fields_of(payload)
            kept = {"id": ""} | {key: sent[key] for key in _SENT if key in sent} | {"device": device}
            event = msgspec.convert(kept, history.Set) if sent else None
        case ["devices", device, "ack"]:
            ack = msgspec.json.decode(payload, type=Ack)
            of_ack = {key: getattr(ack, key) for key in ("id", "status", "reason", "received_at", "done_at")}
            event = history.Acked(device=device, **of_ack)
        case ["devices", device, "state"]:
            state = msgspec.json.decode(payload, type=State)
            event = history.Actuated(
                device=device,
                on=state.on,
                id=state.effect_id,
                effect_type=state.effect_type,
                intensity=state.intensity,
            )
        case ["devices", device, "stop"]:
            event = history.Stopped(device=device)
        case ["stop-all"]:
            event = history.Stopped()
        case ["dead-letters", word]:
            letter = msgspec.json.decode(payload, type=DeadLetter)
            event = history.Dead(word=word, id=letter.id, topic=letter.topic, detail=letter.detail)
    return event


def _value(payload: bytes) -> Any:
    """The payload as JSON if it parses, else as text, with bytes that are not text replaced."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return payload.decode(errors="replace")
