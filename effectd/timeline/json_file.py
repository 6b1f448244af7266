"""Reads our own JSON, strictly by the contract's fields, and Python_PlaySEM's JSON, leniently.

Theirs is recognised by its `metadata`.
"""

import codecs
from collections.abc import Generator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.base.near import did_you_mean
from effectd.messages import published
from effectd.messages.effect import Effect
from effectd.timeline import pieces, plain_effect, playsem
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
from effectd.timeline.places import byte_place, elements, items

SLICE = 100  # effects, some 0.2 ms, or 2 ms of unusual ones
_CHECKED = 128 << 10  # bytes at one go, some 0.2 ms where they are not ASCII
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
    """Raises TimelineRefused: of our own JSON with the effects that break a rule, at most `PROBLEMS` of them."""
    yield from _check_utf8(data)
    found = yield from pieces.pieces(data)
    try:
        document = yield from _opened(found.rest)
    except TimelineRefused:
        yield from _opened(data)  # which says where in the whole
        raise
    if isinstance(document, _Theirs):
        title, length, priority = str(document.metadata.get("title", "")), document.total_duration, None
    else:
        title, length, priority = document.title or "", document.duration, document.priority
    theirs = isinstance(document, _Theirs)
    reader = _Reader(data, priority, theirs=theirs)
    for begin, end in found.cut:
        yield from reader.read(pieces.values(data[begin:end]), begin, end)
    yield from reader.read(document.effects, found.first, None)
    if reader.problems and not theirs:
        raise TimelineRefused(*reader.problems.all())
    name = "Python_PlaySEM JSON" if theirs else "JSON"
    return (yield from made(name, reader.effects, reader.problems, title=title, length=length))


def _opened(data: bytes) -> Generator[None, None, "_Theirs | _Document"]:
    """What is said of the whole, and the effects, still as bytes."""
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
    return document


class _Reader:
    """Collects the effects, and what is wrong with those that are none."""

    def __init__(self, data: bytes, priority: int | None, *, theirs: bool) -> None:
        self._data, self._priority, self._theirs = data, priority, theirs
        self.effects: list[Effect] = []
        self.problems = Problems()
        self._read = 0
        self._line, self._counted = 1, 0  # the line at that byte

    def read(self, raws: list[msgspec.Raw], begin: int | None, end: int | None) -> Generator[None, None, None]:
        """The elements that stand from the byte `begin` to `end` (None: to the end of the list)."""
        wrong: list[tuple[int, str]] = []
        for at, raw in enumerate(raws):
            try:
                self.effects.append(_effect(raw, self._priority, theirs=self._theirs))
            except (EffectRefused, EffectMalformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                wrong.append((at, str(error)))
            if at % SLICE == SLICE - 1:
                yield
        if wrong:
            self._place(wrong, begin, end)
        self._read += len(raws)
        yield

    def _place(self, wrong: list[tuple[int, str]], begin: int | None, end: int | None) -> None:
        """Line and column of each; those that are only counted need none."""
        if self.problems.full:
            self.problems.count(len(wrong))
            return
        if begin is None:
            begin, text = 0, self._data.decode(errors="replace")
            places = items(text, "effects")
        else:
            text = self._data[begin:end].decode(errors="replace")
            places = elements(text, 0)[0]
        self._line += self._data.count(b"\n", self._counted, begin)
        before = len(self._data[self._data.rfind(b"\n", 0, begin) + 1 : begin].decode(errors="replace"))
        line, self._counted, counted = self._line, begin, 0
        for number, why in wrong:
            at = places[number]
            line, counted = line + text.count("\n", counted, at), at
            last = text.rfind("\n", 0, at)
            column = at - last if last >= 0 else before + at + 1
            missing = why.replace("publish on effects/<type> or name it in the payload", "each effect names its type")
            element, assumed = f"effects[{self._read + number}]", "left out" if self._theirs else ""
            self.problems.add(Problem(line, column, element, missing, assumed))


def _check_utf8(data: bytes) -> Generator[None, None, None]:
    """Raises TimelineRefused. A character that a slice cuts in two is looked at with the next one."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(data), _CHECKED):
        try:
            decoder.decode(data[at : at + _CHECKED], at + _CHECKED >= len(data))
        except UnicodeDecodeError:
            text_of(data)  # says at which byte
        yield


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
