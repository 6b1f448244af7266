"""Topic filters as rights: whether some of them match a topic, or overlap another filter (MQTT 5 section 4.7); pure."""

from collections.abc import Iterable, Sequence

Levels = tuple[str, ...]


class Filters:
    """Some filters, split into their levels once. As in MQTT, a wildcard at the first level matches no `$...`."""

    __slots__ = ("_all", "_filters", "texts")

    def __init__(self, filters: Iterable[str] = ()) -> None:
        self.texts = tuple(dict.fromkeys(filters))
        self._filters = [tuple(one.split("/")) for one in self.texts]
        self._all = "#" in self.texts  # the commonest right

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __add__(self, more: Iterable[str]) -> "Filters":
        return Filters((*self.texts, *more))

    def match(self, topic: str) -> bool:
        """Whether one of them covers this topic."""
        if self._all and not topic.startswith("$"):
            return True
        levels = topic.split("/")
        return any(_match(levels, one) for one in self._filters)

    def overlap(self, topic_filter: str) -> bool:
        """Whether there is a topic that this filter and one of these match."""
        levels = tuple(topic_filter.split("/"))
        return any(_overlap(levels, one) for one in self._filters)


def matches(topic: str, topic_filter: str) -> bool:
    """Whether one topic is covered by one filter."""
    return _match(topic.split("/"), topic_filter.split("/"))


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
