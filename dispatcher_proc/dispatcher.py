"""The dispatcher's in and out: topics to the rooms that decide, gates to delivery, and what is told to the broker."""

import logging
import time

import msgspec

from dispatcher_proc import routing
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.outbox import Outbox
from dispatcher_proc.receipts import Receipts
from effectd import CONTRACT, effect, report
from effectd.effect import Effect
from effectd.errors import BrokerLost, EffectMalformed, EffectRefused
from effectd.follower import Follower
from effectd.gate import Reply, Request
from effectd.loop import AnyLoop
from effectd.process import Process
from effectd.report import Ack
from effectd.watcher import Watch, Watcher

log = logging.getLogger(__name__)


class Dispatcher:
    """Subscribes, decides, sends; see delivery.py for what happens between."""

    def __init__(self, process: Process, loop: AnyLoop) -> None:
        self._process, self._loop = process, loop
        self._config = process.config
        self._topics = self._config.topics
        for error in self._config.errors:
            log.error("%s (this device is left out)", error)
        self._watcher = Watcher(loop, process.run)
        topics = self._topics
        self._follower = Follower(
            process,
            loop,
            self._watcher,
            subscriptions=(topics.stop_all, topics.every_stop, topics.every_ack, topics.effects),
            on_message=self._message,
            on_up=self._up,
            on_change=self._look_at_all,
            will=(topics.system("dispatcher"), b'{"name":"dispatcher","state":"gone"}'),
        )
        self._outbox = Outbox(self._follower.link)
        self._receipts = Receipts(self._outbox.put, topics, loop.time)
        self._delivery = Delivery(loop, self._config.devices, self._send, self._receipts)
        self._watches = {name: self._watcher.watch(name, self._changed) for name in self._config.programs}
        process.gate.on_request = self._request

    def stop(self) -> None:
        """SIGTERM: tell that we are going, say goodbye to the broker, end."""
        if self._follower.link.up:
            self._publish_state("dispatcher", {"name": "dispatcher", "state": "gone", "contract": CONTRACT})
        self._follower.close()
        self._watcher.close()
        self._loop.stop()

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        levels = self._topics.split(topic)
        if levels[0] == "effects":
            self._effect(topic, levels[1] if len(levels) > 1 else None, payload, retained)
        elif levels[-1] == "ack":
            self._ack(levels[1], payload)
        elif not retained:  # a stop that somebody retained would stop everything at each reconnect
            self._stop(None if levels == ["stop-all"] else levels[1])

    def _effect(self, topic: str, topic_type: str | None, payload: bytes, retained: bool) -> None:
        if not payload:
            return  # how MQTT clients clear a retained message
        if retained:
            detail = "retained: an effect is never executed from a stored copy; publish it without the retain flag"
            self._receipts.dead("refused", effect.best_id(payload), topic, payload, detail)
            return
        try:
            wanted = effect.decode(payload, topic_type)
        except EffectMalformed as error:
            log.warning("malformed effect on %s: %s", topic, error)
            self._receipts.dead("malformed", None, topic, payload, str(error))
            return
        except EffectRefused as error:
            nameless = Effect(id=effect.best_id(payload), effect_type=topic_type or "")
            if self._is_new(nameless, topic, payload, undecoded=payload):
                self._receipts.refuse(nameless, topic, payload, error)
            return
        first = self._receipts.first_id(wanted, topic)
        if first != wanted.id:
            self._receipts.tell_again(first)
            return
        if self._is_new(wanted, topic, payload):
            self._decide(wanted, topic, payload)

    def _is_new(self, wanted: Effect, topic: str, payload: bytes, undecoded: bytes = b"") -> bool:
        """Whether something is to be done about it; about an id that is known already all is said here."""
        repeats = self._receipts.repeats(wanted, undecoded)
        if repeats:
            self._receipts.tell_again(wanted.id)
        elif repeats is False:
            detail = "id: was used within the last 60 s for an effect with other content"
            self._receipts.dead("refused", wanted.id, topic, payload, detail)
        return repeats is None

    def _decide(self, wanted: Effect, topic: str, payload: bytes) -> None:
        try:
            plan = routing.plan(wanted, self._config)
        except EffectRefused as error:
            self._receipts.refuse(wanted, topic, payload, error)
            return
        if plan.devices:
            self._delivery.accept(wanted, plan.devices, plan.note, topic, payload)
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

    def _request(self, request: Request, reply: Reply) -> None:
        if request.get("do") == "stop":
            device = request.get("device")
            self._stop(device if isinstance(device, str) else None)
            reply({"done": "stop"})
        else:
            reply({"error": 'this program knows {"do": "stop"} and nothing else'})

    def _send(self, device: str, wanted: Effect) -> bool:
        try:
            self._follower.link.publish(self._topics.set(device), effect.to_set(wanted), qos=1)
        except BrokerLost:
            return False
        return True

    def _up(self) -> None:
        self._outbox.resend()
        for watch in self._watches.values():
            self._tell_state(watch)

    def _changed(self, watch: Watch) -> None:
        if self._follower.link.up:
            self._tell_state(watch)
        if watch.name in self._config.devices:
            self._look_at(watch)

    def _look_at_all(self) -> None:
        for name in self._config.devices:
            if name in self._watches:
                self._look_at(self._watches[name])

    def _look_at(self, watch: Watch) -> None:
        """A driver counts as ready only under the broker's run that we are connected to ourselves."""
        if watch.ready and watch.line and self._follower.link.up:
            if watch.line.broker_generation == self._follower.generation:
                self._delivery.ready(watch.name, watch.line.generation)
                return
            lack = f"{watch.name} has not found the broker's new run yet"
        else:
            lack = watch.lack or "the dispatcher has no connection to the broker"
        self._delivery.not_ready(watch.name, lack)

    def _tell_state(self, watch: Watch) -> None:
        line = {"name": watch.name, "state": "gone", "at": time.time_ns() // 1_000_000}
        if watch.line is not None:
            line = msgspec.to_builtins(watch.line)
        self._publish_state(watch.name, line | {"contract": CONTRACT})

    def _publish_state(self, program: str, line: dict[str, object]) -> None:
        try:
            self._follower.link.publish(self._topics.system(program), report.encode(line), qos=1, retain=True)
        except BrokerLost:
            pass  # `_up` tells all of them again
