"""A driver behind the real actuator: what it is called with and when, and what the publisher would hear of it."""

from collections.abc import Callable
from typing import Any

import msgspec

from drivers.actuator_bench import ActuatorBench
from drivers.host import CHECK_EVERY_S, REOPEN_S
from drivers.kinds import options_of
from drivers.scaling import shaped
from effectd.config.schema import Address, Device
from effectd.driver import Driver
from effectd.messages.effect import Effect


class DriverBench(ActuatorBench):
    """Calls the driver as its program does, off first, but from the test's own thread and by the test's clock.

    calls    each call: ms since the start, the method's name
    levels   each `apply` and `off` that succeeded: ms since the start, the intensity that the driver got (off = 0)
    applied  the effects that `apply` was called with, as the driver got them
    out      what left by `Driver.out`, where `dry_run` keeps the device out of reach
    """

    def __init__(
        self,
        driver: type[Driver],
        options: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        *,
        dry_run: bool = False,
        **device: Any,
    ) -> None:
        """As a section of config.yaml says it; `device` are its further keys (range, curve, effects).

        `dry_run`: nothing is opened, and what leaves by `out` is kept in `out`. Raises ValueError where options, limits
        or another key are wrong, as `effectd check` would say.
        """
        if dry_run and not driver.uses_out:
            raise TypeError(f"{driver.__name__}: uses_out is not True, so a dry run calls none of its methods")
        self.calls: list[tuple[int, str]] = []
        self.levels: list[tuple[int, float]] = []
        self.applied: list[Effect] = []
        self.out: list[bytes | str] = []
        self._busy = self._opened = self._ended = False
        self._failures, self._reopen_at = 0, 0.0
        section = {"kind": driver.__name__, "effects": driver.effects or ("any",), "limits": limits or {}} | device
        super().__init__(msgspec.convert(section, Device))
        self.driver = driver(self.name, msgspec.convert(options or {}, options_of(driver)), Address(host="127.0.0.1"))
        self._dry_run = dry_run
        if dry_run:
            self.driver.instead = self.out.append
        if driver.check is not Driver.check and not dry_run:
            self.loop.call_later(CHECK_EVERY_S, self._check)
        self.wake()

    def close(self) -> None:
        """SIGTERM: off, and the device is let go."""
        self._ended = True
        self.actuator.end()

    def wake(self) -> None:
        """Make every call that is due."""
        if not self._busy:
            self._busy = True
            while self._next():
                pass
            self._busy = False

    def _next(self) -> bool:
        if self.loop.now < self._reopen_at - 1e-9 and not self._ended:
            return False
        if not self._opened:
            if not self._ended:
                self._opened = self._call("reopen" if self._failures else "open") is None
            return not self._ended
        if (change := self.actuator.next()) is None:
            if self._ended:
                self._opened = False
                self._call("close")
            return False
        level = shaped(change.level, self.device) if change.level is not None and change.level.intensity else None
        if level is None:
            raised = self._call("off")
        else:
            self.applied.append(level)
            raised = self._call("apply", level)
        if raised is None:
            self.levels.append((self.ms, float(level.intensity) if level is not None else 0.0))
            if change.effect is None:
                self._failures = 0
        self.actuator.moved(raised)
        return True

    def _call(self, name: str, *arguments: Any) -> Exception | None:
        """One call of the driver; where it raises, the device is opened again after a pause, as its program does it."""
        self.calls.append((self.ms, name))
        call: Callable[..., None] = getattr(self.driver, name)
        if self._dry_run and name not in ("apply", "off"):
            return None
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - an exception is a driver's error protocol
            self._failed()
            return error
        return None

    def _failed(self) -> None:
        self._opened = False
        self.actuator.lost()
        pause_s = REOPEN_S[min(self._failures, len(REOPEN_S) - 1)]
        self._failures += 1
        self._reopen_at = self.loop.now + pause_s
        self.loop.call_later(pause_s, self.wake)

    def _check(self) -> None:
        self.loop.call_later(CHECK_EVERY_S, self._check)
        if self._opened:
            self._call("check")
