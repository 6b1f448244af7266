"""What is known of one effect, and what is found in a history."""

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from effectd.messages.history import Ended, Published

OF_TIMELINES = ("unasked", "out of place")
DEFECTS = (
    "lost",
    "duplicated",
    "late",
    "after a stop",
    "endless",
    "unheard",
    "contradicted",
    "unexcused",
    "deaf",
    "over budget",
    "flashes",
    "held",
    *OF_TIMELINES,
)


@dataclass
class Told:
    """What is known of one effect from outside. Times in ms of CLOCK_MONOTONIC."""

    published: list[Published] = field(default_factory=list)
    receipted: float | None = None  # its first receipt was heard
    accepted: bool = False
    ended: list[Ended] = field(default_factory=list)
    driven: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    given: dict[str, int] = field(default_factory=dict)  # of a timeline's, which nobody publishes

    @property
    def ttl_ms(self) -> float:
        return float(self._given("ttl_ms", 2000))

    @property
    def duration_ms(self) -> float:
        return float(self._given("duration", 1000))

    @property
    def received(self) -> float | None:
        """When the dispatcher had it: its final receipt tells that; else it was before the first receipt was heard."""
        if self.ended and self.ended[0].latency_ms is not None:
            last = self.ended[0]
            return last.said_at - last.at + last.mono_ms - (last.latency_ms or 0)
        return self.receipted

    def _given(self, name: str, default: int) -> int:
        payload = self.published[0].payload if self.published else self.given
        return payload.get(name, default) if isinstance(payload, dict) else default


@dataclass
class Verdict:
    """`ends`: how many effects ended with which status; `defects`: class -> what happened, a line each."""

    effects: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    defects: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in DEFECTS})
    took: list[float] = field(default_factory=list)  # ms from dispatcher to device, of live effects that were done
    crowded: float = 0.0  # for which share of the time somebody waited for a processor

    @property
    def good(self) -> bool:
        return not any(self.defects.values())

    @property
    def done(self) -> float:
        """The share of effects that were done."""
        return self.ends["done"] / self.effects if self.effects else 0.0

    def __str__(self) -> str:
        rows = [("effects", self.effects), ("faults", sum(self.faults.values()))]
        rows += [(f"  {status}", count) for status, count in self.ends.most_common()]
        rows += [(name, len(found)) for name, found in self.defects.items()]
        lines = [f"{name:<16}{count:>8}" for name, count in rows]
        lines.append(f"{'crowded':<16}{self.crowded:>8.0%}  of the time somebody waited for a processor")
        if len(self.took) > 1:
            p99 = statistics.quantiles(self.took, n=100)[98]
            lines.append(f"live effects were done after {statistics.median(self.took):.1f} ms, p99 {p99:.0f} ms")
        for name, found in self.defects.items():
            lines += [f"{name}: {text}" for text in found[:10]]
        return "\n".join(lines)
