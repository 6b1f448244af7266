"""The queue of one device: its open shares in order, which of them were sent, and when the others follow."""

from collections.abc import Callable
from functools import partial

import msgspec

from dispatcher_proc.ledger import Ledger
from dispatcher_proc.open_effect import Share
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.schema import Device
from effectd.messages.effect import Effect

WINDOW = 64  # effects sent to one driver and not acknowledged; others wait here, where they delay no device
HELD = 1000  # effects open per device; 2 s of the peak load of a room
ASK_AGAIN_S = 1.0  # after so long without an ack
FENCE_S = 1.0  # how long a stop may wait for a driver's fence; a dead driver sends none
UNKNOWN = Device(kind="remote", effects=("?",))  # of a restored effect whose device is no longer configured

# device, resolved effect, what to call at the broker's PUBACK (or None) -> whether it was sent
Send = Callable[[str, Effect, Callable[[], None] | None], bool]
Settle = Callable[[Share, str, str], None]  # a share has its final status, and why


class Lane:
    """`generation` is that of the device's driver while it is ready; `blocker` says why it is not."""

    def __init__(self, loop: AnyLoop, ledger: Ledger, send: Send, settle: Settle) -> None:
        self._loop, self._ledger, self._send, self._settle = loop, ledger, send, settle
        self.device = UNKNOWN
        self.shares: dict[str, Share] = {}
        self.waiting: dict[str, Share] = {}  # those of them that have to be sent, or sent again
        self.generation: str | None = None
        self.blocker = "not started yet"
        self.stopped_at = 0.0  # the last time, seconds of the loop's clock
        self.driven: Effect | None = None  # the newest effect that its driver has driven
        self._asking: Cancellable | None = None
        self._fences = 0  # stops received to which the driver has not answered with its fence yet
        self._fence_timer: Cancellable | None = None

    @property
    def full(self) -> bool:
        return len(self.shares) >= HELD

    def remove(self, share: Share) -> bool:
        """Remove a settled share; False: it was settled already."""
        if self.shares.pop(share.effect.id, None) is None:
            return False
        self.waiting.pop(share.effect.id, None)
        if self.waiting:
            self._loop.call_soon(self.pump)
        return True

    def close(self) -> None:
        """The device is gone: cancel its timers."""
        for timer in (self._asking, self._fence_timer):
            if timer is not None:
                timer.cancel()

    def ready(self, generation: str) -> None:
        """The device's driver is ready as `generation`: send what is open, in order."""
        if self.generation == generation:
            return
        for share in list(self.shares.values()):
            # again, with the same seq: the driver knows, by its `.seen`, what it has received
            self.waiting[share.effect.id] = share
            if share.delivered and not self.device.acks:
                self._settle(share, "failed", "unconfirmed: the connection was lost before the broker had it")
        self.generation, self.blocker = generation, ""
        self.pump()

    def not_ready(self, blocker: str) -> None:
        """The driver is not ready: hold everything back from now on."""
        self.generation, self.blocker = None, blocker

    def stop(self, *, fence: bool) -> None:
        """A stop has arrived. `fence`: at the driver, too, so what is accepted from now on waits for its fence."""
        self.stopped_at = self._loop.time()
        if fence and self.generation is not None and self.device.acks:
            self._fences += 1
            if self._fence_timer is None:
                self._fence_timer = self._loop.call_later(FENCE_S, self._unfence)

    def fenced(self) -> bool:
        """The driver's fence has arrived; False: it answers a stop that did not arrive here."""
        expected = self._fences > 0
        if expected:
            self._fences -= 1
        return expected

    def resume(self) -> None:
        """A fence has been handled; after the last one the lane is open again."""
        if not self._fences:
            self._unfence()

    def _unfence(self) -> None:
        self._fences = 0
        if self._fence_timer is not None:
            self._fence_timer.cancel()
            self._fence_timer = None
        # what is sent from now on follows the `resume` on the same connection
        self._loop.call_soon(self.pump)

    def pump(self) -> None:
        """Send what waits, as far as the windows of the driver and the connection allow."""
        if self.generation is None or self._fences:
            return
        for effect_id, share in list(self.waiting.items()):
            if share.stopped or len(self.shares) - len(self.waiting) >= WINDOW:
                continue
            taken = None if self.device.acks else partial(self._settle, share, "done", "unconfirmed")
            if not share.delivered:  # before it is sent: a successor must know that it may have been delivered
                share.first_sent = int(self._loop.time() * 1000)
                self._ledger.sent(share.device, effect_id, share.first_sent)
            # the driver compares `seq` only up to `newest`, so it never takes a new effect for an old one (decision 13)
            sent = msgspec.structs.replace(
                share.effect, newest=self._ledger.seq, first_sent=share.first_sent if share.delivered else 0
            )
            if not self._send(share.device, sent, taken):
                return
            share.delivered, share.sent_at = True, self._loop.time()
            self.waiting.pop(effect_id, None)
        if self._asking is None and self.shares and self.device.acks:
            self._asking = self._loop.call_later(ASK_AGAIN_S, self._ask_again)

    def _ask_again(self) -> None:
        """A missing ack may have been lost: send the effect again, and the driver repeats its answer."""
        self._asking = None
        due = self._loop.time() - ASK_AGAIN_S
        self.waiting |= {name: share for name, share in self.shares.items() if share.delivered and share.sent_at <= due}
        self.pump()
