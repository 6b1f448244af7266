"""What happens to effects, event by event: the lines of `effectd record`, and what the chaos tests judge.

One JSON object a line, documented for readers in docs/record.md. A history is the lines of any number of writers on one
machine, in the order of `mono_ms`.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from effectd.messages import answers
from effectd.messages.answers import Receipt


def mono_ms() -> float:
    """CLOCK_MONOTONIC in ms: the same for every process of this machine until it starts again."""
    return time.monotonic_ns() / 1e6


class Event(msgspec.Struct, kw_only=True, tag_field="event"):
    """`at` in Unix ms, `mono_ms` in ms of CLOCK_MONOTONIC: when the writer learned of it, not when it happened.

    source  who wrote the line: `record`, or another program that adds lines (a sensor, the chaos tests' witness)
    """

    at: int = msgspec.field(default_factory=answers.unix_ms)
    mono_ms: float = msgspec.field(default_factory=mono_ms)
    source: str = "record"


class Published(Event, tag="published"):
    """An effect was published, for the first time or again; `id` is None if it has none, or is unreadable."""

    id: str | None
    topic: str
    payload: Any


class Accepted(Event, tag="accepted"):
    """Its receipt `accepted`: the dispatcher will report its end; `reason` names what it waits for."""

    id: str
    reason: str = ""


class Set(Event, tag="set"):
    """The dispatcher handed it to a device's driver; the same `seq` again is the same effect again."""

    id: str
    device: str
    effect_type: str = ""
    intensity: float = 0
    duration: int = 0
    seq: int = 0
    fade: int = 0
    parameters: dict[str, Any] = {}
    priority: int = 5


class Actuated(Event, tag="actuated"):
    """A device did something: went `on` for an effect, or off (then `id` is None)."""

    device: str
    on: bool
    id: str | None = None
    effect_type: str | None = None
    intensity: float = 0


class Acked(Event, tag="acked"):
    """A driver acknowledged it; times in Unix ms by the driver's clock."""

    id: str
    device: str
    status: str
    reason: str = ""
    received_at: int = 0
    done_at: int = 0


class Ended(Event, tag="ended"):
    """Its final receipt; `latency_ms` from the dispatcher's receipt of it to the last ack, `said_at` in Unix ms."""

    id: str
    effect_type: str
    status: str
    devices: dict[str, str] = {}
    reason: str = ""
    latency_ms: float | None = None
    said_at: int = 0


class Stopped(Event, tag="stopped"):
    """A stop was published: of one device, or of all (None)."""

    device: str | None = None


class Program(Event, tag="program"):
    """A program's gate has changed its line, read from the gate itself; `gone`: there is no gate any more.

    The recorder's own connection to the broker is the program `record`: so the history shows its gaps.
    """

    name: str
    state: str
    reason: str = ""
    pid: int | None = None
    generation: str | None = None
    broker_generation: str | None = None


class Dead(Event, tag="dead"):
    """A dead letter: something that was not executed, and why."""

    word: str
    id: str | None = None
    topic: str = ""
    detail: str = ""


AnyEvent = Published | Accepted | Set | Actuated | Acked | Ended | Stopped | Program | Dead

_encoder = msgspec.json.Encoder()


def from_receipt(receipt: Receipt, source: str = "record") -> Accepted | Ended:
    """The event that a receipt stands for."""
    if receipt.status not in answers.FINAL:
        return Accepted(id=receipt.id, reason=receipt.reason, source=source)
    return Ended(
        id=receipt.id,
        effect_type=receipt.effect_type,
        status=receipt.status,
        devices=receipt.devices,
        reason=receipt.reason,
        latency_ms=receipt.latency_ms,
        said_at=receipt.at,
        source=source,
    )


def line(event: Event) -> bytes:
    """The event as one line, with its end."""
    return _encoder.encode(event) + b"\n"


def read(lines: Iterable[bytes], kinds: Any = AnyEvent) -> Iterator[Any]:
    """The events of a history, each one of `kinds`. Raises msgspec.DecodeError at a line that is not one.

    A torn last line (its writer was killed) is left out.
    """
    decoder = msgspec.json.Decoder(kinds)
    for text in lines:
        if text.endswith(b"\n"):
            yield decoder.decode(text)


def load(*paths: Path, kinds: Any = AnyEvent) -> list[Any]:
    """The events of one or more files together, in their order."""
    events: list[Any] = []
    for path in paths:
        with path.open("rb") as lines:
            events += read(lines, kinds)
    return sorted(events, key=lambda event: event.mono_ms)
