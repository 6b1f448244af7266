"""How long things took, counted in buckets, as Prometheus' histograms are; pure."""

from bisect import bisect_left


class Histogram:
    """`bounds`: the upper end of each bucket (seconds), rising; what is above them all is counted as well."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.total = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper end in Prometheus' words, and how many were at most so long."""
        found, so_far = list[tuple[str, float]](), 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found
