"""What a fault is, and the arena in which it strikes."""

import contextlib
import os
import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from tests.chaos.gates import Gates
from tests.chaos.generator import Generator
from tests.chaos.witness import Witness
from tests.system.home import Home, wait_for
from tests.system.namespace import Elsewhere
from tests.system.test_external import Mosquitto

HUNG_S = 25.0  # the watchdog kills after 2 s; where its budget is spent, one kill each 20 s


class Node(Protocol):
    """One of a broker's nodes. `wait`: until it lets clients in."""

    port: int

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self) -> None: ...


@dataclass
class Arena:
    """Everything that a fault may use. `port`: where effects are published."""

    home: Home
    gates: Gates
    generator: Generator
    witness: Witness
    random: random.Random
    port: int
    external: Mosquitto | None = None
    nodes: Sequence[Node] = ()  # of a broker with several
    link: Elsewhere | None = None  # to the machine where the device `far` is
    far: str = "wind"
    complaints: list[str] = field(default_factory=list)
    gone_on: list[float] = field(default_factory=list)  # seconds from a node's death to the next effect that ended

    @property
    def programs(self) -> list[str]:
        return ["broker", "dispatcher", *self.home.drivers]

    def replaced(self, program: str, pid: int, limit: float = HUNG_S) -> None:
        """Until another process than `pid` owns the program's gate."""
        self.gates.wait(lambda: self.gates.pid(program) not in (None, pid), limit, f"another {program} than {pid}")

    def node_in_use(self) -> Node:
        """By the word of the broker program."""
        address = (self.home.line("broker") or {})["address"]
        return next(node for node in self.nodes if address.endswith(f":{node.port}"))

    def more(self, effects: int, limit: float = 10.0) -> None:
        """Until so many more effects have got their ends."""
        wanted = self.generator.ended + effects
        wait_for(lambda: self.generator.ended >= wanted, limit, f"{effects} more effects")


class Fault(ABC):
    """One thing that goes wrong: `strike` returns when it has really hit.

    hangs     who stands still, unseen, until the fault is over
    disturbs  who may get another pid by it; everybody else must keep his, and all must be ready again by themselves
    """

    hangs: tuple[str, ...] = ()
    disturbs: tuple[str, ...] = ()
    everything: ClassVar[bool] = False  # supervisord itself ends: every pid is another one

    @abstractmethod
    def strike(self, arena: Arena) -> None: ...

    def __str__(self) -> str:
        return " ".join([type(self).__name__, *self.disturbs])


def end(pid: int) -> None:
    """kill -9, of one that may just have died."""
    assert pid > 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
