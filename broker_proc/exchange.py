"""Passes each published message to the subscribers of its topic, within their rights, and keeps what is retained."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from broker_proc.denials import Denials
from broker_proc.limits import Counters, Limits
from broker_proc.message import Message
from broker_proc.packets import Wanted
from broker_proc.reasons import FILTER_INVALID, NOT_AUTHORIZED, TOPIC_INVALID
from broker_proc.retained import Retained
from broker_proc.rights import MustAsk, Rights
from broker_proc.routing import Route, Routing, Target, split_share
from broker_proc.sessions import Session
from broker_proc.systopics import SysTopics
from broker_proc.wire import read_topic
from effectd.access.filters import Filters
from effectd.access.grant import PUBLISH, RECEIVE, SUBSCRIBE
from effectd.config.schema import BrokerLimits

if TYPE_CHECKING:
    from broker_proc.plugins import Plugins

KNOWN_TOPICS = 4096  # topics of one session that are remembered as allowed


class Exchange:
    """`own`: the prefix of the client ids of this home's programs; `unretained`: filters of what is never retained."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: BrokerLimits,
        *,
        own: str,
        unretained: tuple[str, ...],
        plugins: "Plugins | None",
        sys_interval_s: float,
    ) -> None:
        self.loop, self.settings = loop, settings
        self.limits, self.counters = Limits(settings), Counters()
        self.routing, self.rights = Routing(), Rights(plugins)
        self.retained = Retained(self.limits, loop.time)
        self.sessions: dict[str, Session] = {}  # by client id
        self.away: dict[str, Session] = {}  # of those, the ones without a connection, oldest first
        self._own, self._unretained, self._plugins = own, Filters(unretained), plugins
        self.denials = Denials()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sys = SysTopics(self, sys_interval_s)

    def is_dispatcher(self, session: Session) -> bool:
        return session.own and session.client_id == f"{self._own}dispatcher"

    def route(self, name: bytes, session: Session) -> tuple[Route | None, int]:
        """The route of a message of this session; None and the reason where it may not publish it.

        Raises WireError if nothing can be published to `name`, MustAsk where a plugin has to say.
        """
        route = self.routing.routes.get(name)
        topic = route.topic if route is not None else read_topic(name)
        if topic.startswith("$"):  # the broker's own
            return None, NOT_AUTHORIZED
        if topic.count("/") >= self.settings.topic_levels:
            self.limits.bite("topic_levels", session.client_id, f"{topic[:60]!r} has too many levels")
            return None, TOPIC_INVALID
        if not self.rights.check([(session, PUBLISH, topic)])[0]:
            self.denials.note(session.client_id, str(session.connection or repr(session.client_id[:40])), topic)
            return None, NOT_AUTHORIZED
        if route is None:
            route = self._find(name, topic)
        if len(session.topics) >= KNOWN_TOPICS:
            session.topics.clear()
        session.topics.add(name)
        return route, 0

    def _find(self, name: bytes, topic: str) -> Route:
        route = Route(topic)
        targets, route.groups = self.routing.find(topic)
        if route.groups:
            members = [session for group in route.groups for session in group.members]
            self.rights.check([(session, RECEIVE, topic) for session in members])
        allowed = self.rights.check([(one.session, RECEIVE, topic) for one in targets])
        route.targets = [one for one, may in zip(targets, allowed, strict=True) if may]
        route.guarded = any(self.is_dispatcher(one.session) for one in route.targets)
        route.retainable = not self._unretained.match(topic)
        self.routing.keep(name, route)
        return route

    def publish(self, message: Message, route: Route, source: Session | None) -> None:
        """Pass a message to every subscriber, and keep it if it is retained."""
        if self._plugins is not None and source is not None:
            self._plugins.message(source, route.topic, message)
        qos, retain = message.qos, message.retain
        for session, granted, no_local, as_published, identifiers in route.targets:
            if not (no_local and session is source):
                session.deliver(message, min(granted, qos), retain and as_published, identifiers)
        for group in route.groups:
            chosen = group.choose(lambda session: self.rights.may(session, RECEIVE, route.topic))
            if chosen is not None:
                chosen.session.deliver(
                    message, min(chosen.qos, qos), retain and chosen.as_published, chosen.identifiers
                )
        if retain and route.retainable:
            who = source.client_id if source is not None else "the broker"
            self.retained.keep(route.topic, message.bare(), who)

    def deliver_if_allowed(self, target: Target, message: Message, topic: str) -> None:
        """A message of the broker itself, to a client whose rights may have to be asked for first."""
        question = (target.session, RECEIVE, topic)
        allowed = self.rights.may(*question)
        if allowed is None:
            self.later(self._ask_to_deliver(target, message, topic))
        elif allowed:
            target.session.deliver(message, min(message.qos, target.qos), False, target.identifiers)

    async def _ask_to_deliver(self, target: Target, message: Message, topic: str) -> None:
        await self.rights.ask([(target.session, RECEIVE, topic)])()
        self.deliver_if_allowed(target, message, topic)

    def publish_own(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """A message of a plugin's."""
        name = topic.encode()
        route = self.routing.routes.get(name)
        if route is None:
            try:
                route = self._find(name, topic)
            except MustAsk as question:
                self.later(self._ask_to_publish(question, topic, payload, qos, retain))
                return
        self.publish(Message(name, payload, qos, retain), route, None)

    async def _ask_to_publish(self, question: MustAsk, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        await question.ask()
        self.publish_own(topic, payload, qos, retain=retain)

    def may_subscribe(self, session: Session, wanted: list[Wanted]) -> list[int]:
        """For each filter 0, or why it is refused. Raises MustAsk where a plugin has to say."""
        allowed = self.rights.check([(session, SUBSCRIBE, split_share(one.filter)[1]) for one in wanted])
        return [
            self._refusal(session, one.filter) if may else NOT_AUTHORIZED
            for one, may in zip(wanted, allowed, strict=True)
        ]

    def _refusal(self, session: Session, topic_filter: str) -> int:
        group, path = split_share(topic_filter)
        if topic_filter.startswith("$share/") and (not group or not path or "+" in group or "#" in group):
            return FILTER_INVALID
        if path.count("/") >= self.settings.topic_levels:
            self.limits.bite("topic_levels", session.client_id, f"the filter {path[:60]!r} has too many levels")
            return FILTER_INVALID
        return 0

    def retained_for(self, topic_filter: str) -> Iterator[Message | None]:
        """The retained messages for a new subscription; None now and then, see Retained."""
        if topic_filter.startswith("$"):
            self.sys.refresh()
            return self.sys.retained.matching(topic_filter)
        return self.retained.matching(topic_filter)

    def dropped(self, session: Session, limit: str, why: str) -> None:
        self.counters.publish_dropped += 1
        self.limits.bite(limit, session.client_id, why)

    def notice(self, event: str, session: Session, **about: Any) -> None:
        """An event that a plugin may listen to."""
        if self._plugins is not None:
            self._plugins.notice(event, session, **about)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
