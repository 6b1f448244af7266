"""What the harness of the stress tests itself writes into a history, beside what `effectd record` does."""

from pathlib import Path

import msgspec

from effectd.messages import history
from effectd.messages.history import Event
from tests.chaos import shows

WINDOW_MS = 100.0  # over which a crowd is measured


class Struck(Event, tag="struck"):
    """The nemesis did something; `over`: everything is ready by itself again. `hangs`: who stood still meanwhile."""

    fault: str
    hangs: list[str] = msgspec.field(default_factory=list)
    over: bool = False


class Fenced(Event, tag="fenced"):
    """A driver has heard a stop: its token on `devices/<device>/fence`, which a new connection may tell again."""

    device: str
    token: str


class Stalled(Event, tag="stalled"):
    """The machine let the harness wait for so long until this moment: what it measured then is late by as much."""

    late_ms: float


class Crowded(Event, tag="crowded"):
    """Somebody waited for a processor for `waited_ms` of the last 100 (the kernel's pressure stall information)."""

    waited_ms: float


KINDS = history.AnyEvent | Struck | Fenced | Stalled | Crowded | shows.KINDS


def load(*paths: Path) -> list[Event]:
    """The events of the files together, in their order."""
    return history.load(*paths, kinds=KINDS)
