"""A fast path for effects without unusual fields, straight from their bytes: most of 40,000 are such.

Anything that is not certainly valid takes the normal path (`messages.published`), which takes five times as long and
reports errors. A test compares the two.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages import published
from effectd.messages.effect import LABEL, Effect, check_whole, rgb_of
from effectd.timeline.document import LENGTH_MS

_Ms = Annotated[int, Meta(ge=0, le=LENGTH_MS)]


class _Plain(Struct, forbid_unknown_fields=True, gc=False):
    effect_type: Annotated[str, Meta(min_length=1, max_length=64)]
    timestamp: _Ms = 0
    duration: _Ms | UnsetType = UNSET
    intensity: Annotated[float, Meta(ge=0, le=100)] | Annotated[str, Meta(max_length=32)] = 100
    location: Annotated[str, Meta(max_length=200)] = "everywhere"
    fade: _Ms = 0
    priority: Annotated[int, Meta(ge=0, le=9)] | UnsetType = UNSET
    parameters: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Plain)


def decode(raw: bytes | msgspec.Raw, priority: int | None) -> Effect | None:
    """`priority`: of an effect without one. None: it needs a closer look."""
    try:
        plain = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(plain.intensity, str) and not LABEL.fullmatch(plain.intensity):
        return None
    if plain.parameters and not _is_plain(plain.parameters):
        return None
    return Effect(
        id="",
        effect_type=plain.effect_type,
        intensity=plain.intensity,
        duration=None if plain.duration is UNSET else plain.duration,
        location=plain.location,
        fade=plain.fade,
        parameters=plain.parameters or {},
        priority=(5 if priority is None else priority) if plain.priority is UNSET else plain.priority,
        timestamp=plain.timestamp,
    )


def _is_plain(parameters: dict[str, Any]) -> bool:
    try:
        published.check_size(parameters, published.NESTING - 1)
        check_whole(parameters)
    except (EffectMalformed, EffectRefused):
        return False
    coloured = parameters.get("color") is not None or parameters.get("rgb") is not None
    return "ttl_ms" not in parameters and (not coloured or rgb_of(parameters) is not None)
