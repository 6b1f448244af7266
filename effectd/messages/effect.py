"""The effect: the one message model from the publisher to the driver.

`published.decode` makes one from what an MQTT client published; `routing` resolves it for a device (labels to numbers,
`seq`, `deadline`); `to_set` and `from_set` carry it over `devices/<device>/set`; a driver's `apply` gets it.
"""

import re
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from effectd.base.errors import EffectRefused
from effectd.messages.colors import COLORS

WHOLE = range(-(2**63), 2**64)  # what 64 bits hold, signed or not: no codec on the way can carry more
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
ACCEPTED_WITHIN_MS = 100  # without a final status by then, `accepted` is published (section 2 of the contract)
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


class Effect(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a publisher wants people to feel.

    intensity   0-100 or a label of the configuration; a number once it is resolved for a device
    duration    ms, 0 = hold; None = the effect type's own, until it is resolved
    target      ids of devices and names of zones outside which nothing is driven; None = no such bound
    fade        ms in which the level moves there from what is on, 0 = at once
    ttl_ms      ms from the dispatcher's receipt; what could not start within it is `expired`
    expires_at  Unix ms, for publishers with a correct clock
    parameters  handed to the driver as they are
    extra       the publisher's own `x-...` fields, carried to the receipts
    seq, deadline  set by the dispatcher when it sends the effect to one device
    newest      the greatest seq given to any effect when this one was sent
    first_sent  ms of CLOCK_MONOTONIC at which it was sent first; 0: this is the first time

    Nothing in an effect refers back to it, so the garbage collector need not look at the 40,000 of a timeline.
    """

    id: str
    effect_type: str
    intensity: float | str = 100
    duration: Annotated[int, Meta(ge=0)] | None = None
    location: str = "everywhere"
    target: tuple[str, ...] | None = None
    fade: Annotated[int, Meta(ge=0)] = 0
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
        return rgb_of(self.parameters) or (255, 255, 255)

    def dimmed(self) -> tuple[int, int, int]:
        """The colour at this intensity, 0-255 each; above off its brightest part is never 0."""
        full, intensity = self.rgb(), float(self.intensity)
        red, green, blue = (round(part * intensity / 100) for part in full)
        if intensity > 0 and not (red or green or blue):
            red, green, blue = (int(part == max(full) > 0) for part in full)
        return red, green, blue

    def clamped(self, max_intensity: float, max_on_ms: int) -> "Effect":
        """This resolved effect within a device's limits; duration 0 stays 0, the host ends it at `max_on_ms`."""
        intensity = min(max(float(self.intensity), 0.0), max_intensity)
        return msgspec.structs.replace(self, intensity=intensity, duration=min(self.duration or 0, max_on_ms))

    def level(self, top: int) -> int:
        """The intensity as a whole number from 0 to `top`, for an actuator with such a scale (255, 1023, ...).

        Above off it is at least 1.
        """
        level = round(float(self.intensity) * top / 100)
        return max(level, 1) if float(self.intensity) > 0 else level


class _Set(Struct, omit_defaults=True):
    """The payload of `devices/<device>/set`; a microcontroller needs only the first three fields."""

    effect_type: str
    intensity: float
    duration: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    id: str = ""
    fade: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    parameters: dict[str, Any] = {}
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    expires_at: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    deadline: Deadline | None = None
    newest: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    first_sent: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


_SET_RULE = "it is a JSON object with effect_type, intensity, duration, and comes from the dispatcher: publish effects"
_set_decoder = msgspec.json.Decoder(_Set)
_encoder = msgspec.json.Encoder()


def new_id() -> str:
    """A fresh effect id: unique without a central counter, and sorts by time."""
    return f"e-{time.time_ns() // 1_000_000:x}-{secrets.token_hex(6)}"


def to_set(effect: Effect) -> bytes:
    """The resolved effect as the payload of its device's `set`."""
    return _encoder.encode(
        _Set(
            id=effect.id,
            effect_type=effect.effect_type,
            intensity=float(effect.intensity),
            duration=effect.duration or 0,
            fade=effect.fade,
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
    """The payload of a `set` -> Effect. Raises EffectRefused if it is not one."""
    try:
        fields = msgspec.structs.asdict(_set_decoder.decode(payload))
    except (msgspec.DecodeError, RecursionError) as error:
        at = re.search(r" - at `\$(.*)`", str(error))
        raise EffectRefused("set" + (at[1] if at else ""), _SET_RULE) from None
    check_whole(fields["parameters"], "parameters")
    return Effect(**(fields | {"id": fields["id"] or new_id()}))


def check_whole(value: Any, path: str = "") -> None:
    """Refuse a whole number beyond 64 bits anywhere in `value`, by its path."""
    if isinstance(value, int) and value not in WHOLE:
        raise EffectRefused(path, "a whole number beyond 64 bits (at most 2^64 - 1, at least -2^63)")
    if isinstance(value, dict):
        for key, item in value.items():
            check_whole(item, f"{path}.{key}"[-64:] if path else key[:64])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_whole(item, f"{path}[{index}]"[-64:])


def rgb_of(parameters: dict[str, Any]) -> tuple[int, int, int] | None:
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
