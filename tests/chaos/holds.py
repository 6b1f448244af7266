"""A hold while effects come and somebody is killed, and its release in the same weather."""

import json
import time
from collections.abc import Callable

from tests.chaos.fault import Arena, Fault, end
from tests.chaos.sweeps import garble, remove, replace
from tests.system.home import wait_for

HEARD_S, AGAIN_S = 15.0, 1.0


class HeldAmidKill(Fault):
    """kill -9 of somebody while a hold is on its way, and again while its release is."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        target = arena.random.choice([None, *(name for name in arena.home.drivers if name != "stage")])
        concerned = [target] if target else list(arena.home.drivers)

        def said() -> set[bool | None]:
            """What those whom it concerns say: held, or free; one that is not ready says nothing."""
            gates = arena.gates
            return {"held by" in gates.reason(name) if gates.is_ready(name) else None for name in concerned}

        self._say(arena, json.dumps({"reason": "chaos", "target": target}).encode())
        self._until(arena, lambda: said() == {True}, "held")
        path = arena.home.path / "run" / "holds"
        arena.random.choice((remove, replace, garble))(path, arena)
        wait_for(lambda: path.is_file() and b"nemesis" in path.read_bytes(), HEARD_S, "another run/holds")
        arena.more(20)
        self._say(arena, b"")
        self._until(arena, lambda: said() == {False}, "free")
        arena.more(10)

    def _say(self, arena: Arena, payload: bytes) -> None:
        (program,) = self.disturbs
        pid = arena.home.pid(program)
        arena.generator.post("holds/nemesis", payload)
        end(pid)
        arena.replaced(program, pid)
        self._said, self._payload = time.monotonic(), payload

    def _until(self, arena: Arena, condition: Callable[[], bool], what: str) -> None:
        """As a client must that wants to be sure: said again until it is so, since the broker may have died with it."""

        def so() -> bool:
            if time.monotonic() - self._said > AGAIN_S:
                arena.generator.post("holds/nemesis", self._payload)
                self._said = time.monotonic()
            return condition()

        arena.gates.wait(so, HEARD_S, what)
