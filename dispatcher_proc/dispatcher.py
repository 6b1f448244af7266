"""The dispatcher: wires its parts by a table of topics, starts and stops them, and passes events on to them."""

import logging
from collections.abc import Callable

from dispatcher_proc import home_assistant, shelf
from dispatcher_proc.acks import Acks
from dispatcher_proc.admission import Admission
from dispatcher_proc.clock import Clock
from dispatcher_proc.clock_answers import ClockAnswers
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.effects import Effects
from dispatcher_proc.holding import Holding
from dispatcher_proc.ledger import Ledger
from dispatcher_proc.near_misses import NearMisses
from dispatcher_proc.outbox import Outbox
from dispatcher_proc.overload import Overload
from dispatcher_proc.part import Part
from dispatcher_proc.presence import Presence
from dispatcher_proc.queues import Queues
from dispatcher_proc.receipts import REMEMBERED_S, Receipts
from dispatcher_proc.sender import Sender
from dispatcher_proc.stops import Stops
from dispatcher_proc.table import Table
from dispatcher_proc.timelines import Timelines
from effectd.base.errors import ConfigError
from effectd.base.journal import Journal
from effectd.base.loop import AnyLoop
from effectd.config import reader
from effectd.config.part import connection
from effectd.config.reader import Config
from effectd.messages import effect
from effectd.program.broker_session import BrokerSession
from effectd.program.holds import Holds
from effectd.program.process import Process

JOURNAL_BYTES = 32 << 20  # 3/4 of it may be live records: 60 s of receipts at twice the peak load of a room

log = logging.getLogger(__name__)


class Dispatcher:
    """An effect takes Effects -> Admission -> Delivery -> Sender; its answer Acks -> Delivery -> Receipts -> Outbox."""

    def __init__(self, process: Process, loop: AnyLoop, session: Callable[..., BrokerSession] = BrokerSession) -> None:
        self._process, self._loop, self._config = process, loop, process.config
        topics, table = process.config.topics, Table()
        self._watcher = process.watcher(loop)
        self._broker = session(process, loop, self._watcher, on_change=self._connection_changed)
        link = self._broker.connect(
            process.name,
            subscriptions=table.subscriptions,  # the parts' topics; the parts exist before the first connection
            on_message=table.take,
            on_up=self._up,
            will=(topics.system("dispatcher"), b'{"name":"dispatcher","state":"gone"}'),
        )
        sender = Sender(self._broker, topics)
        link.on_room = self._room
        journal = Journal(process.run / "dispatcher.journal", JOURNAL_BYTES)
        journal.watch(loop, self._broker.journal_trouble)
        self._ledger = Ledger(journal, effect.boot_id())
        self._outbox = Outbox(link, topics.dead_letter(""), foreign=not process.config.broker.embedded)
        self._overload = Overload(loop, link, self._outbox.put, topics)
        self._receipts = Receipts(self._outbox.put, topics, loop.time, self._ledger)
        self._delivery = Delivery(loop, sender.send, self._receipts, self._ledger, self._overload.count)
        kept = Holds(process.run, process.name, loop)
        self._holding = Holding(kept, self._broker, topics, self._delivery, sender)
        self._admission = Admission(self._receipts, self._delivery, self._holding)
        notes = Journal(process.run / "timelines.journal", shelf.JOURNAL_BYTES)
        notes.watch(loop, lambda trouble: self._broker.journal_trouble(trouble, "timelines"))
        self._timelines = Timelines(
            loop,
            self._broker,
            topics,
            self._admission,
            self._delivery,
            self._receipts,
            notes,
            process.home,
            self._holding,
        )
        self._holding.on_all = self._timelines.hold
        self._stops = Stops(loop, topics, self._delivery, sender, self._timelines, self._ledger)
        self._presence = Presence(self._watcher, self._broker, self._delivery, self._stops, topics)
        self._effects = Effects(loop, topics, self._admission, self._receipts, self._outbox, self._overload)
        # in the order of the subscriptions: presence and stops arrive before the first effect
        acks = Acks(topics, self._delivery)
        stops = self._stops, self._holding
        near = NearMisses(process.config)
        self._parts: tuple[Part, ...] = (
            *stops,
            acks,
            self._presence,
            self._admission,
            self._timelines,
            Clock(loop, self._timelines.conductor),
            ClockAnswers(self._broker, topics),
            self._effects,
            near,
            *home_assistant.parts(process, loop, self._broker),
            Queues({"effects": self._effects.__len__, "open": self._delivery.__len__, **self._outbox.lengths}),
        )
        table.add(self._parts)
        table.subscriptions += self._presence.by_name(process.config)
        self._table = table
        self._broker.start()

    def start(self) -> None:
        """Take over what the last run left, and start working."""
        self._configure(self._config)
        found = self._ledger.restore(self._loop.time(), REMEMBERED_S)
        self._stops.restore(found)
        self._receipts.restore(found)
        self._delivery.restore(found)
        for part in self._parts:
            part.start()
        self._process.gate.on_request = self._table.asked

    def reload(self) -> None:
        """SIGHUP: read config.yaml again; a wrong one changes nothing and is reported in one log line."""
        try:
            fresh = reader.load(self._process.home)
            for error in fresh.errors:
                raise error
        except ConfigError as error:
            log.error("%s (config.yaml is not taken in; the old one stays)", error)
            return
        changed = fresh.home_assistant != self._config.home_assistant  # its topics are subscribed to only at the start
        if changed or connection(fresh) != connection(self._config):
            log.error("another topic_root, home_assistant or broker is taken in only by: effectd up")
            return
        self._process.works_by(fresh)
        self._configure(fresh)
        self._connection_changed()
        log.info("config.yaml is taken in: %d devices", len(fresh.devices))

    def stop(self) -> None:
        """SIGTERM: announce `stopping`, disconnect from the broker, end."""
        self._process.gate.on_request = None
        for part in reversed(self._parts):
            part.stop()
        self._broker.close()
        self._watcher.close()
        self._loop.stop()

    def _configure(self, fresh: Config) -> None:
        for error in fresh.errors:
            log.error("%s (this device is left out)", error)
        self._config = fresh
        self._delivery.configure(fresh.devices)
        for part in self._parts:
            part.configure(fresh)

    def _up(self) -> None:
        self._overload.connected()
        self._outbox.resend()
        for part in self._parts:
            part.connected()

    def _connection_changed(self) -> None:
        for part in self._parts:
            part.connection_changed()

    def _room(self) -> None:
        self._outbox.pump()
        self._delivery.pump()
        for part in self._parts:
            part.room()
