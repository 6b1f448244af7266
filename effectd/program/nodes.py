"""The nodes of a broker: which one a link uses, and which is tried next and when."""

from collections.abc import Sequence

from effectd.base.loop import AnyLoop
from effectd.config.address import Address
from effectd.program.dialer import Dialer

_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
QUIET = len(_RETRY_S)  # failed attempts before there is a warning


class Nodes:
    """Usually there is only one. `address`: the one in use, or being tried; `failures`: since the last connection."""

    def __init__(self, loop: AnyLoop, address: Address) -> None:
        self._loop, self.address = loop, address
        self._all: Sequence[Address] = (address,)
        self._dialers: dict[Address, Dialer] = {}  # a node that never answers does not block the others
        self.failures = 0

    @property
    def several(self) -> bool:
        return len(self._all) > 1

    @property
    def dialer(self) -> Dialer:
        if self.address not in self._dialers:
            self._dialers[self.address] = Dialer(self._loop, self.address)
        return self._dialers[self.address]

    def any_of(self, nodes: Sequence[Address], first: str | None = None) -> None:
        """`first`: the text of the address to begin with, if it is among them."""
        self._all = nodes
        self.address = next((node for node in nodes if str(node) == first), nodes[0])

    def only(self, address: Address) -> None:
        self.address, self._all = address, (address,)

    def next(self) -> float:
        """Go on to the next node; returns after how many seconds to try it: at once, until all have been tried."""
        rounds, tried = divmod(self.failures, len(self._all))
        self.failures += 1
        self.address = self._all[(self._all.index(self.address) + 1) % len(self._all)]
        return _RETRY_S[min(rounds, len(_RETRY_S) - 1)] if tried == len(self._all) - 1 else 0.0
