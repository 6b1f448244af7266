"""The flash limit of one light: how often its brightness, or a colour of it, may rise by a tenth of full scale.

A light that shares a zone with others has an even share of the zone's rises, so that no process needs to ask another:
what alternating lights do together stays within the limit (docs/decisions/0016-budget-and-flash.md).
"""

import json
import math
from typing import Any

from effectd.base.journal import Notes
from effectd.messages.effect import Effect

RISE = 10.0  # percent of full scale: the general flash threshold of WCAG 2.3.1
_SECOND_S = 1.02  # a call may come out some ms late, and the next one not: seen from outside it is still a second
_KEY = "flash"


class Flash:
    """`max_hz` rises a second for `lights` lights together; 0 = no limit. Rises are noted: a death forgets none."""

    def __init__(self, journal: Notes, boot: str, now: float, max_hz: float, lights: int) -> None:
        self._journal, self._boot = journal, boot
        share = max_hz / lights
        self._most = max(1, math.floor(share))
        self._window_s = _SECOND_S / min(1.0, share) if share else 0.0
        self._rises = self._found(journal, now) if share else []
        self._channels = [_Channel(), _Channel(), _Channel()]

    def allows(self, level: Effect, now: float) -> bool:
        """Whether the light may be driven at this level now; if so, it is taken as driven."""
        if not self._window_s:
            return True
        brightness = _brightness(level)
        if any(channel.rises(value) for channel, value in zip(self._channels, brightness, strict=True)):
            self._rises = [at for at in self._rises if now - at < self._window_s]
            if len(self._rises) >= self._most:
                return False
            self._rises.append(now)
            self._journal.put(_KEY, json.dumps([self._boot, *self._rises]).encode())
        for channel, value in zip(self._channels, brightness, strict=True):
            channel.move(value)
        return True

    def off(self) -> None:
        """It is driven dark."""
        for channel in self._channels:
            channel.move(0.0)

    def _found(self, journal: Notes, now: float) -> list[float]:
        """The rises of an earlier run; those of another boot, and those that were lost, as if they were just now."""
        boot, *rises = _decoded(journal.found.get(_KEY))
        if journal.lost:
            return [now] * self._most
        return rises if boot == self._boot else [now] * len(rises)


class _Channel:
    """One colour: a rise counts from the lowest since the last fall, and a fall from the highest since the last rise.

    Only a fall of a tenth makes the next rise another one: a fade up is one rise, however many steps it has.
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


def _decoded(noted: bytes | None) -> Any:
    return json.loads(noted) if noted else ("",)
