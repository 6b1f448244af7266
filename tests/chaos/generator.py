"""Publishes effects as a client must that wants to be sure: with ids, again each 500 ms until a receipt comes."""

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from effectd.messages import history
from effectd.messages.answers import Receipt
from effectd.messages.history import Published, Stopped
from tests.chaos.connection import PLAIN, Connection, Way
from tests.chaos.events import Fenced
from tests.chaos.log import Log

AGAIN_S = 0.5  # section 1 of the contract
ASK_S = 1.0  # how often to ask for the end of an effect that was accepted and is past its ttl
_TICK_S = 0.002
_PUBLISHERS = 2
_LOOK_S = 0.1


@dataclass
class Asked:
    """An effect that has no end yet."""

    topic: str
    payload: bytes
    fields: dict[str, object]
    ttl_ms: int
    again_at: float = 0.0


class Generator:
    """A thread that publishes `rate` effects a second while it is connected; every choice comes from the seed."""

    def __init__(
        self,
        port: int | Callable[[], int],
        log: Log,
        seed: int,
        rate: float,
        types: Sequence[str],
        *,
        ttl_ms: tuple[int, int] = (200, 5000),
        durations: Sequence[int] = (60, 80, 120, 250, 400),
        priorities: Sequence[int] = (5, 5, 5, 5, 5, 5, 5, 5, 5, 3, 7, 9),
        holds: float = 0.01,
        way: Way = PLAIN,
    ) -> None:
        self._where = port if callable(port) else lambda: port  # of a broker with several nodes: where the home is now
        self._port, self._look_at, self._way = self._where(), 0.0, way
        self._log, self._rate, self._types = log, rate, types
        self._seed, self._random = seed, random.Random(seed)
        self._ttl_ms, self._durations, self._priorities, self._holds = ttl_ms, durations, priorities, holds
        self._open: dict[str, Asked] = {}
        self._lock = threading.Lock()
        self._jobs: list[Callable[[Connection], None]] = []
        self._listener = Connection(self._port, ("receipts/#", "devices/+/fence"), self._hear, self._way)
        self._publishers: list[Connection] = []
        self._number = 0
        self.published = self.ended = self.stops = 0
        self._generating, self._running = True, True
        self._next = time.monotonic()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="generator", daemon=True)
        self._thread.start()

    @property
    def left(self) -> int:
        """How many effects have no end yet."""
        self.check()
        return len(self._open)

    def check(self) -> None:
        """Raise what has ended the thread, if it was not asked to end."""
        if self._failure is not None:
            raise self._failure

    def stop_all(self) -> None:
        """A burst of effects and a stop back to back on one connection, and more effects right behind it."""
        self._do(self._storm_and_stop)

    def post(self, topic: str, payload: bytes) -> None:
        """Publish something that is no effect of ours."""
        self._do(lambda connection: connection.publish(topic, payload))

    def rest(self) -> None:
        """No new effects; those that have no end yet are asked for on and on."""
        self._generating = False

    def close(self) -> None:
        self._running = False
        self._thread.join(10)
        for connection in (self._listener, *self._publishers):
            connection.close()
        self.check()

    def _do(self, job: Callable[[Connection], None]) -> None:
        with self._lock:
            self._jobs.append(job)

    def _run(self) -> None:
        try:
            while self._running:
                self._connect()
                publishers = [connection for connection in self._publishers if connection.up]
                if publishers:
                    self._work(publishers)
                else:
                    self._next = time.monotonic()
                time.sleep(_TICK_S)
        except BaseException as error:  # noqa: BLE001 - told by `check`, in the test's own thread
            self._failure = error

    def _connect(self) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_S
            if (port := self._where()) != self._port:
                self._port = port
                for connection in (self._listener, *self._publishers):
                    connection.close()
        if self._listener.dead:
            self._listener.close()
            self._listener = Connection(self._port, ("receipts/#", "devices/+/fence"), self._hear, self._way)
        for connection in [c for c in self._publishers if c.dead]:
            connection.close()
            self._publishers.remove(connection)
        while len(self._publishers) < _PUBLISHERS:
            self._publishers.append(Connection(self._port, way=self._way))
            if self._publishers[-1].dead:
                time.sleep(0.02)
                break

    def _work(self, publishers: list[Connection]) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job in jobs:
            job(publishers[0])
        now = time.monotonic()
        while self._generating and self._next <= now:
            self._next += self._random.expovariate(self._rate)
            self._new(self._random.choice(publishers))
        for id_, asked in list(self._open.items()):
            if asked.again_at <= now and self._listener.up:
                self._publish(self._random.choice(publishers), id_, asked)

    def _new(self, connection: Connection) -> None:
        self._number += 1
        id_ = f"s{self._seed}-{self._number}"
        hold = self._random.random() < self._holds
        ttl_ms = self._random.randint(*self._ttl_ms)
        fields: dict[str, object] = {
            "id": id_,
            "intensity": self._random.randint(1, 100),
            "duration": 0 if hold else self._random.choice(self._durations),
            "ttl_ms": ttl_ms,
            "priority": self._random.choice(self._priorities),
        }
        effect_type = self._random.choice(self._types)
        if effect_type == "flash":  # in turn and together
            fields["target"] = self._random.choice(["many", "strobes", "strobe-1", "strobe-2", "strobe-3"])
        topic = f"effects/{effect_type}"
        asked = Asked(topic, json.dumps(fields).encode(), fields, ttl_ms)
        self._open[id_] = asked
        self.published += 1
        self._publish(connection, id_, asked)

    def _publish(self, connection: Connection, id_: str, asked: Asked) -> None:
        asked.again_at = time.monotonic() + AGAIN_S
        # written before it is done: what is seen of it can only be later
        self._log.write(Published(id=id_, topic=asked.topic, payload=asked.fields, source=connection.name))
        connection.publish(asked.topic, asked.payload)

    def _storm_and_stop(self, connection: Connection) -> None:
        for _ in range(20):
            self._new(connection)
        self._log.write(Stopped(source=connection.name))
        connection.publish("stop-all", b"stop")
        self.stops += 1
        for _ in range(5):
            self._new(connection)

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/fence"):
            if payload:
                self._log.write(Fenced(device=topic.split("/")[1], token=payload.decode(), source="harness"))
            return
        try:
            event = history.from_receipt(msgspec.json.decode(payload, type=Receipt), "harness")
        except (msgspec.DecodeError, RecursionError):
            return  # rubbish of the nemesis: anybody may publish there
        self._log.write(event)
        asked = self._open.get(event.id)
        if isinstance(event, history.Ended):
            if self._open.pop(event.id, None) is not None:
                self.ended += 1
        elif asked is not None:
            asked.again_at = time.monotonic() + asked.ttl_ms / 1000 + ASK_S
