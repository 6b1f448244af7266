"""What ends what in MPEG-V: an off becomes the end of the effects that it meets, so that each effect bears its own end.

An off meets the open effects of its type whose location it overlaps. Where it covers their location it is their end;
where it covers a part, it stays an effect of intensity 0 for that part. At one time an off comes before what begins, as
in PlaySEM SER. A beginning ends nothing here: on each device the newer effect replaces the older one, and where no
device has both, nothing is replaced.
"""

from collections.abc import Generator

import msgspec

from effectd.messages import location
from effectd.messages.effect import Effect
from effectd.timeline.document import Problem, Problems
from effectd.timeline.sem_effect import Entry

_SLICE = 200
_NUMBER = 32  # bits for the number of an entry
_OPEN = 1000  # effects of one type without an end


def settle(entries: list[Entry], problems: Problems) -> Generator[None, None, list[Effect]]:
    """The effects in the document's order."""
    yield
    keys = [(each.effect.timestamp << 1 | (not each.off)) << _NUMBER | at for at, each in enumerate(entries)]
    yield
    keys.sort()  # numbers, as 40,000 tuples would hold a live effect up for 20 ms
    running: dict[str, dict[int, location.Place]] = {}  # by type: entries that may still be ended, and where they are
    dropped: set[int] = set()
    for count, key in enumerate(keys):
        if count % _SLICE == 0:
            yield
        at = key & (1 << _NUMBER) - 1
        entry, effect = entries[at], entries[at].effect
        there = location.parse(effect.location)
        begun = running.setdefault(effect.effect_type, {})
        if not entry.off:
            _forget_the_ended(begun, entries, effect.timestamp)
            begun[at] = there
            if len(begun) > _OPEN:
                begun.pop(next(iter(begun)))
            continue
        met = [each for each, place in begun.items() if location.distance(there, place) == 0]
        whole = [each for each in met if _covers(there, begun[each])]
        for each in whole:
            del begun[each]
            entries[each].effect = _ended(entries[each].effect, effect)
            entries[each].open = False
        if met and len(whole) == len(met) and not effect.fade:
            dropped.add(at)
    yield
    for at, entry in enumerate(entries):
        if entry.open and at not in dropped:
            why = "it never ends: neither a duration nor an off"
            problems.add(Problem(entry.line, entry.column, entry.name, why, "until its device's max_on_ms"))
    yield
    return [entry.effect for at, entry in enumerate(entries) if at not in dropped]


def _forget_the_ended(begun: dict[int, location.Place], entries: list[Entry], now: int) -> None:
    for at in [at for at in begun if not entries[at].open and _end(entries[at].effect) <= now]:
        del begun[at]


def _end(effect: Effect) -> int:
    return effect.timestamp + (effect.duration or 0)


def _ended(effect: Effect, off: Effect) -> Effect:
    """It ends where the off stands, or after the off's fade; earlier, if it has a duration of its own."""
    duration = max(1, off.timestamp + off.fade - effect.timestamp)
    if effect.duration:
        duration = min(duration, effect.duration)
    return msgspec.structs.replace(effect, duration=duration, fade=min(effect.fade, duration))


def _covers(outer: location.Place, inner: location.Place) -> bool:
    return all(a is None or a == b for a, b in zip(outer, inner, strict=True))
