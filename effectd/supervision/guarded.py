"""The watchdog's record of one program, with its budget of kills."""

import time

from effectd.readiness.gate_watcher import GateView

KILLS, REFILL_S = 3, 20.0  # a budget per program: so many at once, and one more every so many seconds


class Guarded:
    """The watchdog's record of one program."""

    def __init__(self, watch: GateView) -> None:
        self.watch = watch
        self.budget = float(KILLS)
        self.refilled = time.monotonic()
        self.kills = 0
        self.exit_code: int | None = None
        self.wrong = ""  # its own error text, if its last run ended because of a wrong configuration
        self.reported = ""
        self.killed = 0  # the pid that was killed last; until it is reaped it need not be killed again
        self._since: tuple[str, int, float] = ("", 0, 0.0)

    def for_s(self, what: str, pid: int, now: float) -> float:
        """For how long this process has been in this condition, by the monotonic clock."""
        if self._since[:2] != (what, pid):
            self._since = (what, pid, now)
        return now - self._since[2]

    def may_kill(self, now: float) -> bool:
        self.budget = min(KILLS, self.budget + (now - self.refilled) / REFILL_S)
        self.refilled = now
        return self.budget >= 1
