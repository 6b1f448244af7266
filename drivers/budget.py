"""The exposure budget: on for at most `on_ms` in any window of `window_ms`. Pure; whole ms; spans as in on_time."""

from collections.abc import Sequence

from drivers.on_time import Span
from effectd.config.schema import Budget


def used_ms(spans: Sequence[Span], window_ms: int, at: int) -> int:
    """How long it was on in the window that ends at `at`."""
    return sum(max(0, min(end, at) - max(start, at - window_ms)) for start, end in spans)


def spent_at(spans: Sequence[Span], budget: Budget, at: int) -> int:
    """Until when it may be on without a break, starting at `at`; `at` itself if nothing is left.

    While it is on, older spans leave the window, so this is not simply what is left now.
    """
    left = budget.on_ms - used_ms(spans, budget.window_ms, at)
    if left < 0:
        return at
    for edge in _edges(spans, budget.window_ms, at):
        if not _leaving(spans, budget.window_ms, at):
            if left < edge - at:
                break
            left -= edge - at
        at = edge
    return at + left


def free_at(spans: Sequence[Span], budget: Budget, at: int) -> int:
    """The first moment, not before `at`, at which it may be on if it is off until then."""
    over = used_ms(spans, budget.window_ms, at) - budget.on_ms
    for edge in _edges(spans, budget.window_ms, at):
        if _leaving(spans, budget.window_ms, at):
            if over < edge - at:
                return at + max(0, over)
            over -= edge - at
        elif over < 0:
            return at
        at = edge
    return at


def _edges(spans: Sequence[Span], window_ms: int, at: int) -> list[int]:
    """When a span begins to leave the window, and when it has left."""
    return sorted({moment + window_ms for span in spans for moment in span if moment + window_ms > at})


def _leaving(spans: Sequence[Span], window_ms: int, at: int) -> bool:
    return any(start <= at - window_ms < end for start, end in spans)
