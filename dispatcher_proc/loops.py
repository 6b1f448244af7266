"""Breaks feedback loops, in which a client publishes an effect each time that effect was driven.

`check` refuses the loops that it can see; it cannot see those through another broker, a bridge or an automation. Here
a loop is recognised by this: the same message comes again and again, but not while the last one is held back. A client
that only repeats itself goes on meanwhile: then the held message is released at once, and the topic is trusted for a
while.
"""

from collections import OrderedDict
from collections.abc import Callable

from dispatcher_proc.intake import Arrival
from effectd.base.loop import AnyLoop, Cancellable

ALIKE = 20  # the same message so often in a row, each within GAP_S of the one before: from now on it is watched
GAP_S = 0.5
HOLD_S = 0.25  # at least, and three times the distance of the last two
SETTLE_S = 0.1  # at the start of it, what still follows from the last drive, from a second device, is held as well
SILENCES = 3  # in a row, each ended by the message that follows what was released
TRUSTED_S = 60.0  # how long a topic is trusted whose publisher went on
TOPICS = 64  # watched
WHY = "the same effect came again whenever it had been driven, and only then: a loop, which ends here; find out who "
WHY += "publishes on this topic when a device moves or its state changes"


class _Topic:
    def __init__(self) -> None:
        self.payload = b""
        self.alike = self.silences = 0
        self.last = float("-inf")  # arrival or release
        self.trusted_until = float("-inf")
        self.held: list[Arrival] = []
        self.held_at = 0.0
        self.timer: Cancellable | None = None


class Loops:
    """`take` each arrival; `handle` gets it, now or soon, or `break_` does if it is a loop's."""

    def __init__(
        self, loop: AnyLoop, handle: Callable[[Arrival], None], break_: Callable[[Arrival, str], None]
    ) -> None:
        self._loop, self._handle, self._break = loop, handle, break_
        self._topics: OrderedDict[str, _Topic] = OrderedDict()

    def take(self, arrival: Arrival) -> None:
        seen, now = self._seen(arrival.topic), self._loop.time()
        if seen.held and now < seen.held_at + SETTLE_S:
            seen.held.append(arrival)
            return
        if seen.held:  # it goes on though nothing was driven
            seen.trusted_until = now + TRUSTED_S
            self._release(seen)
        gap, seen.last = now - seen.last, now
        if gap > GAP_S or arrival.payload != seen.payload:
            seen.payload, seen.alike, seen.silences = arrival.payload, 1, 0
        else:
            seen.alike += 1
        if seen.alike < ALIKE or now < seen.trusted_until:
            self._handle(arrival)
            return
        seen.held, seen.held_at = [arrival], now
        seen.timer = self._loop.call_later(max(HOLD_S, 3 * gap), self._silent, seen)

    def clear(self) -> None:
        """Drop everything that is held."""
        for seen in self._topics.values():
            if seen.timer is not None:
                seen.timer.cancel()
        self._topics.clear()

    def _silent(self, seen: _Topic) -> None:
        """Nothing came while it was held: release it."""
        seen.silences += 1
        if seen.silences < SILENCES:
            self._release(seen)
            return
        held, seen.held, seen.alike, seen.silences = seen.held, [], 0, 0
        for arrival in held:
            self._break(arrival, WHY)

    def _release(self, seen: _Topic) -> None:
        held, seen.held = seen.held, []
        if seen.timer is not None:
            seen.timer.cancel()
        for arrival in held:
            seen.last = self._loop.time()
            self._handle(arrival)

    def _seen(self, topic: str) -> _Topic:
        if topic in self._topics:
            self._topics.move_to_end(topic)
            return self._topics[topic]
        if len(self._topics) >= TOPICS:
            _, oldest = self._topics.popitem(last=False)
            self._release(oldest)
        seen = self._topics[topic] = _Topic()
        return seen
