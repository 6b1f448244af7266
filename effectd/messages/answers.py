"""The answers: acks, receipts, dead letters, device states; payloads of sections 2 and 3 of the contract."""

import base64
import codecs
import time
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

FINAL = frozenset({"done", "partial", "expired", "failed", "stopped", "superseded", "undeliverable", "refused"})
# when devices disagree, the first of these that occurs is the effect's status, unless some are done
_WORST_FIRST = ("failed", "expired", "stopped", "superseded")
SHOWN_BYTES = 4096  # of a payload in a dead letter; the rest is only counted

_encoder = msgspec.json.Encoder()


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


def encode(message: Any) -> bytes:
    """Any message of this file, or any JSON value, as bytes."""
    return _encoder.encode(message)


class Ack(Struct, kw_only=True):
    """Driver -> dispatcher: the outcome of one `set`. Times are Unix ms.

    `unused`: the published parameters that this device does not use, where it knows.
    """

    id: str
    status: str
    reason: str = ""
    received_at: int = 0
    done_at: int = 0
    unused: tuple[str, ...] | UnsetType = UNSET


class Receipt(Struct, kw_only=True):
    """Dispatcher -> publisher. `latency_ms` runs from the dispatcher's receipt of the effect to the last ack."""

    id: str
    effect_type: str
    status: str
    devices: dict[str, str] = {}
    reason: str = ""
    latency_ms: float | None = None
    event_id: str | int | None = None
    at: int = msgspec.field(default_factory=unix_ms)


class DeadLetter(Struct, kw_only=True):
    """A message that was not executed. `payload` is None if it is not UTF-8; base64 always has the bytes."""

    id: str | None
    topic: str
    payload: str | None
    payload_base64: str
    detail: str
    at: int = msgspec.field(default_factory=unix_ms)


class State(Struct, kw_only=True):
    """What the actuator does now, since `since` (Unix ms)."""

    on: bool
    effect_type: str | None = None
    intensity: float = 0
    parameters: dict[str, Any] = {}
    effect_id: str | None = None
    since: int = msgspec.field(default_factory=unix_ms)


class KeptOff(State, kw_only=True):
    """It is off because of a limit or a hold: `reason`."""

    reason: str


def overall(devices: dict[str, str]) -> str:
    """The status of an effect from those of its devices (at least one)."""
    words = set(devices.values())
    if len(words) == 1:
        return words.pop()
    if "done" in words:
        return "partial"
    return next((word for word in _WORST_FIRST if word in words), "failed")


def dead_letter(effect_id: str | None, topic: str, payload: bytes, detail: str) -> bytes:
    """An encoded DeadLetter; of a large payload only the first 4 KiB are shown, and the detail says so."""
    shown = payload[:SHOWN_BYTES]
    if len(payload) > len(shown):
        detail += f" (first {len(shown)} of {len(payload)} bytes shown)"
    try:
        # a character split by the cut is left out; if the bytes are not UTF-8 the whole text is None
        text: str | None = codecs.getincrementaldecoder("utf-8")().decode(shown, final=len(shown) == len(payload))
    except UnicodeDecodeError:
        text = None
    return encode(
        DeadLetter(
            id=effect_id, topic=topic, payload=text, payload_base64=base64.b64encode(shown).decode(), detail=detail
        )
    )
