"""Control in any order, a taken port, no descriptors left, stops, rubbish, a broker that is away."""

import contextlib
import random
import resource
import signal
import socket
import time
from collections.abc import Callable

from tests.chaos.fault import Arena, Fault, end
from tests.system.home import wait_for
from tests.system.test_external import Mosquitto


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
        for seq in (2**63 - 1, 2**53, -1):  # a stranger's command switches it off, and deafens it to nothing
            arena.generator.post("devices/wind/set", _FOREIGN_SET % seq)
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


class NodeDies(Fault):
    """The node in use is killed; the home goes on at another one, and stays there when the first is back, empty."""

    def __init__(self, limit_s: float = 20.0) -> None:
        self._limit_s = limit_s

    def strike(self, arena: Arena) -> None:
        node = arena.node_in_use()
        began = time.monotonic()
        node.kill()
        arena.gates.wait(lambda: not arena.gates.is_ready("broker"), 10, "the death noticed")
        arena.gates.wait_ready(self._limit_s)
        arena.more(1, self._limit_s)
        arena.gone_on.append(time.monotonic() - began)
        node.start()
        node.wait()
        arena.more(10)
        if arena.node_in_use() is node:
            arena.complaints.append(f"{self}: it has gone back to {node.port} by itself")


class OtherNodeDies(Fault):
    """A node that is not in use is killed, and comes back: effects go on all the while."""

    def __init__(self, limit_s: float = 20.0) -> None:
        self._limit_s = limit_s

    def strike(self, arena: Arena) -> None:
        here = arena.node_in_use()
        node = next(node for node in arena.nodes if node is not here)
        node.kill()
        arena.more(10, self._limit_s)
        node.start()
        node.wait()
        arena.more(10, self._limit_s)


class NodeDiesToo(Fault):
    """The node in use and, while the home goes over, the broker program."""

    disturbs = ("broker",)

    def strike(self, arena: Arena) -> None:
        node = arena.node_in_use()
        pid = arena.home.pid("broker")
        node.kill()
        end(pid)
        arena.replaced("broker", pid)
        arena.gates.wait_ready(20)
        node.start()
        arena.more(10)

    def __str__(self) -> str:
        return "NodeDies and broker"


class NodeStandsStill(Fault):
    """The node in use answers nothing any more: it is left for another one."""

    def strike(self, arena: Arena) -> None:
        node = arena.node_in_use()
        assert isinstance(node, Mosquitto)
        node.send(signal.SIGSTOP)
        try:
            arena.gates.wait(lambda: not arena.gates.is_ready("broker"), 30, "the silence noticed")
            arena.gates.wait_ready(30)
            arena.more(10, 20)
        finally:
            node.send(signal.SIGCONT)


_FOREIGN_SET = b'{"effect_type": "wind", "intensity": 0, "duration": 1, "seq": %d}'
_RUBBISH: tuple[Callable[[random.Random], bytes], ...] = (
    lambda chance: chance.randbytes(chance.randint(1, 200)),
    lambda chance: b'{"id": "cut", "intensity": 5'[: chance.randint(1, 28)],
    lambda _: b"[" * 5000,
    lambda _: b'{"intensity": "\xff\xfe"}',
    lambda _: b'{"intensity": {}, "duration": []}',
    lambda _: b'{"duration": -1}',
    lambda _: b'{"nonsense": 1}',
    lambda _: b"null",
    lambda _: b"",
    lambda _: b'{"parameters": {"a": "' + b"x" * 200_000 + b'"}}',
    lambda chance: b'{"intensity": 1e%d}' % chance.randint(3, 999),
    lambda chance: b'{"parameters": {"n": %d}}' % chance.choice((2**64, -(2**63) - 1, 10**30)),
    lambda chance: b'{"x-n": [[%d]], "event_id": %d}' % (chance.getrandbits(70) | 2**65, 2**64),
    lambda _: b"9" * 5000,
)
