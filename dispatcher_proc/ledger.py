"""Writes the dispatcher's records into its journal and reads them back after a death; owns their layout.

One counter numbers everything: each accepted effect gets the next number as its `seq` (the same for all its devices),
and a final receipt carries the number that was reached when it was published. So of two records about one id it is
known which is later, wherever they are in the file. The counter's upper bound is noted ahead, a step at a time, so
that it keeps rising over restarts (docs/decisions/0013-seq-and-journal.md).
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from dispatcher_proc.open_effect import OpenEffect, from_record, to_record
from effectd.base.journal import Notes

STEP = 1000  # numbers noted ahead: a restart skips at most so many
DELIVERED_AT_ONCE = 32  # finals in one record; after a death so many receipts may be repeated without need
_OPEN, _SENT = "a:", "s:"  # accepted effects; effects possibly delivered, and since when
_ACCEPTED, _FINAL, _DELIVERED = "r:", "f:", "t:"  # receipts: `accepted`, final, final and delivered
_UNHEARD = "h:"  # devices that may have missed the last stop
_REACHED = "number"
_FIRST_SEQ, _FIRST_STEP = "seq", 10**9  # first layout: where a run began; it had fewer effects than the step

_T = TypeVar("_T")
log = logging.getLogger(__name__)


class Final(msgspec.Struct, array_like=True):
    """A final receipt; `ended` in seconds of CLOCK_MONOTONIC of the boot `boot`. `number`: None in the first layout."""

    content: bytes
    receipt: bytes
    refused: bool
    ended: float
    boot: str
    number: int | None = None


class Ledger:
    """`seq` is the last number given; `boot` this boot's id. What writes answers whether it is safe now."""

    def __init__(self, journal: Notes, boot: str) -> None:
        self._journal, self.boot = journal, boot
        self._delivered: list[tuple[str, int]] = []
        reached = max(_number(journal.found.get(_REACHED)), _number(journal.found.get(_FIRST_SEQ), _FIRST_STEP))
        self.seq = self._reserved = max(time.time_ns() // 1000, reached)

    @property
    def crowded(self) -> bool:
        """Whether the journal is almost full."""
        return self._journal.crowded

    def next_seq(self) -> int:
        """The number of the next effect."""
        self.seq += 1
        if self.seq > self._reserved:
            self._reserve()
        return self.seq

    # --- open effects --------------------------------------------------------------------------------------------

    def open(self, effect_id: str, record: bytes) -> bool:
        return self._journal.put(_OPEN + effect_id, record)

    def record(self, opened: OpenEffect) -> bytes:
        """The record that `open` notes. Raises whatever the encoder raises."""
        return to_record(opened, self.boot)

    def sent(self, device: str, effect_id: str, first_sent: int) -> bool:
        """From now on the effect may have been delivered to the device's driver."""
        return self._journal.put(f"{_SENT}{device}:{effect_id}", b"%d" % first_sent)

    def accepted(self, effect_id: str, receipt: bytes) -> bool:
        """The receipt `accepted` is about to be published."""
        return self._journal.put(_ACCEPTED + effect_id, receipt)

    def closed(self, opened: OpenEffect) -> None:
        """The effect has its final status: a successor need not know that it was open."""
        effect_id = opened.effect.id
        for key in (
            _OPEN + effect_id,
            _ACCEPTED + effect_id,
            *(f"{_SENT}{name}:{effect_id}" for name in opened.shares),
        ):
            self._journal.forget(key)

    # --- stops ---------------------------------------------------------------------------------------------------

    def stop_unheard(self, device: str) -> None:
        """The device has not confirmed a stop yet."""
        self._journal.put(_UNHEARD + device, b"1")

    def stop_heard(self, device: str) -> None:
        self._journal.put(_UNHEARD + device, b"0")
        self._journal.forget(_UNHEARD + device)

    # --- final receipts ------------------------------------------------------------------------------------------

    def final(self, effect_id: str, content: bytes, receipt: bytes, *, refused: bool, ended: float) -> int:
        """Note a final receipt; returns its number, for `delivered`."""
        final = Final(content, receipt, refused, ended, self.boot, self.seq)
        self._journal.put(_FINAL + effect_id, msgspec.msgpack.encode(final))
        return self.seq

    def delivered(self, effect_id: str, number: int) -> None:
        """The broker has this final receipt: it need not be published again after a death."""
        self._delivered.append((effect_id, number))
        if len(self._delivered) >= DELIVERED_AT_ONCE:
            ids = " ".join(f"{number}={effect_id}" for effect_id, number in self._delivered)
            self._journal.put(_DELIVERED + self._delivered[0][0], ids.encode())
            self._delivered.clear()

    def forget(self, effect_id: str) -> None:
        """Its final receipt need not be remembered any more."""
        self._journal.forget(_FINAL + effect_id)
        self._journal.forget(_DELIVERED + effect_id)

    # --- recovery ------------------------------------------------------------------------------------------------

    def restore(self, now: float, remembered_s: float) -> "Found":
        """What the last run left; records that no longer matter are dropped from the journal."""
        order = {key: at for at, key in enumerate(self._journal.found)}
        finals = dict(self._read(_FINAL, _decode_final))
        found = Found()
        for effect_id, (opened, deadline) in self._read(_OPEN, self._decode_open):
            final = finals.get(effect_id)
            if final is not None:
                ended_later = order[_FINAL + effect_id] > order[_OPEN + effect_id]
                if ended_later if final.number is None else final.number >= opened.seq:
                    continue
                del finals[effect_id]  # it was refused, then corrected and accepted
            self._complete(opened)
            found.open.append((opened, deadline, self._journal.found.get(_ACCEPTED + effect_id)))
        found.open.sort(key=lambda item: item[0].seq)
        delivered = {
            word for _, words in self._read(_DELIVERED, lambda value: value.decode().split(" ")) for word in words
        }
        for effect_id, final in finals.items():
            if final.boot == self.boot and final.ended >= now - remembered_s:
                word = effect_id if final.number is None else f"{final.number}={effect_id}"
                found.finals.append((effect_id, final, word in delivered))
        found.finals.sort(key=lambda item: item[1].ended)
        found.unheard = {device for device, value in self._read(_UNHEARD, bytes) if value == b"1"}
        self._let_go(found)
        self._reserve()
        return found

    def _decode_open(self, value: bytes) -> tuple[OpenEffect, float]:
        return from_record(value, self.boot)

    def _complete(self, opened: OpenEffect) -> None:
        """Mark the devices to which it may have been delivered; each is a separate record."""
        for name, share in opened.shares.items():
            first_sent = self._journal.found.get(f"{_SENT}{name}:{opened.effect.id}")
            share.delivered = first_sent is not None
            share.first_sent = max(1, _number(first_sent))  # the first layout does not say when: long ago

    def _let_go(self, found: "Found") -> None:
        open_ids = {opened.effect.id for opened, _, _ in found.open}
        final_ids = {effect_id for effect_id, _, _ in found.finals}
        for key in self._journal.found:
            kind, effect_id = key[:2], key[2:]
            if kind == _SENT:
                effect_id = effect_id.partition(":")[2]
            kept = final_ids if kind in (_FINAL, _DELIVERED) else open_ids if kind in (_OPEN, _ACCEPTED, _SENT) else ()
            if kind == _UNHEARD:
                kept = found.unheard
            if effect_id not in kept and key != _REACHED:
                self._journal.forget(key)

    def _read(self, kind: str, decode: Callable[[bytes], _T]) -> Iterator[tuple[str, _T]]:
        """The records of one kind, without any that cannot be decoded."""
        for key, value in self._journal.found.items():
            if key[:2] == kind:
                try:
                    yield key[2:], decode(value)
                except ValueError as error:  # msgspec's errors are ValueErrors
                    log.error("the journal's record %s cannot be read and is left out: %s", key, error)

    def _reserve(self) -> None:
        self._reserved = self.seq + STEP
        self._journal.put(_REACHED, b"%d" % self._reserved)


class Found:
    """What a successor finds: open effects by age, with deadline (seconds of CLOCK_MONOTONIC) and `accepted` if any.

    And the finals that are remembered, in their order: id, record, and whether the broker has the receipt.
    `unheard`: the devices that may not have heard a stop.
    """

    def __init__(self) -> None:
        self.open: list[tuple[OpenEffect, float, bytes | None]] = []
        self.finals: list[tuple[str, Final, bool]] = []
        self.unheard: set[str] = set()


def _decode_final(value: bytes) -> Final:
    return msgspec.msgpack.decode(value, type=Final)


def _number(value: bytes | None, ahead: int = 0) -> int:
    return int(value) + ahead if value is not None and value.isdigit() else 0
