"""Finds the subscribers of a topic: subscriptions in a tree of levels, with a cache that each change clears."""

from collections.abc import Iterator
from typing import Any, NamedTuple

CACHED = 4096  # topics whose receivers are cached


class Subscription(NamedTuple):
    """What one session asked for under one filter (MQTT 5 section 3.8.3.1; `identifier` 0 = none)."""

    qos: int
    no_local: bool = False
    as_published: bool = False
    identifier: int = 0


class Target(NamedTuple):
    """One receiver of a topic, all its matching filters taken together."""

    session: Any
    qos: int
    no_local: bool
    as_published: bool
    identifiers: tuple[int, ...]


class Route:
    """The receivers of one topic."""

    __slots__ = ("groups", "guarded", "retainable", "targets", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.targets: list[Target] = []
        self.groups: list[Group] = []
        self.guarded = False  # the dispatcher receives it: publishers wait while the dispatcher is behind with reading
        self.retainable = True


class Group:
    """The members of one shared subscription; messages go to them in turn."""

    __slots__ = ("members", "turn")

    def __init__(self) -> None:
        self.members: dict[Any, Subscription] = {}
        self.turn = 0

    def choose(self, may: Any) -> Target | None:
        """The next connected member, else the next one with a session that keeps it; `may(session)` has to agree."""
        members = list(self.members)
        in_turn = [members[(self.turn + step) % len(members)] for step in range(len(members))]
        for session in [one for one in in_turn if one.connection] + [one for one in in_turn if not one.connection]:
            if may(session):
                self.turn = members.index(session) + 1
                wanted = self.members[session]
                identifiers = (wanted.identifier,) if wanted.identifier else ()
                return Target(session, wanted.qos, False, wanted.as_published, identifiers)
        return None


class Node:
    """One level of the filters."""

    __slots__ = ("below", "groups", "held")

    def __init__(self) -> None:
        self.below: dict[str, Node] = {}
        self.held: dict[Any, Subscription] = {}
        self.groups: dict[str, Group] = {}


class Routing:
    """All subscriptions. A filter `$share/<group>/<filter>` is held by the group."""

    def __init__(self) -> None:
        self._root = Node()
        self.routes: dict[bytes, Route] = {}  # cache by topic, filled by the callers from the tree
        self.count = self.shared = 0

    def subscribe(self, topic_filter: str, session: Any, subscription: Subscription) -> bool:
        """Whether it is new; an existing one is replaced."""
        group, path = split_share(topic_filter)
        node = self._root
        for level in path.split("/"):
            node = node.below.get(level) or node.below.setdefault(level, Node())
        held = node.groups.setdefault(group, Group()).members if group else node.held
        new = session not in held
        held[session] = subscription
        self.count += new
        self.shared += new and bool(group)
        self._forget(path)
        return new

    def unsubscribe(self, topic_filter: str, session: Any) -> bool:
        """Whether there was one."""
        group, path = split_share(topic_filter)
        levels, node, way = path.split("/"), self._root, []
        for level in levels:
            if level not in node.below:
                return False
            way.append(node)
            node = node.below[level]
        members = node.groups.get(group)
        held = node.held if not group else members.members if members else {}
        if session not in held:
            return False
        del held[session]
        if group and not held:
            del node.groups[group]
        for parent, level in zip(reversed(way), reversed(levels), strict=True):
            below = parent.below[level]
            if below.below or below.held or below.groups:
                break
            del parent.below[level]
        self.count -= 1
        self.shared -= bool(group)
        self._forget(path)
        return True

    def _forget(self, path: str) -> None:
        if "+" in path or "#" in path:
            self.routes.clear()
        else:
            self.routes.pop(path.encode(), None)

    def keep(self, name: bytes, route: Route) -> None:
        if len(self.routes) >= CACHED:
            self.routes.clear()
        self.routes[name] = route

    def find(self, topic: str) -> tuple[list[Target], list[Group]]:
        """Every receiver of a topic, once, and the shared subscriptions that match."""
        found: dict[Any, list[Subscription]] = {}
        groups: list[Group] = []
        for node in self._matching(topic.split("/")):
            for session, subscription in node.held.items():
                found.setdefault(session, []).append(subscription)
            groups += node.groups.values()
        return [_together(session, held) for session, held in found.items()], groups

    def _matching(self, levels: list[str]) -> Iterator[Node]:
        system = levels[0].startswith("$")  # no wildcard at the first level matches it (section 4.7.2)
        todo = [(self._root, 0)]
        while todo:
            node, depth = todo.pop()
            below = node.below
            if not below and depth < len(levels):
                continue
            wild = not (system and depth == 0)
            if wild and (rest := below.get("#")) is not None:
                yield rest
            if depth == len(levels):
                yield node
                continue
            if wild and (any_one := below.get("+")) is not None:
                todo.append((any_one, depth + 1))
            if (same := below.get(levels[depth])) is not None and levels[depth] not in ("+", "#"):
                todo.append((same, depth + 1))

    def heard(self, first_level: str) -> bool:
        """Whether a filter begins with this level."""
        return first_level in self._root.below


def _together(session: Any, held: list[Subscription]) -> Target:
    """The highest QoS of overlapping filters; no echo only where each of them says so."""
    identifiers = tuple(sorted({one.identifier for one in held if one.identifier}))
    return Target(
        session,
        max(one.qos for one in held),
        all(one.no_local for one in held),
        any(one.as_published for one in held),
        identifiers,
    )


def split_share(topic_filter: str) -> tuple[str, str]:
    """Group ("" = not shared) and filter. `$share/g/` without a filter gives an empty one, which matches nothing."""
    if topic_filter.startswith("$share/"):
        _, group, *rest = topic_filter.split("/", 2)
        return group, rest[0] if rest else ""
    return "", topic_filter
