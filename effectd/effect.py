"""The one message model: an effect, from the publisher's bytes to the driver's hand.

`decode` takes what any MQTT client published on `effects/<type>`; `routing` resolves it for a device (labels to
numbers, `seq`, `deadline`); `to_set` and `from_set` carry it over `devices/<device>/set`; a driver's `apply` gets it.
Field names, limits and defaults are section 1 of the contract.
"""

import re
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from effectd.colors import COLORS
from effectd.errors import EffectMalformed, EffectRefused

PAYLOAD_BYTES = 64 * 1024
NESTING = 8
STRING_BYTES = 4 * 1024
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
ACCEPTED_WITHIN_MS = 100  # without a final status by then, `accepted` is said (section 2 of the contract)
DEFAULT_TTL_MS = 2000


def boot_id() -> str:
    """This boot of this machine: a CLOCK_MONOTONIC reading of another boot means nothing. "" where unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Deadline(Struct, frozen=True):
    """The last moment at which the effect may start: `ms` of CLOCK_MONOTONIC in the boot `boot`."""

    boot: str
    ms: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Effect(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody wants to be felt.

    intensity   0-100 or a label of the configuration; a number once it is resolved for a device
    duration    ms, 0 = hold; None = the effect type's own, until it is resolved
    ttl_ms      ms from the dispatcher's receipt; what could not start within it is `expired`
    expires_at  Unix ms, by a publisher with a true clock
    parameters  handed to the driver as they are
    extra       the publisher's own `x-...` fields, carried to the receipts
    seq, deadline  set by the dispatcher when it sends the effect to one device
    newest      the greatest seq given to any effect when this one was sent
    first_sent  ms of CLOCK_MONOTONIC at which it was sent first; 0: this is the first time
    """

    id: str
    effect_type: str
    intensity: float | str = 100
    duration: Annotated[int, Meta(ge=0)] | None = None
    location: str = "everywhere"
    parameters: dict[str, Any] = {}
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    ttl_ms: Annotated[int, Meta(ge=1, le=60000)] = DEFAULT_TTL_MS
    expires_at: int | None = None
    timestamp: Annotated[int, Meta(ge=0)] = 0
    event_id: str | int | None = None
    message_id: str | int | None = None
    extra: dict[str, Any] = {}
    seq: int = 0
    deadline: Deadline | None = None
    newest: int = 0
    first_sent: int = 0

    def rgb(self) -> tuple[int, int, int]:
        """The colour at full intensity, 0-255 each: `rgb`, else `color` (#RRGGBB or a name), else white."""
        return _rgb(self.parameters) or (255, 255, 255)

    def clamped(self, max_intensity: float, max_on_ms: int) -> "Effect":
        """This resolved effect within a device's limits; duration 0 stays 0, the host ends it at `max_on_ms`."""
        intensity = min(max(float(self.intensity), 0.0), max_intensity)
        return msgspec.structs.replace(self, intensity=intensity, duration=min(self.duration or 0, max_on_ms))

    def level(self, top: int) -> int:
        """The intensity as a whole number from 0 to `top`, for an actuator that counts so (255, 1023, ...)."""
        return round(float(self.intensity) * top / 100)


class _Published(Struct, forbid_unknown_fields=True):
    """The published object, checked field by field; what is absent or null keeps the default of Effect."""

    effect_type: Annotated[str, Meta(min_length=1, max_length=64)] | None | UnsetType = UNSET
    id: str | None | UnsetType = UNSET
    idempotency_key: str | None | UnsetType = UNSET
    intensity: Annotated[float, Meta(ge=0, le=100)] | str | None | UnsetType = UNSET
    duration: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    location: Annotated[str, Meta(max_length=200)] | None | UnsetType = UNSET
    parameters: dict[str, Any] | None | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0, le=9)] | None | UnsetType = UNSET
    ttl_ms: Annotated[int, Meta(ge=1, le=60000)] | None | UnsetType = UNSET
    expires_at: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    timestamp: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    event_id: str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None | UnsetType = UNSET
    message_id: str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None | UnsetType = UNSET


class _Set(Struct, omit_defaults=True):
    """The payload of `devices/<device>/set`; a microcontroller needs only the first three fields."""

    effect_type: str
    intensity: float
    duration: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    id: str = ""
    parameters: dict[str, Any] = {}
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    expires_at: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    deadline: Deadline | None = None
    newest: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    first_sent: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


_RULES = {
    "intensity": "a number from 0 to 100, or a label such as low",
    "duration": "a whole number of ms, 0 or more (0 = hold)",
    "priority": "a whole number from 0 to 9",
    "ttl_ms": "a whole number from 1 to 60000 (ms)",
    "expires_at": "a whole number of Unix ms",
    "timestamp": "a whole number of ms, 0 or more",
    "event_id": "text or a whole number",
    "message_id": "text or a whole number",
    "parameters": "an object",
    "location": "text of at most 200 characters",
    "effect_type": "text of 1 to 64 characters",
}
_json = msgspec.json.Decoder()
_set_decoder = msgspec.json.Decoder(_Set)
_encoder = msgspec.json.Encoder()


def new_id() -> str:
    """A fresh effect id: sorts by time, unique without asking anybody."""
    return f"e-{time.time_ns() // 1_000_000:x}-{secrets.token_hex(4)}"


def decode(payload: bytes, topic_type: str | None) -> Effect:
    """Published bytes -> Effect. `topic_type` is the second level of the topic, None where there is none.

    Raises EffectMalformed (no UTF-8 JSON, too large, too deep) or EffectRefused (a field breaks its rule).
    """
    fields = _fields(payload)
    unknown = [name for name in fields if name not in _Published.__struct_fields__ and not name.startswith("x-")]
    if unknown:
        raise EffectRefused(unknown[0][:64], "unknown field; known are " + ", ".join(_Published.__struct_fields__))
    try:
        published = msgspec.convert({k: _whole(v) for k, v in fields.items() if not k.startswith("x-")}, _Published)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    given: dict[str, Any] = {
        k: v for k, v in msgspec.structs.asdict(published).items() if v is not None and v is not UNSET
    }
    _alias(given, "id", "idempotency_key", given.pop("idempotency_key", None))
    _alias(given, "ttl_ms", "parameters.ttl_ms", _ttl(given.get("parameters", {})))
    given.setdefault("effect_type", topic_type)
    if not given["effect_type"]:
        raise EffectRefused("effect_type", "missing; publish on effects/<type> or name it in the payload")
    if "id" not in given:
        given["id"] = new_id()
    elif not ID.fullmatch(given["id"]):
        raise EffectRefused("id", "1 to 64 characters of A-Z a-z 0-9 . _ : -")
    if isinstance(given.get("intensity"), str) and not LABEL.fullmatch(given["intensity"]):
        raise EffectRefused("intensity", "a number from 0 to 100, or a label such as low")
    parameters = given.get("parameters", {})
    if _rgb(parameters) is None and any(parameters.get(key) is not None for key in ("color", "rgb")):
        raise EffectRefused("parameters.color", "#RRGGBB, a colour name of CSS, or rgb: [r, g, b] of 0 to 255")
    return Effect(**given, extra={k: v for k, v in fields.items() if k.startswith("x-")})


def to_set(effect: Effect) -> bytes:
    """The resolved effect as the payload of its device's `set`."""
    return _encoder.encode(
        _Set(
            id=effect.id,
            effect_type=effect.effect_type,
            intensity=float(effect.intensity),
            duration=effect.duration or 0,
            parameters=effect.parameters,
            priority=effect.priority,
            seq=effect.seq,
            expires_at=effect.expires_at,
            deadline=effect.deadline,
            newest=effect.newest if effect.newest > effect.seq else 0,
            first_sent=effect.first_sent,
        )
    )


def from_set(payload: bytes) -> Effect:
    """The payload of a `set` -> Effect. Raises EffectRefused where it is none."""
    try:
        fields = msgspec.structs.asdict(_set_decoder.decode(payload))
    except (msgspec.DecodeError, RecursionError) as error:
        raise EffectRefused("set", str(error)) from None
    return Effect(**(fields | {"id": fields["id"] or new_id()}))


def best_id(payload: bytes) -> str:
    """The id that a refused payload names, where it names a good one; else a new one."""
    try:
        fields = _fields(payload)
    except (EffectMalformed, EffectRefused):
        return new_id()
    given = fields.get("id") or fields.get("idempotency_key")
    return given if isinstance(given, str) and ID.fullmatch(given) else new_id()


def _fields(payload: bytes) -> dict[str, Any]:
    """The published bytes as an object: an object itself, a bare number (intensity), a string or bare word (label)."""
    if len(payload) > PAYLOAD_BYTES:
        raise EffectMalformed(f"payload of {len(payload)} bytes; at most {PAYLOAD_BYTES} are allowed")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise EffectMalformed(f"not UTF-8: {error.reason} at byte {error.start}") from None
    if LABEL.fullmatch(text):
        return {"intensity": text}
    try:
        value = _json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EffectMalformed(f"neither JSON nor a bare word: {error}") from None
    _check_size(value, NESTING)
    if isinstance(value, dict):
        return value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return {"intensity": value}
    raise EffectRefused("payload", "a JSON object, a number (the intensity), or a label")


def _check_size(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if len(value.encode(errors="surrogatepass")) > STRING_BYTES:
            raise EffectMalformed(f"a string of {len(value)} characters; at most {STRING_BYTES} bytes are allowed")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise EffectMalformed(f"nested deeper than {NESTING} levels")
        for item in value:
            _check_size(item, depth - 1)
        for item in value.values() if isinstance(value, dict) else ():
            _check_size(item, depth - 1)


def _whole(value: Any) -> Any:
    """2000.0 is a whole number in JSON Schema's eyes, and what some clients send."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _alias(given: dict[str, Any], name: str, alias: str, value: Any) -> None:
    if value is None:
        return
    if given.setdefault(name, value) != value:
        raise EffectRefused(name, f"differs from its alias {alias}; give one of them")


def _ttl(parameters: dict[str, Any]) -> int | None:
    value = _whole(parameters.get("ttl_ms"))
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 60000):
        raise EffectRefused("parameters.ttl_ms", "a whole number from 1 to 60000 (ms)")
    return value


def _rgb(parameters: dict[str, Any]) -> tuple[int, int, int] | None:
    rgb, color = parameters.get("rgb"), parameters.get("color")
    if rgb is not None:
        fits = isinstance(rgb, list | tuple) and len(rgb) == 3 and all(type(c) is int and 0 <= c <= 255 for c in rgb)
        return (rgb[0], rgb[1], rgb[2]) if fits else None
    if not isinstance(color, str):
        return None
    text = COLORS.get(color.lower().replace(" ", ""), color)
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        return None
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _refusal(error: msgspec.ValidationError) -> EffectRefused:
    """msgspec says "Expected `int` <= 9 - at `$.priority`": turn that into field and rule."""
    rule, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or "payload"
    return EffectRefused(field, _RULES.get(field) or rule.replace("`", ""))
