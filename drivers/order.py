"""Which effect is newer: a `set` that was lost and is sent again must not undo what was published after it.

Nothing is compared with the greatest `seq` ever heard: a dispatcher that has lost its counter, or any client that
publishes a `set` with a huge one, would make the device deaf. Each `set` says how far the counter was when it was sent
(`newest`; absent: no further than its own `seq`), and only what was taken in between counts as newer. One that is sent
for the first time, while nothing newer exists, finds nothing in between, whatever was heard before
(docs/decisions/0013-seq-and-journal.md).
"""

from collections import deque
from collections.abc import Iterable

from effectd.messages.effect import Effect

_REMEMBERED = 2000  # taken effects: some seconds at any rate; what is sent again comes after one second


class Order:
    """`taken` are the seqs of what an earlier run has driven."""

    def __init__(self, taken: Iterable[int]) -> None:
        self._taken = deque(taken, maxlen=_REMEMBERED)

    def overtaken(self, effect: Effect) -> bool:
        """Whether something newer has been taken."""
        return effect.newest > effect.seq and any(effect.seq < seq <= effect.newest for seq in self._taken)

    def took(self, effect: Effect) -> None:
        self._taken.append(effect.seq)
