"""The page amid faults: deaf readers hold nobody up, and a stop by it needs neither broker nor dispatcher."""

from contextlib import ExitStack

from tests.chaos.fault import Arena, Fault
from tests.system.browser import Browser

READERS = 20


class StopByPage(Fault):
    """A program dies, and at the same moment somebody stops everything in the browser."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pid = arena.home.kill(program)
        status, said = _page(arena).post("/api/stop")
        if status not in (200, 504):  # 504: who is dead cannot confirm
            arena.complaints.append(f"{self}: {status} {said}")
        arena.replaced(program, pid)
        arena.more(10)


class DeafReaders(Fault):
    """Browsers that ask for everything, and read none of it."""

    def strike(self, arena: Arena) -> None:
        with ExitStack() as streams:
            for number in range(READERS):
                streams.enter_context(_page(arena).stream("/api/events" if number % 2 else "/api/live"))
            arena.more(60)


def untrue(arena: Arena) -> list[str]:
    """What the page shows and is not so, everything being ready and every device off."""
    room = _page(arena).get("/api/room")[1]
    shown = [f"the page shows {name} on" for name, device in room["devices"].items() if device["on"] is not False]
    return shown + ([] if room["ready"] else [f"the page shows that not all is ready: {room['programs']}"])


def _page(arena: Arena) -> Browser:
    return Browser(arena.home.config["page"]["port"])
