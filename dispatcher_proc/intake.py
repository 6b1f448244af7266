"""The queue of incoming effects: acks and stops overtake it, and what cannot be handled in time is refused.

One queue, in order of arrival. While it is short, everything is admitted. As it fills, an effect type may have at most
`SHARE` times the space that is left, so that a flood of one type leaves space for the others; when the oldest has
waited for `LATE_S`, the queue counts as a tenth of its size, and while something else is full (`busy`), as none. But
the first `QUIET` of a type in each `LATE_S` are always admitted: a quiet device is served during a flood of the others.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from effectd.base.loop import AnyLoop
from effectd.messages.effect import ID

QUEUED = 1250  # units: one an effect, and one more for each 4 KiB of it
SHARE = 4
QUIET = 16  # units that every type may have in each LATE_S
LATE_S = 0.25
TURN_S = 0.02  # at a time, before acks, stops and heartbeats get their turn
_UNIT_BYTES = 4096


class Arrival(NamedTuple):
    """An effect as it arrived, `received` in seconds of the loop's clock; `named`: its id, if it has a valid one."""

    topic: str
    topic_type: str | None
    payload: bytes
    retained: bool
    named: str | None
    received: float
    kind: str
    cost: int


class Intake:
    """`handle` gets each that is admitted; `refuse` each that is not, and why; `busy` says what else is full, or "".

    `types`: the effect types that some device has; all others share one place.
    """

    def __init__(
        self,
        loop: AnyLoop,
        handle: Callable[[Arrival], None],
        refuse: Callable[[Arrival, str], None],
        busy: Callable[[], str],
    ) -> None:
        self._loop, self._handle, self._refuse, self._busy = loop, handle, refuse, busy
        self.types: Collection[str] = ()
        self._queue: deque[Arrival] = deque()
        self._held: Counter[str] = Counter()  # units of each type
        self._recent: Counter[str] = Counter()  # units of each type admitted since the last `LATE_S` began
        self._since = 0.0
        self._names: Counter[str] = Counter()
        self._total = 0
        self._working = False

    def put(self, topic: str, topic_type: str | None, payload: bytes, retained: bool) -> None:
        kind = topic_type if topic_type in self.types and topic_type is not None else ""
        cost = 1 + len(payload) // _UNIT_BYTES
        now = self._loop.time()
        arrival = Arrival(topic, topic_type, payload, retained, _name(payload), now, kind, cost)
        if why := self._full(arrival, now):
            self._refuse(arrival, why)
            return
        self._recent[kind] += cost
        self._queue.append(arrival)
        self._account(arrival, 1)
        if not self._working:
            self._working = True
            self._loop.call_soon(self._work)

    def clear(self) -> None:
        """Drop everything that waits."""
        while self._queue:
            self._account(self._queue.popleft(), -1)

    def __len__(self) -> int:
        return len(self._queue)

    def __contains__(self, effect_id: str) -> bool:
        """Whether an effect of this id is in the queue."""
        return effect_id in self._names

    def _full(self, arrival: Arrival, now: float) -> str:
        if now - self._since > LATE_S:
            self._since = now
            self._recent.clear()
        if self._recent[arrival.kind] < QUIET:
            return ""
        late = self._queue and now - self._queue[0].received > LATE_S
        busy = self._busy()
        limit = 0 if busy else QUEUED // 10 if late else QUEUED
        if self._held[arrival.kind] + arrival.cost <= SHARE * (limit - self._total):
            return ""
        return f"overload: {busy or f'{len(self._queue)} effects wait for their turn already'}"

    def _account(self, arrival: Arrival, sign: int) -> None:
        self._total += sign * arrival.cost
        self._held[arrival.kind] += sign * arrival.cost
        if arrival.named is not None:
            self._names[arrival.named] += sign
            if not self._names[arrival.named]:
                del self._names[arrival.named]

    def _work(self) -> None:
        end = self._loop.time() + TURN_S
        while self._queue:
            arrival = self._queue.popleft()
            self._account(arrival, -1)
            self._handle(arrival)
            if self._loop.time() >= end:
                break
        self._working = bool(self._queue)
        if self._working:
            self._loop.call_soon(self._work)


class _Named(msgspec.Struct):
    """All that is decoded of an effect when it arrives."""

    id: str | None = None
    idempotency_key: str | None = None


_decoder = msgspec.json.Decoder(_Named)


def _name(payload: bytes) -> str | None:
    """The id in a payload, without reading the rest; None if it has no valid one or is not an object."""
    try:
        named = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    given = named.id or named.idempotency_key
    return given if given and ID.fullmatch(given) else None
