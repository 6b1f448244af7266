"""Computes how long an effect may still wait for its device."""

import math
from collections.abc import Callable

from effectd.messages import answers
from effectd.messages.effect import Effect


def left(effect: Effect, boot: str, now: float, there_ms: Callable[[], float] | None = None) -> float:
    """Seconds until its deadline: by CLOCK_MONOTONIC (`now`) in the boot that set it; elsewhere by the wall clock.

    `there_ms`: the wall clock of the dispatcher's machine, if that is a different one.
    """
    if effect.deadline is not None and effect.deadline.boot == boot:
        return effect.deadline.ms / 1000 - now
    if effect.expires_at is None:
        return math.inf
    return (effect.expires_at - (there_ms or answers.unix_ms)()) / 1000
