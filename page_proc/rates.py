"""Limits the request rate of each client with a token bucket; pure."""

from collections import OrderedDict
from collections.abc import Callable

RATE_HZ, BURST = 200.0, 400.0
CLIENTS = 1000  # whose buckets are remembered


class Rates:
    """`take` one request of a client from its bucket."""

    def __init__(self, clock: Callable[[], float], *, rate_hz: float = RATE_HZ, burst: float = BURST) -> None:
        self._clock, self._rate_hz, self._burst = clock, rate_hz, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, as of when

    def take(self, client: str) -> bool:
        """False: too many requests."""
        now = self._clock()
        left, at = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate_hz)
        self._buckets[client] = (left - 1 if left >= 1 else left), now
        if len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        return left >= 1
