"""Everything that a driver does not have to know: limits, off timer, newest wins, stop, reopening, telling.

One loop decides; the driver's own calls run on the worker's thread, one at a time: `_next` picks the one that is due.
"""

import logging
from collections.abc import Callable
from typing import Any

from drivers import deadline
from drivers.driver import Driver
from drivers.fence import Fence
from drivers.order import Order
from drivers.reporter import JOURNAL_BYTES, Reporter
from drivers.scaling import limited, shaped
from drivers.waiting import Waiting
from drivers.worker import Worker
from effectd.base.errors import EffectRefused
from effectd.base.journal import Journal
from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages.effect import Effect, boot_id, from_set
from effectd.program.broker_session import BrokerSession
from effectd.program.process import Process
from effectd.readiness.gate import Reply, Request

REOPEN_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
OPEN_LIMIT_S = 30.0
STOP_LIMIT_S = 3.0  # supervisord sends SIGKILL after stopwaitsecs=5
CHECK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Host:
    """The life of one device. `exit_code` is what the process ends with."""

    def __init__(self, process: Process, loop: AnyLoop, driver: Driver) -> None:
        self._process, self._loop, self._driver = process, loop, driver
        self._device = process.config.device(process.name)
        self._limits = self._device.limits
        boot = boot_id()
        self._left: Callable[[Effect], float] = lambda effect: deadline.left(effect, boot, loop.time())
        self._waiting = Waiting(loop, self._left, self._expired)
        self.exit_code = 0
        self._worker = Worker(loop, self._too_long)
        self._opened = False
        self._off_due = True  # first of all, before any waiting: whatever a dead predecessor left on goes off
        self._current: Effect | None = None
        self._failures = 0
        self._stopping = False
        self._earliest = 0.0  # the next moment at which max_rate_hz allows a change
        self._reopen_at = 0.0  # the moment at which a failed device is opened again
        self._rate: Cancellable | None = None  # before max_rate_hz allows the next change
        self._running: Effect | None = None
        self._off_timer: Cancellable | None = None
        self._stop_replies: list[Reply] = []
        topics = process.config.topics
        journal = Journal(process.run / f"{process.name}.seen", JOURNAL_BYTES)
        self._reporter = Reporter(loop, topics, process.name, self._device, journal)
        self._order = Order(self._reporter.driven)
        self._fence = Fence(journal, self._reporter.fence)
        self._ack = self._reporter.ack
        self._topic_set, self._topic_resume = topics.set(process.name), topics.resume(process.name)
        self._watcher = process.watcher(loop)
        self._broker = BrokerSession(
            process,
            loop,
            self._watcher,
            subscriptions=(topics.stop_all, topics.stop(process.name), self._topic_resume, self._topic_set),
            on_message=self._message,
            on_up=self._connected,
            will=(topics.availability(process.name), b"offline"),
            trouble="opening the device",
        )
        self._reporter.link = self._broker.link
        journal.watch(loop, self._broker.journal_trouble)
        process.gate.on_request = self._request
        if type(driver).check is not Driver.check:
            loop.call_later(CHECK_EVERY_S, self._check)
        self._next()

    def stop(self) -> None:
        """SIGTERM, or supervisord is gone: off, tell, let the device go, end."""
        if not self._stopping:
            self._stopping = True
            self._process.gate.say("stopping")
            self._loop.call_later(STOP_LIMIT_S, self._exit, 1)
            self._halt("stopped: the driver is ending")

    # --- what comes in -------------------------------------------------------------------------------------------

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:
            return  # a stored command is an old one
        if topic == self._topic_set:
            self._take(payload)
        elif topic == self._topic_resume:
            self._fence.resume(payload)
        else:
            log.info("stop (%s)", topic)
            self._stop_device()

    def _request(self, request: Request, reply: Reply) -> None:
        if request.get("do") == "stop":
            self._stop_replies.append(reply)
            self._stop_device()
        else:
            reply({"error": 'this program knows {"do": "stop"} and nothing else'})

    def _stop_device(self) -> None:
        self._fence.raise_()
        self._halt("stopped")

    def _connected(self) -> None:
        self._reporter.connected()
        self._fence.connected()

    def _take(self, payload: bytes) -> None:
        try:
            effect = from_set(payload)
        except EffectRefused as error:
            log.warning("refused: %s", error)
            return
        if not self._reporter.first_time(effect):
            return
        if self._stopping:
            self._ack(effect, "stopped", "the driver is ending")
        elif self._fence.up:
            self._ack(effect, "stopped", "it was published before a stop")
        elif self._reporter.lost_track_of(effect):
            self._ack(effect, "failed", "it may have been driven already: what this driver had noted is lost")
        elif self._order.overtaken(effect):
            self._ack(effect, "superseded", "a newer effect was here first")
        elif self._left(effect) < 0:
            self._ack(effect, "expired", "arrived after its deadline")
        elif (holder := self._holder()) and holder.priority > effect.priority:
            self._ack(effect, "superseded", f"effect {holder.id} has priority {holder.priority}")
        else:
            if (older := self._waiting.take()) is not None:
                self._ack(older, "superseded", f"effect {effect.id} took its place")
            self._order.took(effect)
            self._waiting.put(effect)
            self._next()
            self._waiting.look()  # if it still waits: the device is busy, or max_rate_hz says so

    def _holder(self) -> Effect | None:
        """Whose priority a newcomer has to reach: what waits, else what is being applied, else what is on."""
        if self._waiting.effect is not None or self._off_due:  # what is on and about to go off holds nothing
            return self._waiting.effect
        return self._running if self._running and self._running.intensity and not self._worker.late else self._current

    def _expired(self, effect: Effect) -> None:
        self._ack(effect, "expired", "its deadline passed while it waited for the device")

    def _halt(self, reason: str) -> None:
        """Off, as soon as the actuator can; what waits is not driven any more."""
        if (waiting := self._waiting.take()) is not None:
            self._ack(waiting, "stopped", reason)
        self._off_due = True
        self._next()

    # --- what is done --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Start the call that is due now, if none runs: open, off, close, or the waiting effect."""
        if self._worker.busy or (self._loop.time() < self._reopen_at and not self._stopping):
            return
        if not self._opened:
            if self._stopping:
                self._exit(1 if self._failures else 0)  # it could not be switched off: say so
            else:
                self._call(self._open_done, OPEN_LIMIT_S, self._driver.reopen if self._failures else self._driver.open)
        elif self._off_due:
            self._off_due, self._current = False, None
            self._call(self._off_done, self._limits.max_apply_ms / 1000, self._driver.off)
        elif self._stopping:
            self._call(self._close_done, 1.0, self._driver.close)
        elif self._waiting.effect is not None:
            self._start()

    def _start(self) -> None:
        wait = self._earliest - self._loop.time()
        if wait > 0:
            if self._rate is None:
                self._rate = self._loop.call_later(wait, self._rate_allows)
            return
        if (effect := self._waiting.due()) is None:
            return
        self._waiting.take()
        if not self._reporter.seen(effect) and effect.intensity:  # a successor might drive it again; off harms nobody
            self._ack(effect, "failed", "cannot be noted: " + self._reporter.trouble)
            return
        self._earliest = self._loop.time() + 1 / self._limits.max_rate_hz
        effect = limited(effect, self._device)
        wanted = shaped(effect, self._device)
        call: tuple[Any, ...] = (self._driver.apply, wanted) if effect.intensity else (self._driver.off,)
        limit_s = self._limits.max_apply_ms / 1000
        self._call(lambda raised: self._apply_done(effect, raised), limit_s, *call, running=effect)

    def _call(
        self, done: Callable[[Exception | None], None], limit_s: float, *call: Any, running: Effect | None = None
    ) -> None:
        self._running = running
        self._worker.do(lambda raised, late: self._called(done, raised, late), limit_s, *call)

    def _called(self, done: Callable[[Exception | None], None], raised: Exception | None, late: bool) -> None:
        self._running = None
        if raised is not None:
            self._fail(raised)
        elif late:
            self._off_due = True  # it came back after all, and nobody knows what it did
            self._broker.trouble("")
        done(raised)
        self._next()

    def _too_long(self, limit_s: float, again: bool) -> None:
        """A call outlived its limit: say so; if it goes on for as long again, a fresh process is the only cure."""
        if again:
            log.error("the device still hangs; starting afresh")
            self._exit(1)
            return
        why = f"the device did not answer within {limit_s * 1000:g} ms"
        log.error(why)
        if self._running is not None:
            self._ack(self._running, "failed", why)
        self._broker.trouble(why)
        self._reporter.available(False)

    def _open_done(self, raised: Exception | None) -> None:
        if raised is None:
            self._opened, self._off_due = True, True

    def _off_done(self, raised: Exception | None) -> None:
        if raised is not None:
            return
        self._end_current()
        self._reporter.state(None)
        for reply in self._stop_replies:
            reply({"done": "stop", "off": True})
        self._stop_replies.clear()
        if not self._stopping:
            self._failures = 0
            self._broker.trouble("")
            self._reporter.available(True)

    def _close_done(self, _raised: Exception | None) -> None:
        self._opened = False
        self._exit(0)

    def _apply_done(self, effect: Effect, raised: Exception | None) -> None:
        if raised is not None:
            self._ack(effect, "failed", f"{type(raised).__name__}: {raised}")
            return
        self._end_current()
        if effect.intensity:
            self._current = effect
            on_ms = effect.duration or self._limits.max_on_ms
            self._off_timer = self._loop.call_later(on_ms / 1000, self._time_is_up)
        self._ack(effect, "done")
        self._reporter.state(effect)

    def _time_is_up(self) -> None:
        if self._running is None:  # else its successor is being applied, and must not be ended with it
            self._off_due = True
            self._next()

    def _end_current(self) -> None:
        self._current = None
        if self._off_timer is not None:
            self._off_timer.cancel()
            self._off_timer = None

    def _fail(self, raised: Exception) -> None:
        """The device failed: open it again after a pause, off first."""
        self._opened = False
        wait = REOPEN_S[min(self._failures, len(REOPEN_S) - 1)]
        self._failures += 1
        log.error("the device failed (%s: %s); opening it again in %g s", type(raised).__name__, raised, wait)
        self._broker.trouble(f"{type(raised).__name__}: {raised}")
        self._reporter.available(False)
        self._reopen_at = self._loop.time() + wait
        self._loop.call_later(wait, self._next)

    def _rate_allows(self) -> None:
        self._rate = None
        self._next()

    def _check(self) -> None:
        """A device that was unplugged while it was idle shows at once, not when the next effect fails."""
        self._loop.call_later(CHECK_EVERY_S, self._check)
        if self._opened and not self._worker.busy:
            self._call(lambda _raised: None, self._limits.max_apply_ms / 1000, self._driver.check)

    def _exit(self, code: int) -> None:
        self.exit_code = code
        self._reporter.close()
        self._broker.close()
        self._watcher.close()
        self._loop.stop()
