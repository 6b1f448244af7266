"""Topic filters as rights: whether any of them matches a topic or overlaps a filter (MQTT 5 section 4.7); pure."""

from collections.abc import Iterable, Sequence

Levels = tuple[str, ...]


class Filters:
    """Filters, split into their levels once. As in MQTT, a wildcard at the first level matches no `$...`.

    Called for each new topic that is published or delivered, so only filters that begin like the topic are compared:
    `_named` by the first level in which they differ (below a `topic_root` all begin alike), `_wild` always.
    """

    __slots__ = ("_all", "_depth", "_filters", "_named", "_wild", "texts")

    def __init__(self, filters: Iterable[str] = ()) -> None:
        self.texts = tuple(dict.fromkeys(filters))
        self._filters = [tuple(one.split("/")) for one in self.texts]
        self._all = "#" in self.texts  # the most common right
        self._depth = depth = _alike(self._filters)
        self._named: dict[str, list[Levels]] = {}
        self._wild: list[Levels] = []
        for one in self._filters:
            if depth >= len(one) or one[depth] in ("+", "#"):
                self._wild.append(one)
            else:
                self._named.setdefault(one[depth], []).append(one)

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __add__(self, more: Iterable[str]) -> "Filters":
        return Filters((*self.texts, *more))

    def match(self, topic: str) -> bool:
        """Whether one of them covers this topic."""
        if self._all and not topic.startswith("$"):
            return True
        levels, depth = topic.split("/"), self._depth
        if self._wild:
            for one in self._wild:
                if _match(levels, one):
                    return True
        if depth < len(levels):
            for one in self._named.get(levels[depth], ()):
                if _match(levels, one):
                    return True
        return False

    def overlap(self, topic_filter: str) -> bool:
        """Whether there is a topic that this filter and one of these match."""
        levels = tuple(topic_filter.split("/"))
        return any(_overlap(levels, one) for one in self._filters)


def _alike(filters: list[Levels]) -> int:
    """How many leading levels are the same in all of them; 0 if there is only one."""
    if len(filters) < 2:
        return 0
    depth = 0
    for levels in zip(*filters, strict=False):
        if len(set(levels)) > 1 or levels[0] in ("+", "#"):
            break
        depth += 1
    return depth


def _match(topic: Sequence[str], wanted: Sequence[str]) -> bool:
    if topic[0][:1] == "$" and wanted[0] in ("+", "#"):
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(topic) or level not in ("+", topic[position]):
            return False
    return len(topic) == len(wanted)


def _overlap(one: Levels, other: Levels) -> bool:
    for first, wild in ((one[0], other[0]), (other[0], one[0])):
        if first[:1] == "$" and wild in ("+", "#"):
            return False
    for position in range(max(len(one), len(other))):
        here = one[position] if position < len(one) else None
        there = other[position] if position < len(other) else None
        if "#" in (here, there):
            return True
        if here is None or there is None:
            return False
        if here != there and "+" not in (here, there):
            return False
    return True
