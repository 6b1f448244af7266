"""The network between two machines: cut for a moment, for long, and while a stop is said."""

import time

from tests.chaos.fault import Arena, Fault, end
from tests.system.home import wait_for

BACK_S = 40.0
STOPPED = "stop of everything"  # in the dispatcher's log


class LinkCut(Fault):
    """Nothing passes for so long, and nobody is told; afterwards effects are driven on the other machine again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def strike(self, arena: Arena) -> None:
        assert arena.link is not None
        arena.link.cut()
        try:
            self._meanwhile(arena)
            end = time.monotonic() + self._seconds
            arena.gates.wait(lambda: time.monotonic() > end, self._seconds + 10, "the end of the cut")
        finally:
            arena.link.heal()
        driven = arena.witness.driven[arena.far]
        wait_for(lambda: arena.witness.driven[arena.far] > driven, BACK_S, f"{arena.far} driven again")

    def _meanwhile(self, arena: Arena) -> None:
        """What happens while it is cut."""

    def __str__(self) -> str:
        return f"{type(self).__name__} {self._seconds:g} s"


class StopAmidCut(LinkCut):
    """A stop that the other machine hears when the link is back, or is told of when it comes online again."""

    def _meanwhile(self, arena: Arena) -> None:
        seen = arena.generator.stops
        arena.generator.stop_all()
        wait_for(lambda: arena.generator.stops > seen, 10, "the stop published")


class StopAndDeathAmidCut(StopAmidCut):
    """As well, and the dispatcher dies that knows what the other machine has missed."""

    disturbs = ("dispatcher",)

    def _meanwhile(self, arena: Arena) -> None:
        heard = arena.home.log("dispatcher").count(STOPPED)
        super()._meanwhile(arena)
        arena.gates.wait(lambda: arena.home.log("dispatcher").count(STOPPED) > heard, 10, "the stop heard")
        pid = arena.home.pid("dispatcher")
        end(pid)
        arena.replaced("dispatcher", pid)
