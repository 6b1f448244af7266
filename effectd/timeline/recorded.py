"""JSON lines of `effectd record` (docs/record.md): what was published is played again, at the same distances.

Each effect counts once, at its first `published` line; one that came another way (from a timeline) by its `set` lines,
a device each. The first of them is at 0.
"""

from typing import Any

import msgspec

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages import history, published
from effectd.messages.effect import DEFAULT_TTL_MS, Effect
from effectd.timeline.document import EFFECTS, Problem, Problems, Reading, TimelineRefused, made, too_many

KIND = "history"
_SLICE = 200  # lines
_decoder = msgspec.json.Decoder(history.AnyEvent)


def begins(data: bytes) -> bool:
    """Whether the first line is an event."""
    line = data.split(b"\n", 1)[0]
    return line.startswith(b'{"event":') or (b'"event"' in line and b'"mono_ms"' in line)


def steps(data: bytes) -> Reading:
    problems = Problems()
    sent: set[str] = set()
    sets: set[tuple[str, int, str]] = set()
    found: list[tuple[float, Effect]] = []
    for number, line in enumerate(data.splitlines(), 1):
        if number % _SLICE == 0:
            yield
        if not line.strip():
            continue
        try:
            event = _decoder.decode(line)
            effect = _effect(event, sent, sets)
        except (msgspec.DecodeError, EffectMalformed, EffectRefused, UnicodeDecodeError, RecursionError) as error:
            problems.add(Problem(number, 1, "", str(error), "left out"))
            continue
        if effect is not None:
            found.append((event.mono_ms, effect))
            if len(found) > EFFECTS:
                raise too_many()
    if not found and problems:
        raise TimelineRefused(*problems.all())
    found.sort(key=lambda each: each[0])
    first = found[0][0] if found else 0.0
    effects: list[Effect] = []
    for number, (at, effect) in enumerate(found):
        effects.append(msgspec.structs.replace(effect, timestamp=round(at - first)))
        if number % _SLICE == 0:
            yield
    return (yield from made(KIND, effects, problems))


def _effect(event: Any, sent: set[str], sets: set[tuple[str, int, str]]) -> Effect | None:
    """The effect in an event, if it is one that has not been seen."""
    effect: Effect | None = None
    if isinstance(event, history.Published):
        if event.id is not None and event.id in sent:
            return None
        levels = event.topic.split("/")
        below = levels[levels.index("effects") + 1 :] if "effects" in levels else []
        text = event.payload if isinstance(event.payload, str) else None
        payload = text.encode() if text is not None else msgspec.json.encode(event.payload)
        read = published.decode(payload, below[0] if below else None)
        sent.add(event.id or read.id)
        effect = msgspec.structs.replace(read, id="", ttl_ms=DEFAULT_TTL_MS, expires_at=None, message_id=None)
    elif isinstance(event, history.Set) and event.id not in sent:
        key = (event.device, event.seq, event.id)
        if key not in sets and event.effect_type:
            sets.add(key)
            given = {
                name: getattr(event, name) for name in ("effect_type", "intensity", "duration", "fade", "priority")
            }
            fields = given | {"id": "0", "target": [event.device], "parameters": event.parameters}
            published.check_size(fields)
            effect = msgspec.structs.replace(published.from_fields(fields, None), id="")
    return effect
