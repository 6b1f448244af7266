"""Decides which effect is newer: a `set` that was lost and is sent again must not undo a later one.

Nothing is compared with the greatest `seq` ever received: after a dispatcher that has lost its counter, or a client
that publishes a `set` with a huge one, the device would refuse everything. Each `set` carries the counter at the time
it was sent (`newest`; absent: its own `seq`), and only effects accepted in between count as newer. One that is sent for
the first time, while nothing newer exists, finds nothing in between, regardless of what was received before
(docs/decisions/0013-seq-and-journal.md).
"""

from collections import deque
from collections.abc import Iterable

from effectd.messages.effect import Effect

_REMEMBERED = 2000  # accepted effects: several seconds at any rate; resending happens after one second


class Order:
    """`taken`: the seqs that an earlier run has driven."""

    def __init__(self, taken: Iterable[int]) -> None:
        self._taken = deque(taken, maxlen=_REMEMBERED)

    def overtaken(self, effect: Effect) -> bool:
        """Whether something newer has been accepted."""
        return effect.newest > effect.seq and any(effect.seq < seq <= effect.newest for seq in self._taken)

    def took(self, effect: Effect) -> None:
        self._taken.append(effect.seq)
