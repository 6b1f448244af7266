"""A histogram of durations with Prometheus' buckets; pure."""

from bisect import bisect_left


class Histogram:
    """`bounds`: the upper bound of each bucket (seconds), rising; larger values are counted as well."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.total = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper bound as Prometheus writes it, and how many values were at most that."""
        found, so_far = list[tuple[str, float]](), 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found
