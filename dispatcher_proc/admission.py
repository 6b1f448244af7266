"""The single entry point for effects from any origin: each is repeated, refused, undeliverable or accepted."""

import logging

from dispatcher_proc import routing
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.holding import Holding
from dispatcher_proc.origin import Origin
from dispatcher_proc.part import Part
from dispatcher_proc.receipts import Receipts
from effectd.base.errors import EffectHeld, EffectRefused
from effectd.config.reader import Config
from effectd.messages.effect import Effect

log = logging.getLogger(__name__)


class Admission(Part):
    def __init__(self, receipts: Receipts, delivery: Delivery, holding: Holding) -> None:
        self._receipts, self._delivery, self._holding = receipts, delivery, holding
        self._config: Config

    def configure(self, config: Config) -> None:
        self._config = config

    def submit(self, effect: Effect, origin: Origin) -> None:
        """Take one effect; its origin gets exactly one answer, even if effectd itself fails on it."""
        try:
            if self._receipts.is_new(effect, origin.topic, origin.payload):
                self._decide(effect, origin)
        except Exception:
            log.exception("an effect on %s could not be handled", origin.topic)
            self.failed(effect.id, effect.effect_type, origin)

    def refuse(self, effect: Effect, origin: Origin, error: EffectRefused) -> None:
        """Refuse an effect of which only the id could be read; a repetition gets the same answer."""
        if self._receipts.is_new(effect, origin.topic, origin.payload, undecoded=origin.payload):
            origin.refuse(effect, error)

    def failed(self, effect_id: str | None, effect_type: str, origin: Origin) -> None:
        """Report a defect of ours to the origin, unless the effect is open: then its final status is still to come."""
        if effect_id is None or not self._delivery.has_open(effect_id):
            origin.defect(effect_id, effect_type)

    def _decide(self, effect: Effect, origin: Origin) -> None:
        try:
            plan = routing.plan(effect, self._config)
        except EffectRefused as error:
            origin.refuse(effect, error)
            return
        held = {name: why for name in plan.devices if (why := self._holding.held(name))}
        if held and len(held) == len(plan.devices):
            origin.refuse(effect, EffectHeld("; ".join(dict.fromkeys(held.values()))))
        elif plan.devices:
            self._delivery.accept(
                effect, plan.devices, plan.note, origin.topic, origin.payload, received=origin.received, held=held
            )
        else:
            self._receipts.publish(effect, "undeliverable", devices={}, reason=plan.note, latency_ms=0)
            origin.dead("undeliverable", effect.id, plan.note)
