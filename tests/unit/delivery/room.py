"""A dispatcher's inside with two devices, for tests that play a history into it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.ledger import Ledger
from dispatcher_proc.receipts import REMEMBERED_S, Receipts
from effectd.config.schema import Device, Limits
from effectd.messages import answers
from effectd.messages.answers import Ack
from effectd.messages.effect import Effect, boot_id
from effectd.messages.topics import Topics
from effectd.testing import FakeLoop, MemoryJournal

MAX_APPLY_MS = 700


FINAL = answers.FINAL


class Room:
    """A dispatcher's inside with two devices and a clock that moves when told; keeps what is sent and what is told."""

    def __init__(self, *devices: str) -> None:
        self.loop = FakeLoop()
        self.sent: list[tuple[str, Effect]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.reachable = True
        self.broker_has = True
        self.overloaded: list[str] = []
        self.taken: list[Callable[[], None]] = []  # to be called when the broker has what was sent
        self.on_sent: Callable[[str, Effect], None] = lambda _device, _effect: None
        self.journal = MemoryJournal()
        limits = Limits(max_apply_ms=MAX_APPLY_MS)
        names = devices or ("fan", "lamp")
        self.kinds = {name: Device(kind="virtual", effects=("wind",), limits=limits) for name in names}
        self.live()

    def live(self) -> None:
        ledger = Ledger(self.journal, boot_id())
        self.receipts = Receipts(self._put, Topics(), self.loop.time, ledger)
        self.delivery = Delivery(self.loop, self._send, self.receipts, ledger, self._overloaded)
        self.delivery.configure(self.kinds)
        found = ledger.restore(self.loop.time(), REMEMBERED_S)
        self.receipts.restore(found)
        self.delivery.restore(found)

    def die(self) -> None:
        """kill -9: nothing of this run goes on but its journal; a successor takes over at once."""
        self.loop.clear()
        self.journal = self.journal.reborn()
        self.live()

    def _put(self, topic: str, payload: bytes, delivered: Callable[[], None] | None) -> None:
        self.told.append((topic, json.loads(payload)))
        if delivered is not None and self.broker_has:
            delivered()

    def _overloaded(self, effect_id: str, _topic: str, _payload: bytes, _reason: str) -> None:
        self.overloaded.append(effect_id)

    def _send(self, device: str, effect: Effect, taken: Callable[[], None] | None) -> bool:
        if self.reachable:
            if taken is not None:
                self.taken.append(taken)
            self.sent.append((device, effect))
            self.on_sent(device, effect)
        return self.reachable

    def accept(self, effect_id: str, *devices: str, note: str = "", **fields: Any) -> None:
        effect = Effect(**{"id": effect_id, "effect_type": "wind", "intensity": 60.0, "duration": 100, **fields})
        resolved = dict.fromkeys(devices or ("fan",), effect)
        self.delivery.accept(effect, resolved, note, "effects/wind", f"payload of {effect_id}".encode())

    def ack(self, device: str, effect_id: str, status: str = "done", reason: str = "") -> None:
        self.delivery.acked(device, Ack(id=effect_id, status=status, reason=reason))

    def receipts_of(self, effect_id: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.told if topic == f"receipts/{effect_id}"]

    def statuses(self, effect_id: str) -> list[str]:
        """In order; a receipt that is told again, the same to the letter, counts once."""
        told = self.receipts_of(effect_id)
        return [receipt["status"] for number, receipt in enumerate(told) if receipt not in told[:number]]

    def dead(self, word: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.told if topic == f"dead-letters/{word}"]

    def sent_ids(self, device: str = "fan") -> list[str]:
        return [effect.id for name, effect in self.sent if name == device]


def sealed(effect: Effect) -> Effect:
    """Without what is said anew each time it is sent."""
    return msgspec.structs.replace(effect, newest=0, first_sent=0)


@pytest.fixture
def room() -> Room:
    return Room()
