"""Hold each effect until its devices' drivers are ready, send it, await their acks, and settle it: one final status.

Collaborators come in through the constructor (the loop's clock and timers, a way to send, a way to tell), so that a
test plays a recorded history into the real object.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec

from dispatcher_proc.lane import HELD, UNKNOWN, Lane
from dispatcher_proc.ledger import Found, Ledger
from dispatcher_proc.open_effect import OpenEffect, Part
from dispatcher_proc.receipts import Receipts
from effectd.base.loop import AnyLoop
from effectd.config.schema import Device
from effectd.messages import answers
from effectd.messages.answers import Ack
from effectd.messages.effect import ACCEPTED_WITHIN_MS, Deadline, Effect

HELD_BYTES = 16 << 20  # payloads of all that is open
ASK_AGAIN_S = 1.0  # after so long without an ack
FENCE_S = 1.0  # how long a stop may wait for a driver's fence; a driver that is gone has none
_ANSWER_S = 0.5  # on top of max_apply_ms: how long a driver that has an effect may take to say what became of it
# what an ack may say; `refused` counts as failed
_WORDS = frozenset({"done", "expired", "failed", "stopped", "superseded"})

# id, topic and payload of an effect that is refused, and why: counted for a dead letter
Overloaded = Callable[[str, str, bytes, str], None]
# device, resolved effect, what to call when the broker has it (or None) -> whether it went out
Send = Callable[[str, Effect, Callable[[], None] | None], bool]


class Delivery:
    """All open effects. Times are seconds of `loop.time()`, which is CLOCK_MONOTONIC."""

    def __init__(self, loop: AnyLoop, send: Send, receipts: Receipts, ledger: Ledger, overload: Overloaded) -> None:
        self._loop, self._send, self._receipts, self._ledger, self._overload = loop, send, receipts, ledger, overload
        self._bytes = 0  # of the payloads of all that is open
        self._lanes: dict[str, Lane] = {}
        self._open: dict[str, OpenEffect] = {}

    def configure(self, devices: dict[str, Device]) -> None:
        """These devices and no others; what is open on one that is gone ends as failed."""
        for name in set(self._lanes) - set(devices):
            for part in list(self._lanes[name].parts.values()):
                self._settle(part, "failed", f"{name} is no longer in config.yaml")
            self._lanes.pop(name).cancel()
        for name, device in devices.items():
            if name in self._lanes:
                self._lanes[name].device = device
            else:
                self._lanes[name] = Lane(device)

    def has_open(self, effect_id: str) -> bool:
        """Whether this effect was accepted and has no final status yet."""
        return effect_id in self._open

    def accept(
        self,
        effect: Effect,
        devices: dict[str, Effect],
        note: str,
        topic: str,
        payload: bytes,
        *,
        received: float | None = None,
        held: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take an effect whose plan has at least one device; from now on it will get one final status.

        `received`: when it came, if it had to wait for its turn; a stop that was heard meanwhile ends it. `held`: which
        of the devices take nothing, and why.
        """
        full = [name for name in devices if self._lanes[name].full]
        if full or self._bytes >= HELD_BYTES:
            waiting = f"{HELD} effects wait already for {', '.join(full)}" if full else "16 MiB of effects wait"
            reason = f"overload: {waiting}"
            self._receipts.tell(effect, "refused", devices={}, reason=reason, latency_ms=None, remember=False)
            self._overload(effect.id, topic, payload, reason)
            return
        now = self._loop.time() if received is None else received
        opened = OpenEffect(effect, note, topic, payload, now)
        ttl_ms = float(effect.ttl_ms)
        if effect.expires_at is not None:
            ttl_ms = min(ttl_ms, effect.expires_at - answers.unix_ms())
        deadline = Deadline(self._ledger.boot, int(now * 1000 + ttl_ms))
        expires_at, seq = answers.unix_ms() + int(ttl_ms), self._ledger.next_seq()
        for name, resolved in devices.items():
            sealed = msgspec.structs.replace(resolved, seq=seq, deadline=deadline, expires_at=expires_at)
            opened.parts[name] = Part(name, sealed, opened)
        try:
            record = self._ledger.record(opened)
        except Exception:  # it cannot be noted, so it is not accepted, and nothing of it may stay
            self._receipts.abandon(effect.id)
            raise
        self._register(opened)
        left_s = now + ttl_ms / 1000 - self._loop.time()
        if left_s <= 0:
            self._expire(opened, "expires_at or ttl_ms: it was past when the effect had its turn")
            return
        for part in opened.pending:
            if now < self._lanes[part.device].stopped_at or part.device in held:
                self._settle(part, "stopped", held.get(part.device, ""))
        if not opened.pending:
            return
        opened.safe = self._ledger.open(effect.id, self._ledger.record(opened) if opened.statuses else record)
        self._watch(opened, left_s)
        for part in opened.pending:
            lane = self._lanes[part.device]
            lane.waiting[effect.id] = part
            self._pump(lane)

    def _register(self, opened: OpenEffect) -> None:
        self._open[opened.effect.id] = opened
        self._bytes += len(opened.payload)
        for part in opened.pending:
            self._lanes.setdefault(part.device, Lane(UNKNOWN)).parts[opened.effect.id] = part

    def _keep(self, opened: OpenEffect) -> None:
        opened.safe = self._ledger.open(opened.effect.id, self._ledger.record(opened))

    def restore(self, found: Found) -> None:
        """After a death: every effect that was accepted and has no final status is open again, with its old deadline.

        It is sent again with its old `seq`: the driver knows what it has had (its `.seen`) and says so.
        """
        for opened, deadline, accepted in found.open:
            self._register(opened)
            opened.told = accepted is not None
            self._watch(opened, max(0.0, deadline - self._loop.time()))
            for part in opened.pending:
                self._lanes[part.device].waiting[opened.effect.id] = part
                if part.stopped:
                    opened.timers.append(self._loop.call_later(_ANSWER_S, self._give_up, part))

    def _watch(self, opened: OpenEffect, ttl_s: float) -> None:
        """Say `accepted` in time, and end it in time."""
        said_in = opened.received + ACCEPTED_WITHIN_MS / 1000 - self._loop.time()
        opened.timers = [
            self._loop.call_later(max(0.0, said_in), self._say_accepted, opened),
            self._loop.call_later(ttl_s, self._expire, opened),
        ]

    def ready(self, device: str, generation: str) -> None:
        """The device's driver is ready as `generation`: what waits for it goes out, in order."""
        lane = self._lanes[device]
        if lane.generation == generation:
            return
        for part in list(lane.parts.values()):
            # again, with the same seq: the driver knows, by its `.seen`, what it has had
            lane.waiting[part.effect.id] = part
            if part.had and not lane.device.acks:
                self._settle(part, "failed", "unconfirmed: the connection was lost before the broker had it")
        lane.generation, lane.lack = generation, ""
        self._pump(lane)

    def not_ready(self, device: str, lack: str) -> None:
        """Hold from now on; `lack` is what a receipt will name if it stays so."""
        lane = self._lanes[device]
        lane.generation, lane.lack = None, lack

    def fenced(self, device: str) -> None:
        """The driver has gone off and takes nothing before `resume`: end what was accepted before that.

        Where this dispatcher has heard the stop itself, it has done so already, and what came since goes on.
        """
        lane = self._lanes.get(device)
        if lane is None:
            return
        if lane.fences:
            lane.fences -= 1
        else:
            self.stop(device, fence=False)
        if not lane.fences:
            self._unfence(lane)

    def _unfence(self, lane: Lane) -> None:
        lane.unfence()
        # what is sent from now on follows the `resume` on the same connection
        self._loop.call_soon(self._pump, lane)

    def acked(self, device: str, ack: Ack) -> None:
        """The driver has said what became of one effect; said again, it changes nothing."""
        part = self._lanes[device].parts.get(ack.id) if device in self._lanes else None
        if part is not None:
            status = ack.status if ack.status in _WORDS else "failed"
            self._settle(part, status, f"{device}: {ack.reason}" if ack.reason else "")

    def stop(self, device: str | None = None, *, fence: bool = True, reason: str = "") -> None:
        """End what waits for the device, or for all. What a driver already has, it ends and answers for itself.

        `fence`: the drivers have heard the same stop; what is accepted from now on waits until they have said so.
        """
        lanes = self._lanes.values() if device is None else [self._lanes[device]] if device in self._lanes else []
        for lane in lanes:
            lane.stopped_at = self._loop.time()
            if fence and lane.generation is not None and lane.device.acks:
                lane.fences += 1
                if lane.fence_timer is None:
                    lane.fence_timer = self._loop.call_later(FENCE_S, self._unfence, lane)
            for part in list(lane.parts.values()):
                part.stopped = True
                if not part.had or lane.generation is None:
                    self._settle(part, "stopped", reason)
                else:
                    self._keep(part.open)
                    part.open.timers.append(self._loop.call_later(_ANSWER_S, self._give_up, part))

    def pump(self) -> None:
        """The connection takes more again: send what had to wait for it."""
        for lane in self._lanes.values():
            self._pump(lane)

    def __len__(self) -> int:
        return len(self._open)

    def _pump(self, lane: Lane) -> None:
        if lane.generation is None or lane.fences:
            return
        for effect_id, part in list(lane.waiting.items()):
            if part.stopped or not lane.has_room:
                continue
            taken = None if lane.device.acks else partial(self._settle, part, "done", "unconfirmed")
            if not part.had:  # before it goes out: a successor must know that the driver may have it
                part.first_sent = int(self._loop.time() * 1000)
                self._ledger.sent(part.device, effect_id, part.first_sent)
            # the driver compares `seq` only up to `newest`, and never takes what is new for old (decision 13)
            sent = msgspec.structs.replace(
                part.effect, newest=self._ledger.seq, first_sent=part.first_sent if part.had else 0
            )
            if not self._send(part.device, sent, taken):
                return
            part.had, part.sent_at = True, self._loop.time()
            lane.waiting.pop(effect_id, None)
        if lane.asking is None and lane.parts and lane.device.acks:
            lane.asking = self._loop.call_later(ASK_AGAIN_S, self._ask_again, lane)

    def _ask_again(self, lane: Lane) -> None:
        """An ack that does not come may be lost: a driver that is sent the same again says what it has said."""
        lane.asking = None
        lane.ask_again(self._loop.time() - ASK_AGAIN_S)
        self._pump(lane)

    def _say_accepted(self, opened: OpenEffect) -> None:
        if opened.told or not opened.safe:
            return
        opened.told = True
        lacks = [lack for part in opened.pending if (lack := self._lanes[part.device].lack)]
        reason = "; ".join([opened.note] * bool(opened.note) + [f"waiting: {lack}" for lack in lacks])
        self._receipts.tell(opened.effect, "accepted", devices=dict(opened.statuses), reason=reason, latency_ms=None)

    def _expire(self, opened: OpenEffect, why: str = "") -> None:
        """The time to start is over: what was not sent ends here; who has it gets the time to say what became of it."""
        for part in opened.pending:
            lane = self._lanes[part.device]
            if part.had:
                grace = lane.device.limits.max_apply_ms / 1000 + _ANSWER_S
                opened.timers.append(self._loop.call_later(grace, self._give_up, part))
            else:
                self._settle(part, "expired", why or lane.lack or f"{part.device} could not be reached in time")

    def _give_up(self, part: Part) -> None:
        if part not in part.open.pending:
            return
        if part.stopped:
            self._settle(part, "stopped", "")
        else:
            self._settle(part, "failed", f"{part.device} may have the effect and does not say what became of it")

    def _settle(self, part: Part, status: str, reason: str) -> None:
        opened, lane = part.open, self._lanes[part.device]
        if lane.parts.pop(opened.effect.id, None) is None:
            return
        lane.waiting.pop(opened.effect.id, None)
        if lane.waiting:
            self._loop.call_soon(self._pump, lane)
        opened.statuses[part.device] = status
        if reason and reason not in opened.reasons:
            opened.reasons.append(reason)
        if not opened.pending:
            self._finish(opened)
        elif opened.safe:
            self._keep(opened)

    def _finish(self, opened: OpenEffect) -> None:
        for timer in opened.timers:
            timer.cancel()
        del self._open[opened.effect.id]
        self._bytes -= len(opened.payload)
        status = answers.overall(opened.statuses)
        latency = round((self._loop.time() - opened.received) * 1000, 3)
        reason = opened.reason
        self._receipts.tell(opened.effect, status, devices=opened.statuses, reason=reason, latency_ms=latency)
        self._ledger.closed(opened)  # only now: at no moment is neither its opening nor its end in the journal
        word = next((word for word in ("failed", "expired") if word in opened.statuses.values()), "")
        if word:
            self._receipts.dead(word, opened.effect.id, opened.topic, opened.payload, reason)
