"""When programs were ready together, as their gates said."""

from collections.abc import Iterable, Sequence

from effectd.messages.history import Program
from tests.chaos.over_time import Span


def spans(programs: Iterable[Program], names: Sequence[str], end: float, hung: Iterable[Span]) -> list[Span]:
    """When all of `names` were ready, under the same run of the broker, and none hung; `end`: of the history."""
    last: dict[str, Program] = {}
    found, since = [], None
    for event in programs:
        if event.name in names:
            last[event.name] = event
            runs = {(e.state, e.broker_generation) for e in last.values()}
            ready = len(last) == len(names) and len(runs) == 1 and runs.pop()[0] == "ready"
            if ready and since is None:
                since = event.mono_ms
            elif not ready and since is not None:
                found.append((since, event.mono_ms))
                since = None
    if since is not None:
        found.append((since, end))
    for other in hung:
        found = [part for span in found for part in _without(span, other)]
    return found


def _without(span: Span, other: Span) -> list[Span]:
    """What of the span is outside the other."""
    parts = (span[0], min(span[1], other[0])), (max(span[0], other[1]), span[1])
    return [part for part in parts if part[0] < part[1]]
