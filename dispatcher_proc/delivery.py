"""Hold each effect until its devices' drivers are ready, send it, await their acks, and settle it: one final status.

Collaborators come in through the constructor (the loop's clock and timers, a way to send, a way to tell), so that a
test plays a recorded history into the real object.
"""

import time
from collections.abc import Callable, Iterator

import msgspec

from dispatcher_proc.receipts import Receipts
from effectd import report
from effectd.config import Device
from effectd.effect import ACCEPTED_WITHIN_MS, Deadline, Effect, boot_id
from effectd.loop import AnyLoop, Cancellable
from effectd.report import Ack

HELD = 1000  # effects open per device; 2 s of the peak load of a room
_ANSWER_S = 0.5  # on top of max_apply_ms: how long a driver that has an effect may take to say what became of it
_WORDS = frozenset(
    {"done", "expired", "failed", "stopped", "superseded"}
)  # what an ack may say; `refused` counts as failed

Send = Callable[[str, Effect], bool]  # device, resolved effect -> whether it went out


class Part:
    """One device's share of an effect."""

    __slots__ = ("device", "effect", "open", "sent", "stopped")

    def __init__(self, device: str, effect: Effect, of: "Open") -> None:
        self.device, self.effect, self.open = device, effect, of
        self.sent: str | None = None  # the driver's generation that it was sent to
        self.stopped = False


class Open:
    """An effect that has no final status yet."""

    __slots__ = ("effect", "note", "parts", "payload", "reasons", "received", "statuses", "timers", "topic")

    def __init__(self, effect: Effect, note: str, topic: str, payload: bytes, received: float) -> None:
        self.effect, self.note, self.topic, self.payload, self.received = effect, note, topic, payload, received
        self.parts: dict[str, Part] = {}
        self.statuses: dict[str, str] = {}
        self.reasons: list[str] = []
        self.timers: list[Cancellable] = []


class Lane:
    """The way to one device: what is open on it, in order, and the generation of its driver while that is ready."""

    def __init__(self, device: Device) -> None:
        self.limits = device.limits
        self.parts: dict[str, Part] = {}
        self.generation: str | None = None
        self.lack = "not started yet"
        self.seq = time.time_ns() // 1000


class Delivery:
    """All open effects. Times are seconds of `loop.time()`, which is CLOCK_MONOTONIC."""

    def __init__(self, loop: AnyLoop, devices: dict[str, Device], send: Send, receipts: Receipts) -> None:
        self._loop, self._send, self._receipts = loop, send, receipts
        self._lanes = {name: Lane(device) for name, device in devices.items()}
        self._open: dict[str, Open] = {}
        self._boot = boot_id()

    def accept(self, effect: Effect, devices: dict[str, Effect], note: str, topic: str, payload: bytes) -> None:
        """Take an effect whose plan has at least one device; from now on it will get one final status."""
        full = [name for name in devices if len(self._lanes[name].parts) >= HELD]
        if full:
            reason = f"overload: {HELD} effects wait for {', '.join(full)} already"
            self._receipts.tell(effect, "refused", devices={}, reason=reason, latency_ms=None)
            self._receipts.dead("overload", effect.id, topic, payload, reason)
            return
        now = self._loop.time()
        opened = self._open[effect.id] = Open(effect, note, topic, payload, now)
        ttl_ms = float(effect.ttl_ms)
        if effect.expires_at is not None:
            ttl_ms = min(ttl_ms, effect.expires_at - report.unix_ms())
        deadline = Deadline(self._boot, int(now * 1000 + ttl_ms))
        for name, resolved in devices.items():
            lane = self._lanes[name]
            lane.seq += 1
            expires_at = report.unix_ms() + int(ttl_ms)
            sealed = msgspec.structs.replace(resolved, seq=lane.seq, deadline=deadline, expires_at=expires_at)
            opened.parts[name] = lane.parts[effect.id] = Part(name, sealed, opened)
        opened.timers = [
            self._loop.call_later(ACCEPTED_WITHIN_MS / 1000, self._say_accepted, opened),
            self._loop.call_later(max(0.0, ttl_ms / 1000), self._expire, opened),
        ]
        if ttl_ms <= 0:
            self._expire(opened, "expires_at: it was past when the effect came")
        for name in devices:
            self._pump(self._lanes[name])

    def ready(self, device: str, generation: str) -> None:
        """The device's driver is ready as `generation`: what waits for it goes out, in order."""
        lane = self._lanes[device]
        if lane.generation == generation:
            return
        for part in list(lane.parts.values()):
            if part.sent not in (None, generation):
                self._settle(
                    part, "failed", f"interrupted: the driver of {device} ended before it said what became of it"
                )
            else:
                part.sent = None  # the same driver under a new connection: it knows what it has had
        lane.generation, lane.lack = generation, ""
        self._pump(lane)

    def not_ready(self, device: str, lack: str) -> None:
        """Hold from now on; `lack` is what a receipt will name if it stays so."""
        lane = self._lanes[device]
        lane.generation, lane.lack = None, lack

    def acked(self, device: str, ack: Ack) -> None:
        """The driver has said what became of one effect; said again, it changes nothing."""
        part = self._lanes[device].parts.get(ack.id) if device in self._lanes else None
        if part is not None:
            status = ack.status if ack.status in _WORDS else "failed"
            self._settle(part, status, f"{device}: {ack.reason}" if ack.reason else "")

    def stop(self, device: str | None = None) -> None:
        """End what is held for the device, or for all. What a driver already has, it ends and answers for itself."""
        lanes = self._lanes.values() if device is None else [self._lanes[device]] if device in self._lanes else []
        for lane in lanes:
            for part in list(lane.parts.values()):
                part.stopped = True
                if part.sent is None or lane.generation is None:
                    self._settle(part, "stopped", "")

    def __len__(self) -> int:
        return len(self._open)

    def _pump(self, lane: Lane) -> None:
        if lane.generation is None:
            return
        for part in list(lane.parts.values()):
            if part.sent is None and not part.stopped and self._send(part.device, part.effect):
                part.sent = lane.generation

    def _say_accepted(self, opened: Open) -> None:
        lacks = [self._lanes[name].lack for name in self._pending(opened) if self._lanes[name].lack]
        reason = "; ".join([opened.note] * bool(opened.note) + [f"waiting: {lack}" for lack in lacks])
        self._receipts.tell(opened.effect, "accepted", devices=dict(opened.statuses), reason=reason, latency_ms=None)

    def _expire(self, opened: Open, why: str = "") -> None:
        """The time to start is over: what was not sent ends here; who has it gets the time to say what became of it."""
        for name in list(self._pending(opened)):
            part, lane = opened.parts[name], self._lanes[name]
            if part.sent is not None and lane.generation == part.sent:
                grace = lane.limits.max_apply_ms / 1000 + _ANSWER_S
                opened.timers.append(self._loop.call_later(grace, self._give_up, part))
            elif part.stopped:
                self._settle(part, "stopped", "")
            else:
                self._settle(part, "expired", why or lane.lack or f"{name} could not be reached in time")

    def _give_up(self, part: Part) -> None:
        if part.device in self._pending(part.open):
            self._settle(part, "failed", f"{part.device} has the effect but does not say what became of it")

    def _pending(self, opened: Open) -> Iterator[str]:
        return (name for name in opened.parts if name not in opened.statuses)

    def _settle(self, part: Part, status: str, reason: str) -> None:
        opened = part.open
        self._lanes[part.device].parts.pop(opened.effect.id, None)
        opened.statuses[part.device] = status
        if reason and reason not in opened.reasons:
            opened.reasons.append(reason)
        if len(opened.statuses) == len(opened.parts):
            self._finish(opened)

    def _finish(self, opened: Open) -> None:
        for timer in opened.timers:
            timer.cancel()
        del self._open[opened.effect.id]
        status = report.overall(opened.statuses)
        latency = round((self._loop.time() - opened.received) * 1000, 3)
        reason = "; ".join([opened.note] * bool(opened.note) + opened.reasons)
        self._receipts.tell(opened.effect, status, devices=opened.statuses, reason=reason, latency_ms=latency)
        word = (
            "failed"
            if "failed" in opened.statuses.values()
            else "expired"
            if "expired" in opened.statuses.values()
            else ""
        )
        if word:
            self._receipts.dead(word, opened.effect.id, opened.topic, opened.payload, reason)
