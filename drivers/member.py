"""One device of a driver program: its topics, its connection with its last will, its journal, and its actuator."""

import logging
from collections.abc import Callable
from functools import partial

from drivers.actuator import Actuator
from drivers.envelope import Envelope
from drivers.fence import Fence
from drivers.flash import Flash, Zone
from drivers.reporter import JOURNAL_BYTES, Reporter
from drivers.rises import Rises
from effectd.base.errors import EffectRefused
from effectd.base.journal import Journal
from effectd.base.loop import AnyLoop
from effectd.base.once import Once
from effectd.base.rounds import next_round
from effectd.config import lights
from effectd.messages.effect import boot_id, from_set
from effectd.messages.holds import Hold
from effectd.program.broker_session import BrokerSession
from effectd.program.far_clock import FarClock
from effectd.program.holds import Holds
from effectd.program.process import Process

FENCE_AGAIN_S = 2.0
CLOCK_S = 1.0  # how long to wait for the first answer of the dispatcher's clock

log = logging.getLogger(__name__)


class Member:
    """`wake` asks the program to call `actuator.next` again. The connection is one of `broker`'s."""

    def __init__(  # noqa: PLR0917
        self,
        process: Process,
        loop: AnyLoop,
        name: str,
        broker: BrokerSession,
        holds: Holds,
        wake: Callable[[], object],
    ) -> None:
        self.name, self.device, self._loop = name, process.config.device(name), loop
        self._connection = self._announced = 0
        topics = process.config.topics
        self._topic_set, self._topic_resume = topics.set(name), topics.resume(name)
        journal = Journal(process.run / f"{name}.seen", JOURNAL_BYTES)
        self.reporter = Reporter(loop, topics, name, self.device, journal)
        self._once = Once(60.0)
        self._fence = Fence(journal, self.reporter.fence)
        flash = self._flash(process, loop, known=not journal.new) if self.device.flash_hz else None
        envelope = Envelope(loop, self.device, journal, flash)
        self.actuator = Actuator(loop, self.device, self.reporter, self._fence, envelope, wake)
        self._holds, self._split, self._topic_stop_all = holds, topics.split, topics.stop_all
        # the dispatcher is on another machine, with a different clock
        self._clock = None if process.config.dispatcher else FarClock(loop, topics, process.config.client_id(name))
        clock: tuple[str, ...] = ()
        if self._clock is not None:
            clock, self.actuator.there_ms = (self._clock.topic_answer,), self._clock.now_ms
        # stops come before effects, also for retained messages
        stopping = topics.stop_all, topics.stop(name), topics.any_hold
        self._link = self.reporter.link = broker.connect(
            name,
            subscriptions=(*clock, *stopping, self._topic_resume, self._topic_set),
            on_message=self.message,
            on_up=self.connected,
            will=(topics.availability(name), b"offline"),
        )
        journal.watch(loop, lambda reason: broker.journal_trouble(reason, name))
        loop.call_later(next_round(loop, FENCE_AGAIN_S), self._repeat)

    def _repeat(self) -> None:
        self._loop.call_later(next_round(self._loop, FENCE_AGAIN_S), self._repeat)
        self._fence.repeat()

    def _flash(self, process: Process, loop: AnyLoop, *, known: bool) -> Flash:
        boot = boot_id()
        zones = [
            Zone(Rises(process.run / f"{zone}.flashes", boot, known=known), crowded)
            for zone, crowded in sorted(lights.zones(self.name, process.config.devices).items())
        ]
        return Flash(zones, self.device.flash_hz, loop.time)

    def connected(self) -> None:
        self._connection += 1
        if self._clock is None or self._clock.known:
            self._announce(self._connection)
        else:  # effects arrive as soon as the device is online: the clock should be known by then
            self._clock.on_known = partial(self._announce, self._connection)
            self._loop.call_later(CLOCK_S, self._announce_late, self._connection)
        if self._clock is not None:
            self._clock.begin(self._link)

    def _announce_late(self, connection: int) -> None:
        if self._link.up:
            self._announce(connection)

    def _announce(self, connection: int) -> None:
        """Publish availability and state, once per connection."""
        if connection == self._connection and connection != self._announced:
            self._announced = connection
            self.reporter.connected()
            self._fence.connected()

    @property
    def why_held(self) -> str:
        return self._holds.why(self.name, self.device.zones)

    def in_target(self, hold: Hold) -> bool:
        return hold.concerns(self.name, self.device.zones)

    def message(self, topic: str, payload: bytes, retained: bool) -> None:
        match self._split(topic):
            case ["holds", name]:
                self._holds.hear(name, payload)
                return
        if retained:
            return  # a retained command is an old one
        if self._clock is not None and topic == self._clock.topic_answer:
            self._clock.hear(payload)
        elif topic == self._topic_set:
            self._set(payload)
        elif topic == self._topic_resume:
            self._fence.resume(payload)
        else:
            log.info("stop (%s)", topic)
            self.actuator.stop(everything=topic == self._topic_stop_all)

    def _set(self, payload: bytes) -> None:
        try:
            effect = from_set(payload)
        except EffectRefused as error:
            if self._once.first(str(error)):
                log.warning("refused: %s", error)
            return
        self.actuator.take(effect)
