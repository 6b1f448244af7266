"""What is done to a running home: each fault a class that strikes, and waits until it has really hit.

`hangs`: who stands still, unseen, until the fault is over; `disturbs`: programs that may get another pid by it. Every
other program must keep its own, and everything must be ready again by itself.
"""

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.chaos.gates import Gates
from tests.chaos.generator import Generator
from tests.chaos.witness import Witness
from tests.system.home import Home, wait_for
from tests.system.test_external import Mosquitto

HUNG_S = 25.0  # the watchdog kills after 2 s; where its budget is spent, one kill each 20 s


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
    complaints: list[str] = field(default_factory=list)

    @property
    def programs(self) -> list[str]:
        return ["broker", "dispatcher", *self.home.devices]

    def device(self) -> str:
        return self.random.choice(self.home.devices)

    def replaced(self, program: str, pid: int, limit: float = HUNG_S) -> None:
        """Until another process than `pid` owns the program's gate."""
        self.gates.wait(lambda: self.gates.pid(program) not in (None, pid), limit, f"another {program} than {pid}")

    def more(self, effects: int, limit: float = 10.0) -> None:
        """Until so many more effects have got their ends."""
        wanted = self.generator.ended + effects
        wait_for(lambda: self.generator.ended >= wanted, limit, f"{effects} more effects")


class Fault:
    """One thing that goes wrong."""

    hangs: tuple[str, ...] = ()
    disturbs: tuple[str, ...] = ()
    everything: ClassVar[bool] = False  # supervisord itself ends: every pid is another one

    def strike(self, arena: Arena) -> None:
        raise NotImplementedError

    def __str__(self) -> str:
        return " ".join([type(self).__name__, *self.disturbs])


class Kill(Fault):
    """kill -9 of one program."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        arena.replaced(program, arena.home.kill(program))


class KillBurst(Fault):
    """Five kills at once, of anybody."""

    def __init__(self, programs: list[str]) -> None:
        self.disturbs = tuple(programs)

    def strike(self, arena: Arena) -> None:
        killed = {}
        for _ in range(5):
            pids = {name: pid for name, pid in arena.home.pids().items() if name in self.disturbs}
            if pids:
                program = arena.random.choice(list(pids))
                killed[program] = pids[program]
                os.kill(pids[program], signal.SIGKILL)
        for program, pid in killed.items():
            arena.replaced(program, pid)

    def __str__(self) -> str:
        return "KillBurst"


class KillStarting(Fault):
    """Killed, and its successor killed while it starts."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pid = arena.home.kill(program)
        for _ in range(2):
            pid = wait_for(
                lambda pid=pid: (fresh := arena.home.pids().get(program)) != pid and fresh, what=f"a new {program}"
            )
            os.kill(pid, signal.SIGKILL)
        arena.replaced(program, pid)


class Pause(Fault):
    """SIGSTOP: the process is there and does nothing; somebody has to notice."""

    def __init__(self, program: str) -> None:
        self.disturbs = self.hangs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        pid = arena.home.kill(program, signal.SIGSTOP)
        arena.replaced(program, pid)


class PauseSupervisord(Fault):
    """SIGSTOP of supervisord: nobody restarts, nobody watches; everything else goes on."""

    def strike(self, arena: Arena) -> None:
        pid = arena.home.kill("supervisord", signal.SIGSTOP)
        wait_for(lambda: _state(pid) == "T", what="supervisord stopped")
        try:
            wait_for(lambda: _state(pid) != "T", 15, "somebody who wakes supervisord")
        finally:
            os.kill(pid, signal.SIGCONT)


class StuckLoop(Fault):
    """A driver whose loop is blocked."""

    def __init__(self, device: str) -> None:
        self.disturbs = self.hangs = (device,)

    def strike(self, arena: Arena) -> None:
        (device,) = self.disturbs
        arena.replaced(device, arena.home.kill(device, signal.SIGUSR1))


class StuckApply(Fault):
    """A device that does not answer: its driver says so, and ends itself."""

    def __init__(self, device: str) -> None:
        self.disturbs = self.hangs = (device,)

    def strike(self, arena: Arena) -> None:
        (device,) = self.disturbs
        pid = arena.gates.pid(device)
        with _file(arena.home.path / f"stuck-{device}"):
            arena.gates.wait(lambda: arena.gates.pid(device) != pid, HUNG_S, f"the end of the stuck {device}")


class Slow(Fault):
    """A device that takes its time: no reason to kill anybody."""

    def __init__(self, device: str) -> None:
        self._device = device

    def strike(self, arena: Arena) -> None:
        with _file(arena.home.path / f"slow-{self._device}"):
            arena.more(30)

    def __str__(self) -> str:
        return f"Slow {self._device}"


class KillSupervisord(Fault):
    """kill -9 of supervisord: all goes off and away within a second; then somebody starts it again."""

    everything = True

    def strike(self, arena: Arena) -> None:
        home = arena.home
        os.kill(home.pids()["supervisord"], signal.SIGKILL)
        wait_for(lambda: not home.left(), 5, "everything gone with supervisord")
        self.meanwhile(arena)
        home.start()

    def meanwhile(self, arena: Arena) -> None:
        """What is done to the run folder before the new start."""


class StaleFiles(KillSupervisord):
    """Files of another life lie in the run folder, and name a living process that is none of ours."""

    def __init__(self) -> None:
        self._foreign: subprocess.Popen[bytes] | None = None

    def meanwhile(self, arena: Arena) -> None:
        foreign = self._foreign = subprocess.Popen(["sleep", "600"])
        run = arena.home.path / "run"
        for program in arena.programs:
            (run / f"{program}.lock").write_text(f"{foreign.pid}\n")
            (run / f"{program}.gate").unlink(missing_ok=True)
            (run / f"{program}.gate").write_text("no socket\n")
            (run / f"{program}.state").write_text(f'{{"name":"{program}","pid":{foreign.pid},"state":"ready"}}\n')
        (run / "supervisord.pid").write_text(f"{foreign.pid}\n")

    def strike(self, arena: Arena) -> None:
        try:
            super().strike(arena)
            arena.gates.wait_ready(30)
            assert self._foreign is not None
            if self._foreign.poll() is not None:
                arena.complaints.append("a foreign process whose pid stood in a stale file was killed")
        finally:
            if self._foreign is not None:
                self._foreign.kill()
                self._foreign.wait()


class AnyOrder(Fault):
    """Three programs stopped and started, each in any order, by supervisor's own control."""

    def __init__(self, device: str) -> None:
        self.disturbs = ("broker", "dispatcher", device)

    def strike(self, arena: Arena) -> None:
        for verb in ("stop", "start"):
            for program in arena.random.sample(self.disturbs, 3):
                arena.home.order(verb, program)

    def __str__(self) -> str:
        return "AnyOrder"


class Restarts(Fault):
    """The broker stopped and started three times while effects come."""

    disturbs = ("broker",)

    def strike(self, arena: Arena) -> None:
        for _ in range(3):
            arena.home.order("stop", "broker")
            arena.home.order("start", "broker")
            arena.gates.wait_ready(20)


class PortTaken(Fault):
    """Another program has the broker's port for a while."""

    disturbs = ("broker",)

    def strike(self, arena: Arena) -> None:
        arena.home.order("stop", "broker")
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", arena.port))
            sock.listen()
            arena.home.order("start", "broker")
            arena.gates.wait(lambda: arena.gates.reason("broker").startswith("port "), 10, "port taken, and said so")


class Descriptors(Fault):
    """The broker may open 40 files, and 60 connections come that do nothing."""

    disturbs = ("broker",)

    def strike(self, arena: Arena) -> None:
        pid = arena.home.pid("broker")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        with contextlib.ExitStack() as idle:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (40, hard))
            for _ in range(60):
                sock = idle.enter_context(socket.socket())
                sock.settimeout(0.5)
                with contextlib.suppress(OSError):
                    sock.connect(("127.0.0.1", arena.port))
            with contextlib.suppress(AssertionError):  # it may bear it, or be unable to: both are seen afterwards
                arena.gates.wait(lambda: not arena.gates.is_ready("broker"), 1.5, "")
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


class StopAll(Fault):
    """A burst of effects and a stop behind it: what is off by it stays off for all that came before."""

    def strike(self, arena: Arena) -> None:
        seen = arena.generator.stops
        arena.generator.stop_all()
        wait_for(lambda: arena.generator.stops > seen, 10, "the stop published")
        arena.more(10)


class StopAmidKill(Fault):
    """A burst, a stop behind it, and kill -9 of somebody while both are on their way."""

    def __init__(self, program: str) -> None:
        self.disturbs = (program,)

    def strike(self, arena: Arena) -> None:
        (program,) = self.disturbs
        seen, pid = arena.generator.stops, arena.home.pid(program)
        arena.generator.stop_all()
        wait_for(lambda: arena.generator.stops > seen, 10, "the stop published")
        os.kill(pid, signal.SIGKILL)
        arena.replaced(program, pid)


class Malformed(Fault):
    """Payloads that are no effects, of every kind."""

    def strike(self, arena: Arena) -> None:
        chance = arena.random
        for _ in range(40):
            arena.generator.post(
                chance.choice(("effects/wind", "effects/light/x", "effects/", "effects/none")),
                chance.choice(_RUBBISH)(chance),
            )
        for topic in (
            "devices/wind/set",
            "devices/wind/ack",
            "devices/wind/resume",
            "receipts/x",
            "system/broker/state",
        ):
            arena.generator.post(topic, chance.choice(_RUBBISH)(chance) or b"{}")
        arena.more(10)


class Packets(Fault):
    """Bytes at the broker's port that are no MQTT, or not for long."""

    def strike(self, arena: Arena) -> None:
        hello = bytes.fromhex("100c00044d5154540402000a0000")
        for _ in range(30):
            with socket.socket() as sock, contextlib.suppress(OSError):
                sock.settimeout(1)
                sock.connect(("127.0.0.1", arena.port))
                sock.sendall(hello * arena.random.randint(0, 2) + arena.random.randbytes(arena.random.randint(1, 400)))
        arena.more(5)


class Outage(Fault):
    """Somebody else's broker dies, and is started again."""

    def strike(self, arena: Arena) -> None:
        assert arena.external is not None
        arena.external.kill()
        arena.gates.wait(lambda: not arena.gates.is_ready("dispatcher"), 10, "the outage noticed")
        arena.external.start()


_RUBBISH: tuple[Callable[[random.Random], bytes], ...] = (
    lambda chance: chance.randbytes(chance.randint(1, 200)),
    lambda chance: b'{"id": "cut", "intensity": 5'[: chance.randint(1, 28)],
    lambda _: b"[" * 5000,
    lambda _: b'{"intensity": "\xff\xfe"}',
    lambda _: b'{"intensity": {}, "duration": []}',
    lambda _: b'{"duration": -1}',
    lambda _: b'{"nonsense": 1}',
    lambda _: b"true",
    lambda _: b"",
    lambda _: b'{"parameters": {"a": "' + b"x" * 200_000 + b'"}}',
    lambda chance: b'{"intensity": 1e%d}' % chance.randint(3, 999),
)


def kills(programs: list[str]) -> list[Fault]:
    return [Kill(program) for program in programs]


def everything(programs: list[str], chance: random.Random, *, external: bool) -> list[Fault]:
    """Each fault once, in a random order; which device it hits is chance."""
    devices = [name for name in programs if name not in ("broker", "dispatcher")]

    def device() -> str:
        return chance.choice(devices)

    faults: list[Fault] = [
        *kills(programs),
        KillBurst(programs),
        *(KillStarting(program) for program in ("broker", "dispatcher", device())),
        *(Pause(program) for program in ("broker", "dispatcher", device())),
        PauseSupervisord(),
        StuckLoop(device()),
        StuckApply(device()),
        Slow(device()),
        KillSupervisord(),
        StaleFiles(),
        AnyOrder(device()),
        *(StopAll() for _ in range(4)),
        *(StopAmidKill(program) for program in ("broker", "dispatcher", device())),
        Malformed(),
        Packets(),
    ]
    faults += [Outage()] if external else [Restarts(), PortTaken(), Descriptors()]
    chance.shuffle(faults)
    return faults


def forever(programs: list[str], chance: random.Random, *, external: bool) -> Iterator[Fault]:
    while True:
        yield from everything(programs, chance, external=external)


@contextlib.contextmanager
def _file(path: Path) -> Iterator[None]:
    path.touch()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "?"
