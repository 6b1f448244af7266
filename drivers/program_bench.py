"""A bench's stand-in for the driver program: opens, reopens after a pause, checks, closes, makes the calls due."""

from collections.abc import Callable

from drivers.host import CHECK_EVERY_S, REOPEN_S
from effectd.driver import Bus, Driver
from effectd.testing import FakeLoop


class ProgramBench:
    """`change` executes what is due now and returns whether there was anything; `lost`: what is on is unknown.

    `calls`: each call of the driver, in ms since the start, by its name. `out`: what was written by `out` in a dry run.
    """

    def __init__(
        self,
        loop: FakeLoop,
        driver: Driver | Bus,
        *,
        dry_run: bool,
        change: Callable[[], bool],
        lost: Callable[[], None],
    ) -> None:
        kind = type(driver)
        if dry_run and not driver.uses_out:
            raise TypeError(f"{kind.__name__}: uses_out is not True, so a dry run calls none of its methods")
        self.calls: list[tuple[int, str]] = []
        self.out: list[bytes | str] = []
        self._loop, self._driver, self._dry_run, self._change, self._lost = loop, driver, dry_run, change, lost
        self._began = loop.now
        self._busy = self._opened = self._ended = False
        self._failures, self._reopen_at = 0, 0.0
        if dry_run:
            driver.instead = self.out.append
        elif kind.check not in (Driver.check, Bus.check):
            loop.call_later(CHECK_EVERY_S, self._check)

    @property
    def ms(self) -> int:
        return round((self._loop.now - self._began) * 1000)

    @property
    def ready(self) -> bool:
        """Whether the device is open, and stays so."""
        return self._opened and not self._ended

    def wake(self) -> None:
        """Make every call that is due."""
        if not self._busy:
            self._busy = True
            while self._next():
                pass
            self._busy = False

    def call(self, name: str, *arguments: object) -> Exception | None:
        """One call of the driver; after one that raises the device is opened again, with growing pauses."""
        self.calls.append((self.ms, name))
        if self._dry_run and name not in ("apply", "off", "show"):
            return None
        try:
            getattr(self._driver, name)(*arguments)
        except Exception as error:  # noqa: BLE001 - an exception is a driver's error protocol
            self._failed()
            return error
        return None

    def is_off(self) -> None:
        """Off has worked, so the device is well again."""
        self._failures = 0

    def end(self) -> None:
        """From now on nothing is reopened, and once nothing is left to execute the device is closed."""
        self._ended = True

    def _next(self) -> bool:
        if self._loop.now < self._reopen_at - 1e-9 and not self._ended:
            return False
        if self._opened:
            if self._change():
                return True
            if self._ended:
                self._opened = False
                self.call("close")
        elif not self._ended:
            self._opened = self.call("reopen" if self._failures else "open") is None
            return True
        return False

    def _failed(self) -> None:
        self._opened = False
        self._lost()
        pause_s = REOPEN_S[min(self._failures, len(REOPEN_S) - 1)]
        self._failures += 1
        self._reopen_at = self._loop.now + pause_s
        self._loop.call_later(pause_s, self.wake)

    def _check(self) -> None:
        self._loop.call_later(CHECK_EVERY_S, self._check)
        if self._opened:
            self.call("check")
