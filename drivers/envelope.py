"""The limits of one actuator over time, for any number of effects: budget, max_on_ms in one go, min_off_ms, flashes.

Each is noted in the driver's journal before the device is touched, so that a death or a reboot refills nothing.
"""

import math

from drivers import budget as budgets
from drivers.flash import Flash
from drivers.on_time import OnTime
from effectd.base.journal import Notes
from effectd.base.loop import AnyLoop
from effectd.config.schema import Device
from effectd.messages.effect import Effect, boot_id

FLASH_LIMIT = "flash limit"


class Envelope:
    """`flash`: its flash limit, if it has one. All moments are seconds of the loop's clock."""

    def __init__(self, loop: AnyLoop, device: Device, journal: Notes, flash: Flash | None = None) -> None:
        self._loop, self._limits, self._flash = loop, device.limits, flash
        boot, now, budget = boot_id(), loop.time(), device.limits.budget
        self._on_time: OnTime | None = None  # noted only if a limit needs it
        if budget is not None or self._limits.min_off_ms:
            kept_ms, most_ms = (budget.window_ms, budget.on_ms) if budget is not None else (0, 0)
            self._on_time = OnTime(journal, boot, now, max(kept_ms, self._limits.min_off_ms), most_ms)

    def refusal(self) -> str:
        """Why nothing may be on now; "" = it may."""
        if self._on_time is None or (budget := self._limits.budget) is None:
            return ""
        now_ms = self._now_ms()
        spans = self._on_time.at(now_ms)
        if budgets.spent_at(spans, budget, now_ms) > now_ms:
            return ""
        free_s = math.ceil((budgets.free_at(spans, budget, now_ms) - now_ms) / 1000)
        return f"budget: free again in {max(1, free_s)} s"

    @property
    def rests_until(self) -> float:
        """Until when min_off_ms keeps it off; 0 = it may be switched on."""
        if self._on_time is None or self._on_time.since is not None or not self._on_time.spans:
            return 0.0
        return (self._on_time.spans[-1][1] + self._limits.min_off_ms) / 1000

    def began(self) -> bool:
        """It is about to be switched on. False: that cannot be noted, so it must not be."""
        return self._on_time is None or self._on_time.began(self._loop.time())

    def ended(self) -> None:
        """It is off."""
        if self._on_time is not None:
            self._on_time.ended(self._loop.time())

    def cut(self) -> tuple[float, str]:
        """In how many seconds it has to be off, regardless of its duration, and the limit's name."""
        if self._on_time is None or (budget := self._limits.budget) is None or self._on_time.since is None:
            return math.inf, ""
        now_ms = self._now_ms()
        spent = budgets.spent_at(self._on_time.at(now_ms), budget, now_ms)
        longest = self._on_time.since + self._limits.max_on_ms
        return (min(spent, longest) / 1000 - self._loop.time(), "budget" if spent <= longest else "max_on_ms")

    def why_cut(self, limit: str) -> str:
        """The reason that the state gives."""
        if limit == "budget":
            return self.refusal()
        return f"max_on_ms: on for {self._limits.max_on_ms} ms without a break" if limit else ""

    def allows(self, level: Effect) -> bool:
        """Whether the flash limit lets this level be driven now."""
        return self._flash is None or self._flash.allows(level)

    def driven(self) -> None:
        """The call that `allows` permitted has returned."""
        if self._flash is not None:
            self._flash.driven()

    def dark(self) -> None:
        """It is switched off."""
        if self._flash is not None:
            self._flash.off()

    def _now_ms(self) -> int:
        return math.floor(self._loop.time() * 1000)
