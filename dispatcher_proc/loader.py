"""Loads documents in turn, a slice at a time between socket events; a timeline's orders wait for its load."""

import gc
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path

from dispatcher_proc import score
from dispatcher_proc.score import Score
from dispatcher_proc.shelf import Shelf
from effectd.base.journal import CHECK_EVERY_S
from effectd.base.loop import AnyLoop
from effectd.base.rounds import next_round
from effectd.config.reader import Config
from effectd.timeline import reading
from effectd.timeline.document import Problem, Reading, Timeline, TimelineRefused

WAITING = 16  # documents, of at most 4 MiB each
_ORDERS = 100  # for one timeline that is being loaded
TURN_S = 0.0005  # at a time; a live effect waits no longer than that and one slice

log = logging.getLogger(__name__)
Done = Callable[[str, Score | None, tuple[Problem, ...]], None]


class Loader:
    """`done` gets the name and the score, or None and the problems; whatever was asked meanwhile follows it."""

    def __init__(self, loop: AnyLoop, kept: Shelf, done: Done) -> None:
        self._loop, self._shelf, self._done = loop, kept, done
        self.config: Config
        self._jobs: deque[tuple[str, Generator[None, None, Score | None], Done]] = deque()
        self._orders: dict[str, list[Callable[[], None]]] = {}

    @property
    def full(self) -> bool:
        return len(self._jobs) >= WAITING

    def document(self, name: str, data: bytes) -> None:
        """By MQTT: it survives this process."""
        self._add(name, reading.reading, data, keep=True)

    def file(self, name: str, path: Path) -> None:
        self._add(name, lambda _: reading.reading(path.read_bytes()), b"", keep=False)

    def kept(self, name: str, path: Path) -> None:
        """What an earlier run has kept."""
        self._add(name, lambda _: self._shelf.read(name, path), b"", keep=False)

    def watch(self) -> None:
        """Write what is kept again where somebody has removed, replaced or damaged it, from now on."""
        for name, timeline in self._shelf.lost():
            log.warning("run/timelines: %s was deleted, replaced or damaged; it is written anew", name)
            self._queue(name, self._keep(name, timeline), _nothing)
        self._loop.call_later(next_round(self._loop, CHECK_EVERY_S), self.watch)

    def when_loaded(self, name: str, order: Callable[[], None]) -> None:
        """Now, or when the load of this timeline that is under way has ended."""
        if not self.loads(name):
            order()
        elif len(orders := self._orders.setdefault(name, [])) < _ORDERS:
            orders.append(order)

    def forget_orders(self, name: str | None = None) -> None:
        """A stop: what was asked before it is not done after it."""
        if name is None:
            self._orders.clear()
        else:
            self._orders.pop(name, None)

    def loads(self, name: str) -> bool:
        return any(name == waiting for waiting, _, _ in self._jobs)

    def again(self, name: str, timeline: Timeline, done: Done) -> None:
        """The same timeline, for another configuration."""
        self._queue(name, self._scored(timeline), done)

    def _add(self, name: str, read: Callable[[bytes], Reading], data: bytes, *, keep: bool) -> None:
        self._queue(name, self._job(name, read, data, keep=keep), self._done)

    def _queue(self, name: str, job: Generator[None, None, Score | None], done: Done) -> None:
        self._jobs.append((name, job, done))
        if len(self._jobs) == 1:
            self._loop.call_soon(self._work)

    def _job(
        self, name: str, read: Callable[[bytes], Reading], data: bytes, *, keep: bool
    ) -> Generator[None, None, Score]:
        timeline = yield from read(data)
        found = yield from self._scored(timeline)
        found.digest = yield from _digest(timeline)
        if keep:
            yield from self._keep(name, timeline)
        return found

    def _scored(self, timeline: Timeline) -> Generator[None, None, Score]:
        while True:
            config = self.config
            found = yield from score.build(timeline, config)
            if config is self.config:  # else it has changed meanwhile
                return found

    def _keep(self, name: str, timeline: Timeline) -> Generator[None, None, None]:
        try:
            yield from self._shelf.keep(name, timeline)
        except OSError as error:
            log.error("timeline %s will not survive this process: %s", name, error)

    def _work(self) -> None:
        end = self._loop.time() + TURN_S
        while self._jobs and self._loop.time() < end:
            self._step()
        if self._jobs:
            self._loop.call_soon(self._work)

    def _step(self) -> None:
        """One slice; a document on which we fail holds nothing else up."""
        gc.freeze()  # what has been read stays: looking through all of it would hold a live effect up for 0.1 s
        name, job, _ = self._jobs[0]
        try:
            next(job)
        except StopIteration as end:
            self._finished(name, end.value, ())
        except TimelineRefused as refused:
            self._finished(name, None, refused.problems)
        except (OSError, ValueError) as error:
            self._finished(name, None, (Problem(0, 0, "", str(error)),))
        except Exception:
            log.exception("timeline %s could not be read", name)
            self._finished(name, None, (Problem(0, 0, "", "effectd failed on this document; its log says where"),))

    def _finished(self, name: str, found: Score | None, problems: tuple[Problem, ...]) -> None:
        done = self._jobs.popleft()[2]
        done(name, found, problems)
        if not self.loads(name):
            for order in self._orders.pop(name, []):
                order()


def _nothing(_name: str, _found: Score | None, _problems: tuple[Problem, ...]) -> None:
    """What is loaded stays as it is."""


_DIGESTED = 1000  # effects at one go


def _digest(timeline: Timeline) -> Generator[None, None, str]:
    """A digest that distinguishes documents; without the parameters, which would take as long as reading them."""
    document = hashlib.blake2b(digest_size=8)
    for at, effect in enumerate(timeline.effects):
        document.update(f"{effect.timestamp} {effect.effect_type} {effect.intensity} {effect.duration};".encode())
        if at % _DIGESTED == 0:
            yield
    return document.hexdigest()
