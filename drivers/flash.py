"""The flash limit of one light: how often its brightness or one of its colours may rise by a tenth of full scale.

All lights of a zone share its flashes, across processes (docs/decisions/0016-budget-and-flash.md).
"""

import logging
import math
from collections.abc import Callable
from typing import NamedTuple

from drivers.rises import Rises
from effectd.base.once import Once
from effectd.messages.effect import Effect

RISE = 10.0  # percent of full scale: the general flash threshold of WCAG 2.3.1
TOGETHER_S = 0.02  # rises within this time are one flash to the eye
_SECOND_S = 1.02  # a call may take effect some ms late and the next one not: it must still be a second
_QUICK_S = 0.005  # slower calls than this are noted again when they return; _SECOND_S covers quicker ones
_US = 1_000_000

log = logging.getLogger(__name__)


class Zone(NamedTuple):
    """`crowded`: more lights than flashes allowed in a second, so that several lights may share one flash."""

    rises: Rises
    crowded: bool


class Flash:
    """`max_hz` flashes a second in each of `zones`, of all lights there."""

    def __init__(self, zones: list[Zone], max_hz: float, clock: Callable[[], float]) -> None:
        self._zones, self._clock = zones, clock
        self._most = max(1, math.floor(max_hz))
        self._window = int(_SECOND_S / min(1.0, max_hz) * _US)
        self._rose = self._now()  # when this light rose last; unknown for an earlier run
        self._driving: list[tuple[Rises, int]] = []  # the flashes of the running call, and when they began
        self._channels = [_Channel(), _Channel(), _Channel()]
        self._once = Once(60.0)
        self._counting(self._look)  # a loss while nothing ran is found now, not by the first effect

    def allows(self, level: Effect) -> bool:
        """Whether the light may be driven at this level now; if so, it counts as driven."""
        brightness = _brightness(level)
        risen = any(channel.rises(value) for channel, value in zip(self._channels, brightness, strict=True))
        if risen and not self._counting(self._noted):
            return False
        for channel, value in zip(self._channels, brightness, strict=True):
            channel.move(value)
        return True

    def _counting(self, do: Callable[[], int]) -> bool:
        """Run `count` while no other light of these zones counts; False if that was not possible."""
        try:
            return all(zone.rises.lock() for zone in self._zones) and bool(do())
        except OSError as error:
            if self._once.first(error.errno):
                log.error("the flashes of this light cannot be counted, so it does not rise: %s", error)
            return False
        finally:
            for zone in self._zones:
                zone.rises.unlock()

    def _noted(self) -> bool:
        now = self._look()
        joined, begun = [], []
        for zone in self._zones:
            newest = zone.rises.newest()
            if zone.crowded and self._rose < newest >= now - TOGETHER_S * _US:
                joined.append((zone.rises, newest))  # it rises together with another light that has noted this flash
            elif zone.rises.since(now - self._window) >= self._most:
                return False
            else:
                begun.append((zone.rises, now))
        for rises, _ in begun:
            rises.note(now)
        self._rose, self._driving = now, [*joined, *begun]
        return True

    def _lasted(self) -> bool:
        now = self._look()
        for rises, began in self._driving:
            rises.lasts(began, now)
        return True

    def _look(self) -> int:
        now = self._now()
        for zone in self._zones:
            zone.rises.read(now)
        return now

    def _now(self) -> int:
        return int(self._clock() * _US)

    def driven(self) -> None:
        """The call has returned: on a slow device the second in which its flash counts begins only now."""
        if self._driving and self._now() - self._rose > _QUICK_S * _US:
            self._counting(self._lasted)
        self._driving = []

    def off(self) -> None:
        """It was switched off."""
        for channel in self._channels:
            channel.move(0.0)


class _Channel:
    """One colour: a rise counts from the lowest level since the last fall, a fall from the highest since the last rise.

    Only after a fall of a tenth does a rise count again: a fade up is one rise, however many steps it has.
    """

    def __init__(self) -> None:
        self._extreme = 0.0  # the lowest while it falls, the highest while it rises
        self._risen = False

    def rises(self, value: float) -> bool:
        return not self._risen and value - self._extreme >= RISE

    def move(self, value: float) -> None:
        if self._risen:
            if self._extreme - value >= RISE:
                self._risen, self._extreme = False, value
            else:
                self._extreme = max(self._extreme, value)
        elif self.rises(value):
            self._risen, self._extreme = True, value
        else:
            self._extreme = min(self._extreme, value)


def _brightness(level: Effect) -> tuple[float, float, float]:
    """Percent of full scale of red, green and blue."""
    red, green, blue = level.rgb()
    share = float(level.intensity) / 255
    return red * share, green * share, blue * share
