"""The retained messages: the last of each topic, in a tree, bounded in number and bytes."""

from collections.abc import Callable, Iterator

from broker_proc.limits import Limits
from broker_proc.message import Message


class _Node:
    __slots__ = ("below", "message")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.message: Message | None = None


class Retained:
    """What a new subscriber gets first. When it is full, new topics are not kept; known ones are still replaced."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._root = _Node()
        self.count = self.bytes = 0
        self._expiring: dict[str, float] = {}  # topic -> when
        self._purged = 0.0

    def keep(self, topic: str, message: Message, who: str) -> bool:
        """Keep it, or with an empty payload clear what is there. False where a limit forbids it."""
        self._purge()
        if not message.payload:
            self._clear(topic)
            return True
        settings, before = self._limits.settings, self._stored(topic)
        grown = message.size - (before.size if before else 0)
        if before is None and self.count >= settings.retained:
            self._limits.bite("retained", who, f"{topic[:60]!r} is not retained: too many retained messages")
            return False
        if grown > 0 and self.bytes + grown > settings.retained_bytes:
            self._limits.bite("retained_bytes", who, f"{topic[:60]!r} is not retained: they are too large together")
            return False
        node = self._root
        for level in topic.split("/"):
            node = node.below.get(level) or node.below.setdefault(level, _Node())
        node.message = message
        if message.expires:
            self._expiring[topic] = message.expires
        else:
            self._expiring.pop(topic, None)
        self.bytes += grown
        self.count += before is None
        return True

    def _stored(self, topic: str) -> Message | None:
        """What is kept of this topic, though it may have expired."""
        node: _Node | None = self._root
        for level in topic.split("/"):
            if node is None:
                return None
            node = node.below.get(level)
        return node.message if node is not None else None

    def matching(self, topic_filter: str) -> Iterator[Message | None]:
        """Those that a filter matches; yields None now and then, when the search for the next one takes a while."""
        levels = topic_filter.split("/")
        todo, seen = [(self._root, 0)], 0
        while todo:
            node, depth = todo.pop()
            seen += 1
            if not seen & 63:
                yield None
            level = levels[depth] if depth < len(levels) else ""
            if depth == len(levels) or level == "#":
                if node.message is not None and self._alive(node):
                    yield node.message
                if depth == len(levels):
                    continue
            if level in ("#", "+"):
                deeper = depth + (level == "+")
                inner = node is not self._root  # no wildcard at the first level matches the broker's own topics
                todo += [(below, deeper) for name, below in node.below.items() if inner or not name.startswith("$")]
            elif (below := node.below.get(level)) is not None:
                todo.append((below, depth + 1))

    def _alive(self, node: _Node) -> bool:
        message = node.message
        return message is not None and (not message.expires or message.expires > self._clock())

    def _purge(self) -> None:
        """Remove what has expired; at most once a second."""
        now = self._clock()
        if self._expiring and now - self._purged >= 1.0:
            self._purged = now
            for topic in [topic for topic, expires in self._expiring.items() if expires <= now]:
                self._clear(topic)

    def _clear(self, topic: str) -> None:
        self._expiring.pop(topic, None)
        way, node = [], self._root
        for level in topic.split("/"):
            if level not in node.below:
                return
            way.append((node, level))
            node = node.below[level]
        if node.message is not None:
            self.count -= 1
            self.bytes -= node.message.size
            node.message = None
        for parent, level in reversed(way):
            below = parent.below[level]
            if below.below or below.message is not None:
                return
            del parent.below[level]
