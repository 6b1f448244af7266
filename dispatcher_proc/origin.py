"""Where an effect came from: how to refuse it there, and what a dead letter shows of it."""

from dispatcher_proc.receipts import Receipts
from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect


class Origin:
    """A publisher by MQTT. `received` in seconds of the loop's clock; a stop that arrived since then ends the effect.

    Other sources of effects have their own Origin, which shows what they have in place of a message.
    """

    def __init__(self, receipts: Receipts, topic: str, payload: bytes, received: float) -> None:
        self._receipts = receipts
        self.topic, self.payload, self.received = topic, payload, received

    def refuse(self, effect: Effect, error: EffectRefused) -> None:
        """Refuse it, naming the field and the rule."""
        self._receipts.refuse(effect, self.topic, self.payload, error)

    def dead(self, word: str, effect_id: str | None, detail: str) -> None:
        """Publish a dead letter about an effect that was not executed."""
        self._receipts.dead(word, effect_id, self.topic, self.payload, detail)

    def defect(self, effect_id: str | None, effect_type: str) -> None:
        """effectd itself failed on the effect."""
        self._receipts.defect(effect_id, effect_type, self.topic, self.payload)
