"""Who brought an effect: how it is refused there, and what a dead letter shows of it."""

from dispatcher_proc.receipts import Receipts
from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect


class Origin:
    """A publisher by MQTT. `received` in seconds of the loop's clock; a stop that was heard since then ends the effect.

    Whoever brings effects in another way has an Origin of its own, and shows there what it has in place of a message.
    """

    def __init__(self, receipts: Receipts, topic: str, payload: bytes, received: float) -> None:
        self._receipts = receipts
        self.topic, self.payload, self.received = topic, payload, received

    def refuse(self, effect: Effect, error: EffectRefused) -> None:
        """Name the field and the rule."""
        self._receipts.refuse(effect, self.topic, self.payload, error)

    def dead(self, word: str, effect_id: str | None, detail: str) -> None:
        """Publish a dead letter about what was not executed."""
        self._receipts.dead(word, effect_id, self.topic, self.payload, detail)

    def defect(self, effect_id: str | None, effect_type: str) -> None:
        """effectd itself failed on the effect."""
        self._receipts.defect(effect_id, effect_type, self.topic, self.payload)
