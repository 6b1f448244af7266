"""A bench for a driver behind the real actuator: its calls and their times, and the answers to the publisher."""

from typing import Any

import msgspec

from drivers.actuator_bench import ActuatorBench
from drivers.kinds import options_of
from drivers.program_bench import ProgramBench
from drivers.scaling import shown
from effectd.config.address import Address
from effectd.config.schema import Device
from effectd.driver import Driver
from effectd.messages.effect import Effect


class DriverBench(ActuatorBench):
    """Calls the driver as its program does, off first, but from the test's own thread and by the test's clock.

    calls    each call: ms since the start, the method's name
    levels   each `apply` and `off` that succeeded: ms since the start, the intensity that the driver got (off = 0)
    applied  the effects that `apply` was called with, as the driver got them
    out      what was written by `Driver.out`, if `dry_run` keeps the device untouched
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

        `dry_run`: nothing is opened, and what `out` writes is kept in `out`. Raises ValueError where options, limits
        or another key are wrong, as `effectd check` would say.
        """
        section = {"kind": driver.__name__, "effects": driver.effects or ("any",), "limits": limits or {}} | device
        super().__init__(msgspec.convert(section, Device))
        self.driver = driver(self.name, msgspec.convert(options or {}, options_of(driver)), Address(host="127.0.0.1"))
        self.levels: list[tuple[int, float]] = []
        self.applied: list[Effect] = []
        self._program = ProgramBench(
            self.loop, self.driver, dry_run=dry_run, change=self._change, lost=self.actuator.lost
        )
        self.calls, self.out = self._program.calls, self._program.out
        self.wake()

    def close(self) -> None:
        """SIGTERM: off, and the device is closed."""
        self._program.end()
        self.actuator.end()

    def wake(self) -> None:
        self._program.wake()

    def _change(self) -> bool:
        if (change := self.actuator.next()) is None:
            return False
        if (level := shown(change.level, self.device)) is not None:
            self.applied.append(level)
            raised, intensity = self._program.call("apply", level), float(level.intensity)
        else:
            raised, intensity = self._program.call("off"), 0.0
        if raised is None:
            self.levels.append((self.ms, intensity))
            if change.effect is None:
                self._program.is_off()
        self.actuator.moved(raised)
        return True
