"""The program around actuators: calls the driver on its own thread, opens and reopens the device, serves the gate.

One loop decides; the driver's calls run on the worker's thread, one at a time: `_next` picks the one that is due.
One program drives one device, or all the devices of a bus: those share the driver, and with it every failure.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from drivers.actuator import OFF, Change
from drivers.member import Member
from drivers.refresh import Refresh
from drivers.scaling import shown
from drivers.solo import Solo
from drivers.worker import Worker
from effectd.base.errors import in_words
from effectd.base.loop import AnyLoop
from effectd.base.rounds import next_round
from effectd.driver import Bus, Driver, Effect
from effectd.program.broker_session import BrokerSession
from effectd.program.holds import FILE, Holds
from effectd.program.process import Process
from effectd.readiness.gate import Reply, Request

REOPEN_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
OPEN_LIMIT_S = 30.0
STOP_LIMIT_S = 3.0  # supervisord sends SIGKILL after stopwaitsecs=5
CHECK_EVERY_S = 1.0

log = logging.getLogger(__name__)


class _Stop(NamedTuple):
    """A stop or a hold asked for at the gate: answered when none of `waiting` is left."""

    waiting: set[str]
    reply: Reply
    answer: dict[str, Any]


class Host:
    """The life of the devices of one driver program. `exit_code` is what the process ends with."""

    def __init__(self, process: Process, loop: AnyLoop, driver: Driver | Bus) -> None:
        self._process, self._loop = process, loop
        self._driver = driver
        self._bus = driver if isinstance(driver, Bus) else Solo(driver)
        self.exit_code = 0
        self._worker = Worker(loop, self._too_long)
        self._refresh = Refresh(loop, self._bus, self._next, self._again)
        self._opened = False
        self._failures = 0
        self._stopping = False
        self._reopen_at = 0.0  # when a failed device is opened again
        self._stops: list[_Stop] = []
        self._watcher = process.watcher(loop)
        self._broker = BrokerSession(process, loop, self._watcher, trouble="opening the device")
        driver.back = lambda: loop.call_soon_threadsafe(self._back)
        names = process.config.devices_of(process.name)
        self._holds = Holds(process.run, process.name, loop)
        self._members = {name: Member(process, loop, name, self._broker, self._holds, self._next) for name in names}
        for name, member in self._members.items():
            member.reporter.understood = self._bus.understands(name)
        self._levels: dict[str, Effect | None] = dict.fromkeys(names)
        # a hanging device must not be waited for longer than the strictest device on the bus allows
        self._limit_s = min(member.device.limits.max_apply_ms for member in self._members.values()) / 1000
        self._held()
        self._holds.watch(self._held, lambda trouble: self._broker.journal_trouble(trouble, FILE))
        process.gate.on_request = self._request
        self._broker.start()
        if type(driver).check not in (Driver.check, Bus.check):
            loop.call_later(next_round(loop, CHECK_EVERY_S), self._check)
        self._next()

    def stop(self) -> None:
        """SIGTERM, or supervisord is gone: switch off, report it, close the device, end."""
        if not self._stopping:
            self._stopping = True
            self._process.gate.say("stopping")
            self._loop.call_later(STOP_LIMIT_S, self._exit, 1)
            for member in self._members.values():
                member.actuator.end()

    def _request(self, request: Request, reply: Reply) -> None:
        device = request.get("device")
        if request.get("do") in {"hold", "release"}:
            self._hold(request, reply)
        elif request.get("do") != "stop":
            reply({"error": 'this program knows {"do": "stop"}, "hold" and "release"'})
        elif device is not None and device not in self._members and device != self._process.name:
            reply({"error": f"no device {str(device)[:64]!r} here; here are {', '.join(self._members)}"})
        else:
            asked = {device} if device in self._members else set(self._members)
            self._stops.append(_Stop(set(asked), reply, {"done": "stop", "off": True}))
            for name in asked:
                self._members[name].actuator.stop(everything=request.get("all") is True)

    def _hold(self, request: Request, reply: Reply) -> None:
        """As a message on `holds/<name>`, bypassing the broker; the answer lists what it holds, or what stays held."""
        if refused := self._holds.asked(request):
            reply(refused)
            return
        held = {member.name: why for member in self._members.values() if (why := member.why_held)}
        if request["do"] == "hold":
            hold = self._holds.standing.get(request["name"])
            held = {name: why for name, why in held.items() if hold and self._members[name].in_target(hold)}
        answer = {"done": request["do"], "off": True, "held": held}
        if request["do"] == "release" or not held:
            reply(answer)
            return
        self._stops.append(_Stop(set(held), reply, answer))
        for device in held:
            if self._members[device].actuator.state == "off":  # held already: it is switched off again all the same
                self._members[device].actuator.lost()
        self._next()

    def _held(self) -> None:
        """The holds on some of the devices have changed."""
        for member in self._members.values():
            member.actuator.hold(member.why_held)
        alone = len(self._members) == 1
        held = {member.name: member.why_held for member in self._members.values() if member.why_held}
        self._broker.remark("; ".join(why if alone else f"{name}: {why}" for name, why in held.items()))

    # --- calls ---------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Start the call that is due now, if none runs: open, what has changed, close."""
        if self._worker.busy or (self._loop.time() < self._reopen_at and not self._stopping):
            return
        if not self._opened:
            if self._stopping:
                self._exit(1 if self._failures else 0)  # it could not be switched off: report that by the exit code
            else:
                self._driver.broker = self._broker.address  # of several nodes the one that the home uses now
                self._call(self._open_done, OPEN_LIMIT_S, self._bus.reopen if self._failures else self._bus.open)
        elif not self._refresh.allows():
            return
        elif changes := {name: change for name, m in self._members.items() if (change := m.actuator.next())}:
            for name, change in changes.items():
                self._levels[name] = shown(change.level, self._members[name].device)
            self._show(lambda raised: self._moved(changes, raised))
        elif self._stopping:
            self._call(self._close_done, 1.0, self._bus.close)

    def _show(self, done: Callable[[Exception | None], None]) -> None:
        self._refresh.shown()
        self._call(done, self._limit_s, self._bus.show, dict(self._levels))

    def _call(self, done: Callable[[Exception | None], None], limit_s: float, *call: Any) -> None:
        self._worker.do(lambda raised, late: self._called(done, raised, late), limit_s, *call)

    def _called(self, done: Callable[[Exception | None], None], raised: Exception | None, late: bool) -> None:
        if raised is not None:
            self._fail(raised)
        elif late:
            self._lost()  # the late call returned after all
            self._broker.trouble("")
        done(raised)
        self._next()

    def _moved(self, changes: dict[str, Change], raised: Exception | None) -> None:
        for name, change in changes.items():
            self._members[name].actuator.moved(raised)
            if change is OFF and raised is None:
                self._is_off(name)

    def _is_off(self, name: str) -> None:
        for stop in self._stops:
            stop.waiting.discard(name)
            if not stop.waiting:
                stop.reply(stop.answer)
        self._stops = [stop for stop in self._stops if stop.waiting]
        if not self._stopping:
            self._failures = 0
            self._broker.trouble("")
            self._members[name].reporter.available(True)

    def _too_long(self, limit_s: float, again: bool) -> None:
        """A call exceeded its limit: report it; if it takes as long again, only a fresh process helps."""
        if again:
            log.error("the device still hangs; restarting")
            self._exit(1)
            return
        why = f"the device did not answer within {limit_s * 1000:g} ms"
        log.error(why)
        self._broker.trouble(why)
        for member in self._members.values():
            member.actuator.overdue(why)
            member.reporter.available(False)

    def _open_done(self, raised: Exception | None) -> None:
        self._opened = raised is None

    def _close_done(self, _raised: Exception | None) -> None:
        self._opened = False
        self._exit(0)

    def _fail(self, raised: Exception) -> None:
        """The device failed: open it again after a pause, off first."""
        self._opened = False
        self._lost()
        wait = REOPEN_S[min(self._failures, len(REOPEN_S) - 1)]
        self._failures += 1
        log.error("the device failed (%s); opening it again in %g s", in_words(raised), wait)
        self._broker.trouble(in_words(raised))
        for member in self._members.values():
            member.reporter.available(False)
        self._reopen_at = self._loop.time() + wait
        self._loop.call_later(wait, self._next)

    def _back(self) -> None:
        """The driver reports that the device is back: open it without further pause."""
        if not self._opened:
            self._reopen_at = 0.0
            self._next()

    def _lost(self) -> None:
        """The state of the devices is unknown: each is switched off first."""
        for member in self._members.values():
            member.actuator.lost()

    def _check(self) -> None:
        """Check an idle device, so that an unplugged one is noticed at once, not when the next effect fails."""
        self._loop.call_later(next_round(self._loop, CHECK_EVERY_S), self._check)
        if self._opened and not self._worker.busy:
            self._call(lambda _raised: None, self._limit_s, self._bus.check)

    def _again(self) -> None:
        """Show the levels again."""
        if self._opened and not self._worker.busy and not self._stopping:
            self._show(lambda _raised: None)

    def _exit(self, code: int) -> None:
        self.exit_code = code
        for member in self._members.values():
            member.reporter.close()
        self._holds.close()
        self._broker.close()
        self._watcher.close()
        self._loop.stop()
