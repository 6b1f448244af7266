"""A fade: the linear steps from the present level to the level of an effect; pure, no clock."""

import math
from typing import Any

import msgspec

from effectd.messages.effect import Effect

STEPS_HZ = 50.0  # section 1 of the contract: at most so many steps a second, and never more than max_rate_hz
_COLOURS = ("color", "rgb")


class Ramp:
    """From `start` (the present level, None = off) to `end`, which is resolved and within the device's limits."""

    def __init__(self, start: Effect | None, end: Effect, rate_hz: float) -> None:
        self.end = end
        self.step_s = 1 / min(STEPS_HZ, rate_hz)
        self._fade_s = end.fade / 1000
        self._from = float(start.intensity) if start is not None else 0.0
        self._to = float(end.intensity)
        self._parameters: dict[str, Any] = end.parameters
        self._colours: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        if start is None or not self._from:
            return
        if not self._to:  # fading to off only the level changes: the light keeps its colour, the wind its direction
            self._parameters = end.parameters | start.parameters
        elif any(name in effect.parameters for effect in (start, end) for name in _COLOURS):
            self._parameters = {key: value for key, value in end.parameters.items() if key != "color"}
            self._colours = start.rgb(), end.rgb()

    def at(self, elapsed_s: float) -> Effect:
        """The step that is due `elapsed_s` after the first: the value of the straight line at the end of that step."""
        done = self._number(elapsed_s) * self.step_s / self._fade_s
        if done >= 1 - 1e-9:
            return self.end
        parameters = self._parameters
        if self._colours is not None:
            rgb = [round(before + (after - before) * done) for before, after in zip(*self._colours, strict=True)]
            parameters = parameters | {"rgb": rgb}
        intensity = round(self._from + (self._to - self._from) * done, 4)
        return msgspec.structs.replace(self.end, intensity=intensity, parameters=parameters)

    def following_s(self, elapsed_s: float) -> float:
        """When the next step is due, in seconds after the first."""
        return self._number(elapsed_s) * self.step_s

    def _number(self, elapsed_s: float) -> int:
        return math.floor(elapsed_s / self.step_s + 1e-6) + 1
