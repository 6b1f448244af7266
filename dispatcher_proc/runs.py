"""Makes run names, the middle of a timeline's effect ids: new at each start, seek, resume and loop, never reused."""

import time

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_FROM_MS = 1_577_836_800_000  # Unix ms of 2020


class Runs:
    """They keep rising, even over restarts and lost notes, because they start at the wall clock."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        self._last = max(self._last + 1, time.time_ns() // 1_000_000 - _FROM_MS)
        return base36(self._last)

    @property
    def latest(self) -> str:
        return base36(self._last)

    def used(self, run: str) -> None:
        """Runs up to this one have been used."""
        self._last = max(self._last, int(run or "0", 36))


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
