"""Publishes effects by MQTT and awaits their receipts, or the reason why there is none."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from effectd.base.errors import BrokerLost
from effectd.base.loop import Cancellable
from effectd.messages import answers
from effectd.program.link import Link

AGAIN_S = 0.5  # an effect without a receipt is published again (section 1 of the contract)
BROKER_S = 1.0  # how long to wait for a broker that is restarting
WAITING = 2000  # effects that await their final receipts


class TooMany(Exception):
    """Too many effects await their final receipts; no further one is accepted."""


class Order:
    """One effect on its way. `receipt`: the latest, encoded as it came; b"" = none yet."""

    def __init__(self, topic: str, payload: bytes, done: asyncio.Future[None]) -> None:
        self.topic, self.payload, self.done = topic, payload, done
        self.receipt = b""
        self.status = ""
        self.timer: Cancellable | None = None


class Orders:
    """`send` an effect; call `take` and `connected` with what comes by MQTT."""

    def __init__(self, link: Callable[[], Link]) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, list[Order]] = {}
        self._count = 0
        self._up = asyncio.Event()

    def connected(self) -> None:
        """Publish pending effects again: their answers may have been sent while the connection was lost."""
        self._up.set()
        for orders in self._waiting.values():
            for order in orders:
                self._publish(order)

    def lost(self) -> None:
        self._up.clear()

    async def await_broker(self) -> bool:
        """Whether there is a connection, now or within a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BROKER_S):
                await self._up.wait()
        return self._up.is_set()

    async def send(self, effect_id: str, topic: str, payload: bytes, within_s: float) -> Order:
        """Publish it until there is a receipt, and wait for the final one, for at most `within_s`. Raises TooMany."""
        if self._count >= WAITING:
            raise TooMany
        order = Order(topic, payload, self._loop.create_future())
        self._waiting.setdefault(effect_id, []).append(order)
        self._count += 1
        try:
            self._again(order)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await order.done
        finally:
            self._count -= 1
            if order.timer is not None:
                order.timer.cancel()
            orders = self._waiting[effect_id]
            orders.remove(order)
            if not orders:
                del self._waiting[effect_id]
        return order

    def take(self, levels: list[str], payload: bytes) -> None:
        """A receipt or dead letter, by the levels of its topic."""
        if not self._waiting:
            return
        if levels[0] == "receipts" and len(levels) == 2:
            for order in self._waiting.get(levels[1], ()):
                self._receipted(order, payload)
        elif levels[0] == "dead-letters" and levels[1:] == ["refused"]:
            self._refused(payload)

    def _receipted(self, order: Order, payload: bytes) -> None:
        with contextlib.suppress(msgspec.DecodeError):
            order.status = msgspec.json.decode(payload, type=answers.Receipt).status
            order.receipt = payload
            if order.status in answers.FINAL and not order.done.done():
                order.done.set_result(None)

    def _refused(self, payload: bytes) -> None:
        """An effect whose id is in use for another one gets no receipt, only a dead letter."""
        with contextlib.suppress(msgspec.DecodeError):
            letter = msgspec.json.decode(payload, type=answers.DeadLetter)
            for order in self._waiting.get(letter.id or "", ()):
                if (letter.payload or "").encode() == order.payload[: answers.SHOWN_BYTES] and not order.receipt:
                    kind = order.topic.rpartition("/")[2]
                    refusal = answers.Receipt(
                        id=letter.id or "", effect_type=kind, status="refused", reason=letter.detail
                    )
                    self._receipted(order, answers.encode(refusal))

    def _again(self, order: Order) -> None:
        if not order.receipt:
            self._publish(order)
            order.timer = self._loop.call_later(AGAIN_S, self._again, order)

    def _publish(self, order: Order) -> None:
        with contextlib.suppress(BrokerLost):  # the timer tries again
            self._link().publish(order.topic, order.payload, qos=1)
