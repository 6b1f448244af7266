"""What each publisher was told, and is told again: one memory of effect ids, for 60 s after an effect's end."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from effectd import report
from effectd.effect import Effect, boot_id
from effectd.errors import EffectRefused
from effectd.journal import Journal
from effectd.report import Receipt
from effectd.topics import Topics

REMEMBERED_S = 60.0  # section 1 of the contract
MESSAGE_ID_S = 1.0  # as in Python_PlaySEM: the same message_id on the same topic within it is the same effect

log = logging.getLogger(__name__)
# in the journal: the receipt `accepted`, the final one, and that the broker has that
TOLD_AT_ONCE = 32  # ids in one record; after a death so many receipts may be told once more than needed
ACCEPTED_KEY, FINAL_KEY, TOLD_KEY = "r:", "f:", "t:"
Put = Callable[[str, bytes, Callable[[], None] | None], None]


class _Final(msgspec.Struct, array_like=True):
    """A final receipt in the journal; `ended` in seconds of CLOCK_MONOTONIC of the boot `boot`."""

    content: bytes
    receipt: bytes
    refused: bool
    ended: float
    boot: str


class _Told:
    __slots__ = ("content", "receipt", "refused")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.receipt: bytes | None = None
        self.refused = False


class Receipts:
    """`put` takes topic and payload; `now` is the loop's monotonic clock, seconds."""

    def __init__(self, put: Put, topics: Topics, now: Callable[[], float], journal: Journal) -> None:
        self._put, self._topics, self._now, self._journal = put, topics, now, journal
        self._boot = boot_id()
        self._told_ids: list[str] = []
        self._told: dict[str, _Told] = {}
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._messages: OrderedDict[tuple[str, str | int], tuple[str, float]] = OrderedDict()

    def restore(self) -> None:
        """After a death: remember what the journal remembers; tell again what the broker may not have had."""
        found = self._journal.found
        told_ids = {i for key, ids in found.items() if key.startswith(TOLD_KEY) for i in ids.decode().split(" ")}
        for key, value in found.items():
            if key.startswith(FINAL_KEY):
                final = msgspec.msgpack.decode(value, type=_Final)
                effect_id = key.removeprefix(FINAL_KEY)
                if final.boot != self._boot or final.ended < self._now() - REMEMBERED_S:
                    self._journal.forget(key)
                    continue
                told = self._told[effect_id] = _Told(final.content)
                told.receipt, told.refused = final.receipt, final.refused
                self._ended[effect_id] = final.ended
                if effect_id not in told_ids:
                    self._put(self._topics.receipt(effect_id), final.receipt, self._had(effect_id))

    def reopen(self, effect: Effect) -> bool:
        """An effect that was open at a death is known again; whether it has been told `accepted`."""
        told = self._told[effect.id] = _Told(_content(effect))
        told.receipt = self._journal.found.get(ACCEPTED_KEY + effect.id)
        return told.receipt is not None

    def first_id(self, effect: Effect, topic: str) -> str:
        """The id of the effect that this one repeats by its `message_id`; else its own."""
        if effect.message_id is None:
            return effect.id
        while self._messages and next(iter(self._messages.values()))[1] < self._now() - MESSAGE_ID_S:
            self._messages.popitem(last=False)
        key = topic, effect.message_id
        if key in self._messages and self._messages[key][0] in self._told:
            return self._messages[key][0]
        self._messages.pop(key, None)
        self._messages[key] = effect.id, self._now()
        return effect.id

    def repeats(self, effect: Effect, undecoded: bytes = b"") -> bool | None:
        """None: a new id, remembered from now on. True: the same effect again. False: its id with other content.

        `undecoded`: the payload of an effect of which nothing but the id could be read.
        """
        self._forget()
        content = _content(effect, undecoded)
        told = self._told.get(effect.id)
        if told is None or (told.refused and told.content != content):  # mended after a refusal: a new effect
            self._drop(effect.id)
            self._told[effect.id] = _Told(content)
            return None
        return told.content == content

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self._told)

    def knows(self, effect_id: str) -> bool:
        return effect_id in self._told

    def tell_again(self, effect_id: str) -> None:
        """Publish the latest receipt again, byte for byte, if there was one."""
        told = self._told.get(effect_id)
        if told is not None and told.receipt is not None:
            self._put(self._topics.receipt(effect_id), told.receipt, None)

    def tell(
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
        payload = report.encode(msgspec.to_builtins(receipt) | effect.extra if effect.extra else receipt)
        if not remember:
            self._drop(effect.id)
            self._put(self._topics.receipt(effect.id), payload, None)
            return
        told = self._told.setdefault(effect.id, _Told(_content(effect)))
        told.receipt, told.refused = payload, status == "refused"
        if status not in report.FINAL:
            self._journal.put(ACCEPTED_KEY + effect.id, payload)
            self._put(self._topics.receipt(effect.id), payload, None)
            return
        self._ended[effect.id] = self._now()
        self._journal.forget(ACCEPTED_KEY + effect.id)
        final = _Final(told.content, payload, told.refused, self._ended[effect.id], self._boot)
        self._journal.put(FINAL_KEY + effect.id, msgspec.msgpack.encode(final))
        self._put(self._topics.receipt(effect.id), payload, self._had(effect.id))

    def refuse(
        self, effect: Effect, topic: str, payload: bytes, error: EffectRefused, *, remember: bool = True
    ) -> None:
        """Tell the field and the rule, once by receipt and once by dead letter.

        Remembered only where the publisher gave the id: one that was made up here can never come again.
        """
        log.warning("refused effect %s on %s: %s", effect.id, topic, error)
        remember = remember and (effect.message_id is not None or effect.id.encode() in payload)
        self.tell(effect, "refused", devices={}, reason=str(error), latency_ms=None, remember=remember)
        self.dead("refused", effect.id, topic, payload, str(error))

    def dead(self, word: str, effect_id: str | None, topic: str, payload: bytes, detail: str) -> None:
        """Publish a dead letter on `dead-letters/<word>`."""
        self._put(self._topics.dead_letter(word), report.dead_letter(effect_id, topic, payload, detail), None)

    def _forget(self) -> None:
        horizon = self._now() - REMEMBERED_S
        while self._ended and next(iter(self._ended.values())) < horizon:
            self._drop(next(iter(self._ended)))

    def _drop(self, effect_id: str) -> None:
        """Nothing is known of the id any more, in memory or in the journal."""
        self._told.pop(effect_id, None)
        if self._ended.pop(effect_id, None) is not None:
            self._journal.forget(FINAL_KEY + effect_id)
            self._journal.forget(TOLD_KEY + effect_id)

    def _had(self, effect_id: str) -> Callable[[], None]:
        """What to do when the broker has the final receipt: it need not be told again after a death."""

        def had() -> None:
            self._told_ids.append(effect_id)
            if len(self._told_ids) >= TOLD_AT_ONCE:
                self._journal.put(TOLD_KEY + self._told_ids[0], " ".join(self._told_ids).encode())
                self._told_ids.clear()

        return had


def _content(effect: Effect, undecoded: bytes = b"") -> bytes:
    """What makes two effects the same, in 16 bytes."""
    return hashlib.blake2b(msgspec.json.encode(effect, order="deterministic") + undecoded, digest_size=16).digest()
