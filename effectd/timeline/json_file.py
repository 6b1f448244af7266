"""Reads our own JSON, strictly by the contract's fields, and Python_PlaySEM's JSON, leniently.

Theirs is recognised by its `metadata`.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.base.near import did_you_mean
from effectd.messages import published
from effectd.messages.effect import Effect
from effectd.timeline import plain_effect, playsem
from effectd.timeline.document import (
    EFFECTS,
    LENGTH_MS,
    Problem,
    Problems,
    Reading,
    TimelineRefused,
    made,
    text_of,
    too_many,
)
from effectd.timeline.places import byte_place, items

SLICE = 100  # effects, some 0.2 ms, or 2 ms of unusual ones
_UNUSED = ("id", "idempotency_key", "ttl_ms", "expires_at", "message_id")  # without a meaning in a timeline
_KEYS = ("title", "duration", "priority", "effects")

Whole = Annotated[int, Meta(ge=0, le=LENGTH_MS)]


class _Document(Struct):
    effects: list[msgspec.Raw]
    title: str | None = None
    duration: Whole | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None


class _Theirs(Struct):
    effects: list[msgspec.Raw] = []
    metadata: dict[str, Any] = {}
    total_duration: int | None = None


_names = msgspec.json.Decoder(dict[str, msgspec.Raw])


def steps(data: bytes) -> Reading:
    """Raises TimelineRefused: of our own JSON at the first effects that break a rule, at most `PROBLEMS` of them."""
    text_of(data)
    theirs = "metadata" in _keys(data)
    yield
    document: _Theirs | _Document
    try:
        document = msgspec.json.decode(data, type=_Theirs) if theirs else msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(data, error) from None
    if len(document.effects) > EFFECTS:
        raise too_many()
    yield
    if isinstance(document, _Theirs):
        title, length, priority = str(document.metadata.get("title", "")), document.total_duration, None
    else:
        title, length, priority = document.title or "", document.duration, document.priority
    effects: list[Effect] = []
    wrong: list[tuple[int, str, str]] = []  # the effect's number, its type, what is wrong
    for number, raw in enumerate(document.effects):
        try:
            effects.append(_effect(raw, priority, theirs=theirs))
        except (EffectRefused, EffectMalformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            wrong.append((number, "effects", str(error)))
        if number % SLICE == SLICE - 1:
            yield
    problems = _placed(data, wrong, assumed="left out" if theirs else "")
    if wrong and not theirs:
        raise TimelineRefused(*problems.all())
    return made("Python_PlaySEM JSON" if theirs else "JSON", effects, problems, title=title, length=length)


def _keys(data: bytes) -> dict[str, msgspec.Raw]:
    """The top level; refused where it is no object, or has a key that means nothing."""
    try:
        keys = _names.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(data, error) from None
    if "metadata" not in keys:
        for key in keys:
            if key not in _KEYS and not key.startswith("x-"):
                allowed = f"unknown; known are {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}"
                raise TimelineRefused(Problem(*byte_place(data, data.find(f'"{key}"'.encode())), key[:64], allowed))
    return keys


def _effect(raw: msgspec.Raw, priority: int | None, *, theirs: bool) -> Effect:
    if not theirs and (plain := plain_effect.decode(raw, priority)) is not None:
        return plain
    fields = msgspec.json.decode(raw)
    if not isinstance(fields, dict):
        raise EffectRefused("effects", "each is an object with at least effect_type")
    published.check_size(fields)
    fields = {key: value for key, value in fields.items() if key not in _UNUSED}
    if priority is not None:
        fields.setdefault("priority", priority)
    if theirs:
        fields = playsem.ours(fields)
    effect = published.from_fields(fields | {"id": "0"}, None)
    if effect.timestamp > LENGTH_MS or (effect.duration or 0) > LENGTH_MS:
        raise EffectRefused("timestamp", f"a timeline is at most {LENGTH_MS} ms long")
    return msgspec.structs.replace(effect, id="")


def _placed(data: bytes, wrong: list[tuple[int, str, str]], assumed: str) -> Problems:
    problems = Problems()
    if wrong:
        text = data.decode(errors="replace")
        places = items(text, "effects")
        line, counted = 1, 0
        for number, element, why in wrong:
            at = places[number]
            line, counted = line + text.count("\n", counted, at), at
            column = at - text.rfind("\n", 0, at)
            missing = why.replace("publish on effects/<type> or name it in the payload", "each effect names its type")
            problems.add(Problem(line, column, f"{element}[{number}]", missing, assumed))
    return problems


def _refused(data: bytes, error: Exception) -> TimelineRefused:
    """msgspec says "... (byte 12)" of what is no JSON, and "... - at `$.duration`" of what is no timeline."""
    words, _, where = str(error).partition(" - at `$")
    if isinstance(error, msgspec.ValidationError):
        key = where.rstrip("`").lstrip(".")
        at = byte_place(data, max(0, data.find(f'"{key}"'.encode()))) if key else (1, 1)
        words = words.replace("Object missing required field `effects`", 'no "effects": a list of effects')
        return TimelineRefused(Problem(*at, key[:64], words.replace("`", "")))
    if isinstance(error, RecursionError):
        return TimelineRefused(Problem(1, 1, "", "nested too deep"))
    words, _, byte = str(error).partition(" (byte ")
    at = byte_place(data, int(byte.rstrip(")"))) if byte else byte_place(data, len(data))
    return TimelineRefused(Problem(*at, "", words.replace("JSON is malformed: ", "no JSON: ")))
