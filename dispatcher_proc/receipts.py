"""Publishes each effect's receipts, remembers them for 60 s after its end, and repeats them for a repeated effect."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import msgspec

from dispatcher_proc.ledger import Found, Ledger
from effectd.base.errors import EffectRefused
from effectd.messages import answers
from effectd.messages.answers import Receipt
from effectd.messages.effect import Effect
from effectd.messages.topics import Topics

REMEMBERED_S = 60.0  # section 1 of the contract
MESSAGE_ID_S = 1.0  # as in Python_PlaySEM: the same message_id on the same topic within it is the same effect

log = logging.getLogger(__name__)
Put = Callable[[str, bytes, Callable[[], None] | None], None]


class _Known:
    """What is remembered of an id."""

    __slots__ = ("content", "receipt", "refused")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.receipt: bytes | None = None
        self.refused = False


class Receipts:
    """`put` takes topic and payload; `now` is the loop's monotonic clock, seconds."""

    def __init__(self, put: Put, topics: Topics, now: Callable[[], float], ledger: Ledger) -> None:
        self._put, self._topics, self._now, self._ledger = put, topics, now, ledger
        self._known: dict[str, _Known] = {}
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._messages: OrderedDict[tuple[str, str | int], tuple[str, float]] = OrderedDict()

    def restore(self, found: Found) -> None:
        """After a death: remember what the journal remembers; publish again what may not have reached the broker."""
        for effect_id, final, delivered in found.finals:
            known = self._known[effect_id] = _Known(final.content)
            known.receipt, known.refused = final.receipt, final.refused
            self._ended[effect_id] = final.ended
            if not delivered:
                self._put(self._topics.receipt(effect_id), final.receipt, self._delivered(effect_id, final.number or 0))
        for opened, _, accepted in found.open:
            known = self._known[opened.effect.id] = _Known(_content(opened.effect))
            known.receipt = accepted

    def is_new(self, effect: Effect, topic: str, payload: bytes, undecoded: bytes = b"") -> bool:
        """Whether the effect is new and has to be handled; one that is not is answered here."""
        first = self.first_id(effect, topic)
        found = "repeated" if first != effect.id else self.check_id(effect, undecoded)
        if found == "repeated":
            self.repeat(first)
        elif found == "conflicting":
            detail = "id: was used within the last 60 s for an effect with other content"
            self.dead("refused", effect.id, topic, payload, detail)
        return found == "new"

    def first_id(self, effect: Effect, topic: str) -> str:
        """The id of the effect that this one repeats by its `message_id`; else its own."""
        if effect.message_id is None:
            return effect.id
        while self._messages and next(iter(self._messages.values()))[1] < self._now() - MESSAGE_ID_S:
            self._messages.popitem(last=False)
        key = topic, effect.message_id
        if key in self._messages and self._messages[key][0] in self._known:
            return self._messages[key][0]
        self._messages.pop(key, None)
        self._messages[key] = effect.id, self._now()
        return effect.id

    def check_id(self, effect: Effect, undecoded: bytes = b"") -> Literal["new", "repeated", "conflicting"]:
        """Whether the id is new (and remembered from now on), or known with the same content, or with other content.

        `undecoded`: the payload of an effect of which nothing but the id could be read.
        """
        self._forget()
        content = _content(effect, undecoded)
        known = self._known.get(effect.id)
        if known is None or (known.refused and known.content != content):  # corrected after a refusal: a new effect
            self.abandon(effect.id)
            self._known[effect.id] = _Known(content)
            return "new"
        return "repeated" if known.content == content else "conflicting"

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self._known)

    @property
    def crowded(self) -> bool:
        """Whether the journal is almost full."""
        return self._ledger.crowded

    def knows(self, effect_id: str) -> bool:
        return effect_id in self._known

    def repeat(self, effect_id: str) -> None:
        """Publish the latest receipt again, byte for byte, if there is one."""
        known = self._known.get(effect_id)
        if known is not None and known.receipt is not None:
            self._put(self._topics.receipt(effect_id), known.receipt, None)

    def publish(
        self,
        effect: Effect,
        status: str,
        *,
        devices: dict[str, str],
        reason: str,
        latency_ms: float | None,
        remember: bool = True,
    ) -> None:
        """Publish a receipt; a final one ends the effect.

        `remember`: False for a final one that costs neither journal nor memory: the same id again is a new effect.
        """
        receipt = Receipt(
            id=effect.id,
            effect_type=effect.effect_type,
            status=status,
            devices=devices,
            reason=reason,
            latency_ms=latency_ms,
            event_id=effect.event_id,
        )
        try:
            payload = answers.encode(msgspec.to_builtins(receipt) | effect.extra if effect.extra else receipt)
        except Exception:
            self.abandon(effect.id)
            raise
        if not remember:
            self.abandon(effect.id)
            self._put(self._topics.receipt(effect.id), payload, None)
            return
        known = self._known.get(effect.id)
        if known is None:
            known = self._known[effect.id] = _Known(_content(effect))
        known.receipt, known.refused = payload, status == "refused"
        if status not in answers.FINAL:
            self._ledger.accepted(effect.id, payload)
            self._put(self._topics.receipt(effect.id), payload, None)
            return
        ended = self._ended[effect.id] = self._now()
        number = self._ledger.final(effect.id, known.content, payload, refused=known.refused, ended=ended)
        self._put(self._topics.receipt(effect.id), payload, self._delivered(effect.id, number))

    def refuse(self, effect: Effect, topic: str, payload: bytes, error: EffectRefused) -> None:
        """Refuse the effect with field and rule, in a receipt and in a dead letter.

        Remembered only if the publisher gave the id: one that was made here can never come again.
        """
        log.warning("refused effect %s on %s: %s", effect.id, topic, error)
        remember = effect.message_id is not None or effect.id.encode() in payload
        self.publish(effect, "refused", devices={}, reason=str(error), latency_ms=None, remember=remember)
        self.dead("refused", effect.id, topic, payload, str(error))

    def defect(self, effect_id: str | None, effect_type: str, topic: str, payload: bytes) -> None:
        """effectd itself failed on an effect: nothing of it is kept; the log has the traceback."""
        reason = "defect: effectd failed on this effect; its log says where"
        if effect_id is not None and effect_id not in self._ended:
            effect = Effect(id=effect_id, effect_type=effect_type)
            self.publish(effect, "refused", devices={}, reason=reason, latency_ms=None, remember=False)
        self.dead("refused", effect_id, topic, payload, reason)

    def dead(self, word: str, effect_id: str | None, topic: str, payload: bytes, detail: str) -> None:
        """Publish a dead letter on `dead-letters/<word>`."""
        self._put(self._topics.dead_letter(word), answers.dead_letter(effect_id, topic, payload, detail), None)

    def abandon(self, effect_id: str) -> None:
        """Forget the id, as if it had never been used."""
        self._known.pop(effect_id, None)
        if self._ended.pop(effect_id, None) is not None:
            self._ledger.forget(effect_id)

    def _forget(self) -> None:
        horizon = self._now() - REMEMBERED_S
        while self._ended and next(iter(self._ended.values())) < horizon:
            self.abandon(next(iter(self._ended)))

    def _delivered(self, effect_id: str, number: int) -> Callable[[], None]:
        """Called when the broker has the final receipt: it need not be published again after a death."""
        return lambda: self._ledger.delivered(effect_id, number)


def _content(effect: Effect, undecoded: bytes = b"") -> bytes:
    """A digest of what makes two effects the same, 16 bytes."""
    return hashlib.blake2b(msgspec.json.encode(effect, order="deterministic") + undecoded, digest_size=16).digest()
