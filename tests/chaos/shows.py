"""Judge timelines in a history: what was ordered, what their states said, and what the devices did of them."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from effectd.messages.history import Actuated, Dead, Event, Set
from tests.chaos.over_time import LAST_CALL_MS, Find, Hung, Tolerance, Witnessed
from tests.chaos.verdict import Told

AT_ITS_HEELS_MS = 40.0
STEP_MS = 300.0  # by which two positions may differ from the time between them
SLEW = 0.03
BEAT_MS = 300.0  # between two states while it plays; shorter: a repetition
ASKED_MS = 2000.0  # an order before a stop may be obeyed behind it


class Loaded(Event, tag="loaded"):
    """A document was published: how long each of its effects lasts (ms)."""

    timeline: str
    durations: list[int]


class Ordered(Event, tag="ordered"):
    """An order for a timeline was published, for the first time or again."""

    timeline: str
    word: str


class Showed(Event, tag="showed"):
    """A timeline's state was heard; `said_at` in Unix ms."""

    timeline: str
    status: str
    position_ms: float
    length_ms: float
    loop: bool
    said_at: int


KINDS = Loaded | Ordered | Showed
_BEGINS = ("play", "resume", "seek", "load")


@dataclass
class Shows:
    """What is known of all timelines."""

    durations: dict[str, list[int]] = field(default_factory=dict)
    ordered: dict[str, list[Ordered]] = field(default_factory=dict)
    showed: dict[str, list[Showed]] = field(default_factory=dict)
    twice: list[Dead] = field(default_factory=list)  # effects that the dispatcher itself has asked for twice
    sets: dict[str, int] = field(default_factory=dict)  # how long an effect was to last, as far as the recorder heard

    def take(self, event: Event) -> None:
        match event:
            case Loaded():
                self.durations[event.timeline] = event.durations
            case Ordered():
                self.ordered.setdefault(event.timeline, []).append(event)
            case Showed():
                self.showed.setdefault(event.timeline, []).append(event)
            case Dead(id=str(), topic=topic) if topic.startswith("timelines/") and event.detail.startswith("id:"):
                self.twice.append(event)
            case Set():
                self.sets[event.id] = event.duration

    def tell(self, effects: dict[str, Told]) -> None:
        """What a timeline's effects were to be; what only switches off is no effect."""
        for id_ in [id_ for id_ in effects if id_.partition(".")[0] in self.durations]:
            if given := self.given(id_):
                effects[id_].given = given
            else:
                del effects[id_]

    def given(self, effect_id: str) -> dict[str, int] | None:
        """`duration` and `ttl_ms` of an effect of a timeline, by its id; None: it is none."""
        name, _, rest = effect_id.partition(".")
        number = rest.partition(".")[2].partition("-")[0]
        if name not in self.durations or not number.isdigit():
            return None
        duration = self.durations[name][int(number)]
        return {"duration": self.sets.get(effect_id, duration), "ttl_ms": min(2000, max(500, duration))}

    def judge(
        self, witnessed: Witnessed, fences: Sequence[float], hung: Hung, tolerance: Tolerance, find: Find
    ) -> None:
        """`fences`: when a driver was heard to have gone off at a stop of everything."""
        for letter in self.twice:
            find("duplicated", f"{letter.id}: refused, {letter.detail}", letter.mono_ms)
        for device, seen in witnessed.items():
            self._twice(device, seen, find)
            self._unasked(device, seen, hung, tolerance, find)
        for name, said in self.showed.items():
            self._out_of_place(name, said, tolerance, find)
            self._plays_on(name, said, fences, tolerance, find)

    def _twice(self, device: str, seen: Sequence[Actuated], find: Find) -> None:
        """Each effect of a document once a run, however its share is called."""
        driven: dict[str, str] = {}
        for event in seen:
            if event.on and event.id and self.given(event.id) is not None:
                effect = event.id.partition("-")[0]
                if driven.setdefault(effect, event.id) != event.id:
                    find("duplicated", f"{event.id}: {device} driven after {driven[effect]}", event.mono_ms)

    def _unasked(self, device: str, seen: Sequence[Actuated], hung: Hung, tolerance: Tolerance, find: Find) -> None:
        """While a timeline is stopped or paused, and nobody asks it to go on, it drives nothing."""
        idle = {name: self._idle(name) for name in self.showed}
        for number, event in enumerate(seen):
            name = (event.id or "").partition(".")[0]
            if not event.on or self.given(event.id or "") is None:
                continue
            spans = idle.get(name, [])
            at = bisect.bisect_right(spans, event.mono_ms, key=lambda span: span[0]) - 1
            if at < 0 or event.mono_ms > spans[at][1]:
                continue
            since = spans[at][0]
            for start, until in hung(device):
                if start < event.mono_ms and until > since:
                    since = max(since, until)
            then = seen[number + 1] if number + 1 < len(seen) else None
            at_its_heels = then is not None and not then.on and then.mono_ms - event.mono_ms < AT_ITS_HEELS_MS
            if event.mono_ms > since + LAST_CALL_MS + tolerance(since, event.mono_ms) and not at_its_heels:
                late = event.mono_ms - spans[at][0]
                find("unasked", f"{event.id}: {device} driven {late:.0f} ms after it was told idle", event.mono_ms)

    def _idle(self, name: str) -> list[tuple[float, float]]:
        """From a state that is idle, after an order to be so, until the next order to go on."""
        orders = self.ordered.get(name, [])
        spans: list[tuple[float, float]] = []
        for state in self.showed[name]:
            if state.status not in ("loaded", "paused"):
                continue
            at = bisect.bisect_right(orders, state.mono_ms, key=lambda order: order.mono_ms)
            if at and orders[at - 1].word in _BEGINS:
                continue  # it may be obeyed a moment later
            until = next((order.mono_ms for order in orders[at:] if order.word in _BEGINS), float("inf"))
            if not spans or spans[-1][1] != until:
                spans.append((state.mono_ms, until))
        return spans

    def _plays_on(
        self, name: str, said: Sequence[Showed], fences: Sequence[float], tolerance: Tolerance, find: Find
    ) -> None:
        """After a stop of everything it does not play again and again, unless somebody has asked for it since."""
        begun = [order.mono_ms for order in self.ordered.get(name, []) if order.word in _BEGINS]
        for one, other in pairwise(said):
            at = bisect.bisect_right(fences, one.mono_ms) - 1
            if at < 0 or (one.status, other.status) != ("playing", "playing") or other.said_at - one.said_at < BEAT_MS:
                continue
            since, late = fences[at], one.mono_ms - fences[at]
            asked = bisect.bisect_left(begun, since - ASKED_MS) != bisect.bisect_right(begun, other.mono_ms)
            if not asked and late > tolerance(since, one.mono_ms):
                find("unasked", f"{name}: plays {late:.0f} ms after a stop of everything", one.mono_ms)

    def _out_of_place(self, name: str, said: Sequence[Showed], tolerance: Tolerance, find: Find) -> None:
        """While it plays, and nobody orders anything, its position goes on with the time."""
        orders = self.ordered.get(name, [])
        for one, other in pairwise(said):
            if one.status != "playing" or other.status != "playing" or other.said_at <= one.said_at:
                continue
            if bisect.bisect_left(orders, one.mono_ms - 2000, key=lambda o: o.mono_ms) != bisect.bisect_right(
                orders, other.mono_ms, key=lambda o: o.mono_ms
            ):
                continue  # it may have been obeyed between the two, or is still
            passed = other.said_at - one.said_at
            moved = other.position_ms - one.position_ms
            if one.loop and one.length_ms:
                off = (moved - passed) % one.length_ms
                off = min(off, one.length_ms - off)
            else:
                off = abs(moved - passed)
            if off > STEP_MS + SLEW * passed + tolerance(one.mono_ms, other.mono_ms):
                text = f"{name}: moved {moved:.0f} ms in {passed:.0f} ms, to {other.position_ms:.0f}"
                find("out of place", text, other.mono_ms)
