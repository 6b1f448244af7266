"""Effects by MQTT: messages on `effects/<type>` are queued, decoded, and submitted or refused."""

import logging

from dispatcher_proc.admission import Admission
from dispatcher_proc.intake import Arrival, Intake
from dispatcher_proc.loops import Loops
from dispatcher_proc.origin import Origin
from dispatcher_proc.outbox import Outbox
from dispatcher_proc.overload import Overload
from dispatcher_proc.part import Handler, Message, Part
from dispatcher_proc.receipts import Receipts
from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.base.loop import AnyLoop
from effectd.base.once import Once
from effectd.config.reader import Config
from effectd.messages import published
from effectd.messages.effect import Effect
from effectd.messages.topics import Topics

REMEMBERED = 50_000  # ids, above which only quiet types are accepted: 60 s of 830 effects a second, some 80 MB
HINT_S = 3600.0  # until a topic is logged again

log = logging.getLogger(__name__)


class Effects(Part):
    def __init__(  # noqa: PLR0917
        self,
        loop: AnyLoop,
        topics: Topics,
        admission: Admission,
        receipts: Receipts,
        outbox: Outbox,
        overload: Overload,
    ) -> None:
        self._topics, self._admission, self._receipts = topics, admission, receipts
        self._outbox, self._overload = outbox, overload
        self._once = Once(HINT_S)
        self._loops = Loops(loop, self._read, self._break)
        self._intake = Intake(loop, self._loops.take, self._refuse_unread, self._busy)

    def topics(self) -> dict[str, Handler]:
        return {self._topics.effects: self._arrived}

    def configure(self, config: Config) -> None:
        self._intake.types = frozenset(name for device in config.devices.values() for name in device.effects)

    def __len__(self) -> int:
        """How many effects are queued."""
        return len(self._intake)

    def stop(self) -> None:
        """Drop the queue: what is still in it has no receipt, so it was not accepted."""
        self._intake.clear()
        self._loops.clear()

    def _arrived(self, message: Message) -> None:
        if message.payload:  # an empty one is how MQTT clients clear a retained message
            _, *below = self._topics.split(message.topic)
            self._intake.put(message.topic, below[0] if below else None, message.payload, message.retained)

    def _busy(self) -> str:
        if self._outbox.busy:
            return "the broker acknowledges receipts too slowly"
        if len(self._receipts) >= REMEMBERED or self._receipts.crowded:
            return f"{len(self._receipts)} effects of the last minute have to be remembered"
        return ""

    def _refuse_unread(self, arrival: Arrival, reason: str) -> None:
        named = arrival.named
        if named is not None and (named in self._intake or self._receipts.knows(named)):
            named = None  # the same id is open or has ended: a refusal would contradict its receipts
        self._overload.refuse(named, arrival.topic_type or "", arrival.topic, arrival.payload, reason)

    def _break(self, arrival: Arrival, why: str) -> None:
        """Drop this effect, which ends the loop."""
        origin = Origin(self._receipts, arrival.topic, arrival.payload, arrival.received)
        nameless = Effect(id=published.best_id(arrival.payload), effect_type=arrival.topic_type or "")
        self._admission.refuse(nameless, origin, EffectRefused("topic", why))

    def _read(self, arrival: Arrival) -> None:
        """If we fail on one effect, its publisher gets an answer, and no other effect is held up."""
        origin = Origin(self._receipts, arrival.topic, arrival.payload, arrival.received)
        try:
            effect = self._decoded(arrival, origin)
        except Exception:
            log.exception("an effect on %s could not be read", arrival.topic)
            self._admission.failed(arrival.named, arrival.topic_type or "", origin)
            return
        if effect is not None:
            self._hint(effect, arrival.topic)
            self._admission.submit(effect, origin)

    def _hint(self, effect: Effect, topic: str) -> None:
        """Warn of a scale of 0 to 1, as in Unity and OSC: nothing would be felt, though the receipt says `done`."""
        if isinstance(effect.intensity, int | float) and 0 < effect.intensity < 1 and self._once.first(topic):
            percent = f"{effect.intensity:g}"
            log.warning("effect %s on %s: intensity %s is %s %%, of 0 to 100", effect.id, topic, percent, percent)

    def _decoded(self, arrival: Arrival, origin: Origin) -> Effect | None:
        """The effect; None if it was refused."""
        if arrival.retained:
            detail = "retained: an effect is never executed from a stored copy; publish it without the retain flag"
            origin.dead("refused", published.best_id(arrival.payload), detail)
            return None
        try:
            return published.decode(arrival.payload, arrival.topic_type)
        except EffectMalformed as error:
            log.warning("malformed effect on %s: %s", arrival.topic, error)
            origin.dead("malformed", None, str(error))
        except EffectRefused as error:
            nameless = Effect(id=published.best_id(arrival.payload), effect_type=arrival.topic_type or "")
            self._admission.refuse(nameless, origin, error)
        return None
