"""The program around an actuator: its driver's calls on a thread of their own, opening and reopening, MQTT, the gate.

One loop decides; the driver's own calls run on the worker's thread, one at a time: `_next` picks the one that is due.
"""

import logging
from collections.abc import Callable
from typing import Any

from drivers.actuator import OFF, Actuator, Change
from drivers.envelope import Envelope
from drivers.fence import Fence
from drivers.reporter import JOURNAL_BYTES, Reporter
from drivers.scaling import shaped
from drivers.worker import Worker
from effectd.base.errors import EffectRefused
from effectd.base.journal import Journal
from effectd.base.loop import AnyLoop
from effectd.config.lights import sharing
from effectd.driver import Driver
from effectd.messages.effect import from_set
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
        self._limit_s = self._device.limits.max_apply_ms / 1000
        self.exit_code = 0
        self._worker = Worker(loop, self._too_long)
        self._opened = False
        self._failures = 0
        self._stopping = False
        self._reopen_at = 0.0  # the moment at which a failed device is opened again
        self._stop_replies: list[Reply] = []
        topics = process.config.topics
        journal = Journal(process.run / f"{process.name}.seen", JOURNAL_BYTES)
        self._reporter = Reporter(loop, topics, process.name, self._device, journal)
        self._fence = Fence(journal, self._reporter.fence)
        lights = sharing(process.name, process.config.devices)
        envelope = Envelope(loop, self._device, journal, lights)
        self._actuator = Actuator(loop, self._device, self._reporter, self._fence, envelope, self._next)
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
            self._actuator.end()

    # --- what comes in -------------------------------------------------------------------------------------------

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:
            return  # a stored command is an old one
        if topic == self._topic_set:
            self._set(payload)
        elif topic == self._topic_resume:
            self._fence.resume(payload)
        else:
            log.info("stop (%s)", topic)
            self._actuator.stop()

    def _set(self, payload: bytes) -> None:
        try:
            effect = from_set(payload)
        except EffectRefused as error:
            log.warning("refused: %s", error)
            return
        self._actuator.take(effect)

    def _request(self, request: Request, reply: Reply) -> None:
        if request.get("do") == "stop":
            self._stop_replies.append(reply)
            self._actuator.stop()
        else:
            reply({"error": 'this program knows {"do": "stop"} and nothing else'})

    def _connected(self) -> None:
        self._reporter.connected()
        self._fence.connected()

    # --- what is done --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Start the call that is due now, if none runs: open, the actuator's next change, close."""
        if self._worker.busy or (self._loop.time() < self._reopen_at and not self._stopping):
            return
        if not self._opened:
            if self._stopping:
                self._exit(1 if self._failures else 0)  # it could not be switched off: say so
            else:
                self._call(self._open_done, OPEN_LIMIT_S, self._driver.reopen if self._failures else self._driver.open)
        elif (change := self._actuator.next()) is not None:
            call: tuple[Any, ...] = (self._driver.off,)
            if change.level is not None and change.level.intensity:
                call = self._driver.apply, shaped(change.level, self._device)
            self._call(lambda raised: self._moved(change, raised), self._limit_s, *call)
        elif self._stopping:
            self._call(self._close_done, 1.0, self._driver.close)

    def _call(self, done: Callable[[Exception | None], None], limit_s: float, *call: Any) -> None:
        self._worker.do(lambda raised, late: self._called(done, raised, late), limit_s, *call)

    def _called(self, done: Callable[[Exception | None], None], raised: Exception | None, late: bool) -> None:
        if raised is not None:
            self._fail(raised)
        elif late:
            self._actuator.lost()  # it came back after all
            self._broker.trouble("")
        done(raised)
        self._next()

    def _moved(self, change: Change, raised: Exception | None) -> None:
        self._actuator.moved(raised)
        if change is OFF and raised is None:
            for reply in self._stop_replies:
                reply({"done": "stop", "off": True})
            self._stop_replies.clear()
            if not self._stopping:
                self._failures = 0
                self._broker.trouble("")
                self._reporter.available(True)

    def _too_long(self, limit_s: float, again: bool) -> None:
        """A call outlived its limit: say so; if it goes on for as long again, a fresh process is the only cure."""
        if again:
            log.error("the device still hangs; starting afresh")
            self._exit(1)
            return
        why = f"the device did not answer within {limit_s * 1000:g} ms"
        log.error(why)
        self._actuator.overdue(why)
        self._broker.trouble(why)
        self._reporter.available(False)

    def _open_done(self, raised: Exception | None) -> None:
        self._opened = raised is None

    def _close_done(self, _raised: Exception | None) -> None:
        self._opened = False
        self._exit(0)

    def _fail(self, raised: Exception) -> None:
        """The device failed: open it again after a pause, off first."""
        self._opened = False
        self._actuator.lost()
        wait = REOPEN_S[min(self._failures, len(REOPEN_S) - 1)]
        self._failures += 1
        log.error("the device failed (%s: %s); opening it again in %g s", type(raised).__name__, raised, wait)
        self._broker.trouble(f"{type(raised).__name__}: {raised}")
        self._reporter.available(False)
        self._reopen_at = self._loop.time() + wait
        self._loop.call_later(wait, self._next)

    def _check(self) -> None:
        """A device that was unplugged while it was idle shows at once, not when the next effect fails."""
        self._loop.call_later(CHECK_EVERY_S, self._check)
        if self._opened and not self._worker.busy:
            self._call(lambda _raised: None, self._limit_s, self._driver.check)

    def _exit(self, code: int) -> None:
        self.exit_code = code
        self._reporter.close()
        self._broker.close()
        self._watcher.close()
        self._loop.stop()
