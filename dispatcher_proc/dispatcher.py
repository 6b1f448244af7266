"""The dispatcher's in and out: topics to the rooms that decide, gates to delivery, and what is told to the broker."""

import logging
from collections.abc import Callable

import msgspec

from dispatcher_proc import routing
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.intake import Arrival, Intake
from dispatcher_proc.ledger import Ledger
from dispatcher_proc.outbox import Outbox
from dispatcher_proc.overload import Overload
from dispatcher_proc.presence import Presence
from dispatcher_proc.receipts import REMEMBERED_S, Receipts
from effectd.base.errors import BrokerLost, ConfigError, EffectMalformed, EffectRefused
from effectd.base.journal import Journal
from effectd.base.loop import AnyLoop
from effectd.config import reader
from effectd.config.reader import Config
from effectd.messages import effect, published
from effectd.messages.answers import Ack
from effectd.messages.effect import Effect
from effectd.program.broker_session import BrokerSession
from effectd.program.process import Process
from effectd.readiness.gate import Reply, Request

JOURNAL_BYTES = 32 << 20  # 3/4 of it may be alive: 60 s of receipts at twice the peak load of a room
REMEMBERED = 50_000  # ids, above which only quiet types are taken: 60 s of 830 effects a second, some 80 MB

log = logging.getLogger(__name__)


class Dispatcher:
    """Subscribes, decides, sends; see delivery.py for what happens between."""

    def __init__(self, process: Process, loop: AnyLoop) -> None:
        self._process, self._loop = process, loop
        self._config = process.config
        topics = self._topics = self._config.topics
        self._watcher = process.watcher(loop)
        self._broker = BrokerSession(
            process,
            loop,
            self._watcher,
            subscriptions=(
                topics.stop_all,
                topics.every_stop,
                topics.every_ack,
                topics.every_fence,
                topics.every_availability,
                topics.effects,
            ),
            on_message=self._message,
            on_up=self._up,
            on_change=self._connection_changed,
            will=(topics.system("dispatcher"), b'{"name":"dispatcher","state":"gone"}'),
        )
        link = self._broker.link
        link.on_room = self._room
        self._outbox = Outbox(link, topics.dead_letter(""))
        self._overload = Overload(loop, link, self._outbox.put, topics)
        self._intake = Intake(loop, self._try_effect, self._refuse_unread, self._busy)
        journal = self._journal = Journal(process.run / "dispatcher.journal", JOURNAL_BYTES)
        journal.watch(loop, self._broker.journal_trouble)
        ledger = Ledger(journal, effect.boot_id())
        self._receipts = Receipts(self._outbox.put, topics, loop.time, ledger)
        self._delivery = Delivery(loop, self._send, self._receipts, ledger, self._overload.count)
        self._presence = Presence(self._watcher, self._broker, self._delivery, topics)
        self._at_hand: str | None = None  # the id of the effect that is being handled
        self._configure(self._config)
        found = ledger.restore(loop.time(), REMEMBERED_S)
        self._receipts.restore(found)
        self._delivery.restore(found)
        process.gate.on_request = self._request

    def reload(self) -> None:
        """SIGHUP: read config.yaml again; a wrong one changes nothing, and says so in one line."""
        try:
            fresh = reader.load(self._process.home)
            for error in fresh.errors:
                raise error
        except ConfigError as error:
            log.error("%s (config.yaml is not taken in; the old one stays)", error)
            return
        if (fresh.topic_root, fresh.broker) != (self._config.topic_root, self._config.broker):
            log.error("another topic_root or broker is taken in only by: supervisorctl restart all")
            return
        self._configure(fresh)
        self._presence.connection_changed()
        log.info("config.yaml is taken in: %d devices", len(fresh.devices))

    def stop(self) -> None:
        """SIGTERM: tell that we are going, say goodbye to the broker, end."""
        self._presence.tell_end()
        self._broker.close()
        self._watcher.close()
        self._loop.stop()

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        levels = self._topics.split(topic)
        if levels[0] == "effects":
            if payload:  # an empty one is how MQTT clients clear a retained message
                self._intake.put(topic, levels[1] if len(levels) > 1 else None, payload, retained)
        elif levels[-1] == "ack":
            self._ack(levels[1], payload)
        elif levels[-1] == "fence":
            self._fence(levels[1], payload)
        elif levels[-1] == "availability":
            self._presence.availability(levels[1], payload)
        elif not retained:  # a stop that somebody retained would stop everything at each reconnect
            self._stop(None if levels == ["stop-all"] else levels[1])

    def _busy(self) -> str:
        if self._outbox.busy:
            return "the broker takes receipts too slowly"
        if len(self._receipts) >= REMEMBERED or self._journal.crowded:
            return f"{len(self._receipts)} effects of the last minute have to be remembered"
        return ""

    def _refuse_unread(self, arrival: Arrival, reason: str) -> None:
        named = arrival.named
        if named is not None and (named in self._intake or self._receipts.knows(named)):
            named = None  # the same id is open or has ended: a refusal would contradict its receipts
        self._overload.refuse(named, arrival.topic_type or "", arrival.topic, arrival.payload, reason)

    def _try_effect(self, arrival: Arrival) -> None:
        """A defect of ours met by one effect is told to its publisher, and neither stops nor fills anything."""
        self._at_hand = arrival.named
        try:
            self._effect(arrival)
        except Exception:
            log.exception("an effect on %s could not be handled", arrival.topic)
            if self._at_hand is None or not self._delivery.has_open(self._at_hand):
                self._receipts.defect(self._at_hand, arrival.topic_type or "", arrival.topic, arrival.payload)

    def _effect(self, arrival: Arrival) -> None:
        topic, topic_type, payload = arrival.topic, arrival.topic_type, arrival.payload
        if arrival.retained:
            detail = "retained: an effect is never executed from a stored copy; publish it without the retain flag"
            self._receipts.dead("refused", published.best_id(payload), topic, payload, detail)
            return
        try:
            wanted = published.decode(payload, topic_type)
        except EffectMalformed as error:
            log.warning("malformed effect on %s: %s", topic, error)
            self._receipts.dead("malformed", None, topic, payload, str(error))
            return
        except EffectRefused as error:
            nameless = Effect(id=published.best_id(payload), effect_type=topic_type or "")
            if self._is_new(nameless, topic, payload, undecoded=payload):
                self._receipts.refuse(nameless, topic, payload, error)
            return
        self._at_hand = wanted.id
        first = self._receipts.first_id(wanted, topic)
        if first != wanted.id:
            self._receipts.tell_again(first)
            return
        if self._is_new(wanted, topic, payload):
            self._decide(wanted, topic, payload, arrival.received)

    def _is_new(self, wanted: Effect, topic: str, payload: bytes, undecoded: bytes = b"") -> bool:
        """Whether something is to be done about it; about an id that is known already all is said here."""
        repeats = self._receipts.repeats(wanted, undecoded)
        if repeats:
            self._receipts.tell_again(wanted.id)
        elif repeats is False:
            detail = "id: was used within the last 60 s for an effect with other content"
            self._receipts.dead("refused", wanted.id, topic, payload, detail)
        return repeats is None

    def _decide(self, wanted: Effect, topic: str, payload: bytes, received: float) -> None:
        try:
            plan = routing.plan(wanted, self._config)
        except EffectRefused as error:
            self._receipts.refuse(wanted, topic, payload, error)
            return
        if plan.devices:
            self._delivery.accept(wanted, plan.devices, plan.note, topic, payload, received=received)
        else:
            self._receipts.tell(wanted, "undeliverable", devices={}, reason=plan.note, latency_ms=0)
            self._receipts.dead("undeliverable", wanted.id, topic, payload, plan.note)

    def _ack(self, device: str, payload: bytes) -> None:
        try:
            self._delivery.acked(device, msgspec.json.decode(payload, type=Ack))
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("an ack of %s cannot be read: %s", device, error)

    def _stop(self, device: str | None) -> None:
        log.info("stop of %s", device or "everything")
        self._delivery.stop(device)
        for name, found in self._config.devices.items():
            if device in (None, name) and not found.acks:  # it knows no stop, only `set`
                off = Effect(id=effect.new_id(), effect_type=found.effects[0], intensity=0, duration=0)
                self._publish_set(name, off, None)

    def _fence(self, device: str, token: bytes) -> None:
        """The driver went off at a stop; all that was sent to it before this answer belongs before the stop."""
        if token:
            self._delivery.fenced(device)
            self._publish_resume(device, token)

    def _publish_resume(self, device: str, token: bytes) -> None:
        try:
            self._broker.link.publish(self._topics.resume(device), token, qos=1)
        except BrokerLost:
            pass  # the driver tells its fence again when it is connected again

    def _request(self, request: Request, reply: Reply) -> None:
        if request.get("do") == "stop":
            device = request.get("device")
            self._stop(device if isinstance(device, str) else None)
            reply({"done": "stop"})
        else:
            reply({"error": 'this program knows {"do": "stop"} and nothing else'})

    def _send(self, device: str, wanted: Effect, taken: Callable[[], None] | None) -> bool:
        return self._broker.link.has_room() and self._publish_set(device, wanted, taken)

    def _publish_set(self, device: str, wanted: Effect, taken: Callable[[], None] | None) -> bool:
        try:
            self._broker.link.publish(self._topics.set(device), effect.to_set(wanted), qos=1, acked=taken)
        except BrokerLost:
            return False
        return True

    def _room(self) -> None:
        """The connection takes more again."""
        self._outbox.pump()
        self._delivery.pump()
        self._presence.tell_late()

    def _up(self) -> None:
        self._overload.connected()
        self._outbox.resend()
        self._presence.tell_all()

    def _connection_changed(self) -> None:
        if self._configured:  # the follower is there before the rest of this house
            self._presence.connection_changed()

    def _configure(self, fresh: Config) -> None:
        for error in fresh.errors:
            log.error("%s (this device is left out)", error)
        self._config = fresh
        self._delivery.configure(fresh.devices)
        self._intake.types = frozenset(name for device in fresh.devices.values() for name in device.effects)
        self._presence.configure(fresh)
        self._configured = True

    _configured = False
