"""Delivers each effect: waits for its devices' drivers, sends it, awaits their acks, settles it with one final status.

An effect has one share for each of its devices. Each begins as `waiting`; when all are settled, the effect has its
final status. What happens to a share, by its state:

| event          | waiting           | sent                   | again                  | stopped           |
|----------------|-------------------|------------------------|------------------------|-------------------|
| driver ready   | waiting / sent    | sent / again / settled | again / sent / settled | stopped / settled |
| send           | waiting / sent    | sent                   | again / sent           | stopped           |
| ask again      | waiting / sent    | sent / again           | again / sent           | stopped           |
| ack            | settled           | settled                | settled                | settled           |
| broker has it  | -                 | settled                | -                      | settled           |
| stop           | settled           | stopped / settled      | stopped / settled      | stopped / settled |
| fence          | waiting / settled | stopped / settled      | stopped / settled      | stopped / settled |
| time is up     | settled           | sent                   | again                  | stopped           |
| no answer      | -                 | settled                | settled                | settled           |
| device removed | settled           | settled                | settled                | settled           |
| death          | waiting / again   | again                  | again                  | stopped           |

`waiting`: certainly not delivered. `sent`: it may have been delivered, so that only the driver knows its outcome.
`again`: likewise, and it is to be sent once more. `stopped`: sent before a stop, and the driver has to say what came
first. Nothing leads out of `settled`. For a device that sends no acks a share is settled when the broker has it, or as
failed where the connection was lost before that. `death` is the dispatcher's: its successor finds this state.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from dispatcher_proc.lane import HELD, Lane, Send
from dispatcher_proc.ledger import Found, Ledger
from dispatcher_proc.open_effect import OpenEffect, Share
from dispatcher_proc.receipts import Receipts
from effectd.base.loop import AnyLoop
from effectd.config.schema import Device
from effectd.messages import answers
from effectd.messages.answers import Ack
from effectd.messages.effect import ACCEPTED_WITHIN_MS, Deadline, Effect

HELD_BYTES = 16 << 20  # payloads of all that is open
_ANSWER_S = 0.5  # on top of max_apply_ms: how long a driver that has an effect may take to acknowledge it
# what an ack may say; `refused` counts as failed
_WORDS = frozenset({"done", "expired", "failed", "stopped", "superseded"})

# id, topic and payload of an effect that is refused, and why: counted for a dead letter
Overloaded = Callable[[str, str, bytes, str], None]


class Delivery:
    """All open effects. Times are seconds of `loop.time()`, which is CLOCK_MONOTONIC."""

    def __init__(self, loop: AnyLoop, send: Send, receipts: Receipts, ledger: Ledger, overload: Overloaded) -> None:
        self._loop, self._send, self._receipts, self._ledger, self._overload = loop, send, receipts, ledger, overload
        self._bytes = 0  # of the payloads of all that is open
        self._lanes: dict[str, Lane] = {}
        self._open: dict[str, OpenEffect] = {}

    def configure(self, devices: dict[str, Device]) -> None:
        """Use these devices and no others; what is open on a removed one ends as failed."""
        for name in set(self._lanes) - set(devices):
            for share in list(self._lanes[name].shares.values()):
                self._settle(share, "failed", f"{name} is no longer in config.yaml")
            self._lanes.pop(name).close()
        for name, device in devices.items():
            self._lane(name).device = device

    def has_open(self, effect_id: str) -> bool:
        """Whether this effect is open: accepted, without a final status yet."""
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
        """Accept an effect whose plan has at least one device; from now on it will get one final status.

        `received`: when it arrived, if it had to queue; a stop that arrived meanwhile ends it. `held`: the held
        devices, and why.
        """
        full = [name for name in devices if self._lanes[name].full]
        if full or self._bytes >= HELD_BYTES:
            waiting = f"{HELD} effects wait already for {', '.join(full)}" if full else "16 MiB of effects wait"
            reason = f"overload: {waiting}"
            self._receipts.publish(effect, "refused", devices={}, reason=reason, latency_ms=None, remember=False)
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
            opened.shares[name] = Share(name, sealed, opened)
        try:
            record = self._ledger.record(opened)
        except Exception:  # it cannot be written to the journal, so it is not accepted, and nothing of it may stay
            self._receipts.abandon(effect.id)
            raise
        self._register(opened)
        left_s = now + ttl_ms / 1000 - self._loop.time()
        if left_s <= 0:
            self._expire(opened, opened.past)
            return
        for share in opened.pending:
            if now < self._lanes[share.device].stopped_at or share.device in held:
                self._settle(share, "stopped", held.get(share.device, ""))
        if not opened.pending:
            return
        opened.safe = self._ledger.open(effect.id, self._ledger.record(opened) if opened.statuses else record)
        self._set_timers(opened, left_s)
        for share in opened.pending:
            lane = self._lanes[share.device]
            lane.waiting[effect.id] = share
            lane.pump()

    def _register(self, opened: OpenEffect) -> None:
        self._open[opened.effect.id] = opened
        self._bytes += len(opened.payload)
        for share in opened.pending:
            self._lane(share.device).shares[opened.effect.id] = share

    def _lane(self, device: str) -> Lane:
        if device not in self._lanes:
            self._lanes[device] = Lane(self._loop, self._ledger, self._send, self._settle)
        return self._lanes[device]

    def _keep(self, opened: OpenEffect) -> None:
        opened.safe = self._ledger.open(opened.effect.id, self._ledger.record(opened))

    def restore(self, found: Found) -> None:
        """After a death: reopen every accepted effect that has no final status, with its old deadline.

        It is sent again with its old `seq`: the driver knows what it has received (its `.seen`) and says so.
        """
        for opened, deadline, accepted in found.open:
            self._register(opened)
            opened.announced = accepted is not None
            self._set_timers(opened, max(0.0, deadline - self._loop.time()))
            for share in opened.pending:
                self._lanes[share.device].waiting[opened.effect.id] = share
                if share.stopped:
                    opened.timers.append(self._loop.call_later(_ANSWER_S, self._give_up, share))

    def _set_timers(self, opened: OpenEffect, ttl_s: float) -> None:
        """Set the timers that publish `accepted` and end the effect at its deadline."""
        accepted_in = opened.received + ACCEPTED_WITHIN_MS / 1000 - self._loop.time()
        opened.timers = [
            self._loop.call_later(max(0.0, accepted_in), self._announce, opened),
            self._loop.call_later(ttl_s, self._expire, opened),
        ]

    def ready(self, device: str, generation: str) -> None:
        """The device's driver is ready as `generation`."""
        self._lanes[device].ready(generation)

    def not_ready(self, device: str, blocker: str) -> None:
        """Hold effects back from now on; `blocker` is the reason that a receipt names if it stays so."""
        self._lanes[device].not_ready(blocker)

    def is_ready(self, device: str, generation: str) -> bool:
        """Whether effects are sent to the device's driver as `generation`."""
        return self._lanes[device].generation == generation

    def fenced(self, device: str, *, expected: bool = False) -> bool:
        """The driver has switched off and accepts nothing before `resume`: end what was accepted before that.

        If this dispatcher has received the stop itself (True, as if it is `expected`), it has done so already, and
        later effects go on.
        """
        lane = self._lanes.get(device)
        if lane is None:
            return True
        heard = lane.fenced() or expected
        if not heard:
            self.stop(device, fence=False)
        lane.resume()
        return heard

    def acked(self, device: str, ack: Ack) -> None:
        """The driver has acknowledged one effect; a repeated ack changes nothing."""
        share = self._lanes[device].shares.get(ack.id) if device in self._lanes else None
        if share is not None:
            status = ack.status if ack.status in _WORDS else "failed"
            share.open.unused[device] = ack.unused or ()
            self._settle(share, status, f"{device}: {ack.reason}" if ack.reason else "")

    def present(self, device: str) -> list[str]:
        """The ids of the effects that may be on there: the last one driven, and newer ones that are still open."""
        lane = self._lanes.get(device)
        if lane is None:
            return []
        driven = lane.driven
        newer = [share.effect.id for share in lane.shares.values() if driven is None or share.effect.seq > driven.seq]
        return newer if driven is None else [driven.id, *newer]

    def stop(self, device: str | None = None, *, fence: bool = True, reason: str = "") -> None:
        """End what waits for the device, or for all. What a driver already has, it ends and acknowledges itself.

        `fence`: the drivers receive the same stop; what is accepted from now on waits until they have confirmed it.
        """
        lanes = self._lanes.values() if device is None else [self._lanes[device]] if device in self._lanes else []
        for lane in lanes:
            lane.stop(fence=fence)
            for share in list(lane.shares.values()):
                share.stopped = True
                if not share.delivered or lane.generation is None:
                    self._settle(share, "stopped", reason)
                else:
                    self._keep(share.open)
                    share.open.timers.append(self._loop.call_later(_ANSWER_S, self._give_up, share))

    def pump(self) -> None:
        """The connection has room again: send what was held back."""
        for lane in self._lanes.values():
            lane.pump()

    def __len__(self) -> int:
        return len(self._open)

    def _announce(self, opened: OpenEffect) -> None:
        if opened.announced or not opened.safe:
            return
        opened.announced = True
        blockers = [self._lanes[share.device].blocker for share in opened.pending]
        reason = "; ".join(filter(None, [opened.note, *(f"waiting: {blocker}" for blocker in blockers if blocker)]))
        self._receipts.publish(opened.effect, "accepted", devices=dict(opened.statuses), reason=reason, latency_ms=None)

    def _expire(self, opened: OpenEffect, why: str = "") -> None:
        """The deadline has passed: what was not sent ends here; a driver that has it gets time to acknowledge it."""
        for share in opened.pending:
            lane = self._lanes[share.device]
            if share.delivered:
                grace = lane.device.limits.max_apply_ms / 1000 + _ANSWER_S
                opened.timers.append(self._loop.call_later(grace, self._give_up, share))
            else:
                self._settle(share, "expired", why or lane.blocker or f"{share.device} could not be reached in time")

    def _give_up(self, share: Share) -> None:
        if share not in share.open.pending:
            return
        if share.stopped:
            self._settle(share, "stopped", "")
        else:
            self._settle(share, "failed", f"{share.device} may have the effect and does not acknowledge it")

    def _settle(self, share: Share, status: str, reason: str) -> None:
        opened, lane = share.open, self._lanes.get(share.device)
        if lane is None or not lane.remove(share):  # it was settled already
            return
        opened.statuses[share.device] = status
        if status == "done" and (lane.driven is None or share.effect.seq > lane.driven.seq):
            lane.driven = share.effect
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
        self._receipts.publish(opened.effect, status, devices=opened.statuses, reason=reason, latency_ms=latency)
        self._ledger.closed(opened)  # only now: at every moment the journal has its opening or its end
        word = next((word for word in ("failed", "expired") if word in opened.statuses.values()), "")
        if word:
            self._receipts.dead(word, opened.effect.id, opened.topic, opened.payload, opened.reason)
