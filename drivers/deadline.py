"""How long an effect may still wait for its device."""

import math

from effectd.messages import answers
from effectd.messages.effect import Effect


def left(effect: Effect, boot: str, now: float) -> float:
    """Seconds until its deadline: by CLOCK_MONOTONIC (`now`) in the boot that set it; elsewhere by the wall clock."""
    if effect.deadline is not None and effect.deadline.boot == boot:
        return effect.deadline.ms / 1000 - now
    return math.inf if effect.expires_at is None else (effect.expires_at - answers.unix_ms()) / 1000
