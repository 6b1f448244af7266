"""amqtt's plugins (`broker.plugins`): they decide who may connect and do what, and listen to events.

Only this file knows amqtt, and it is imported only where a plugin is named: amqtt's plugin manager loads them, checks
their options and calls them, and each is given amqtt's own Session, Action, message and broker context.
"""
# mypy: disable-error-code="import-untyped"

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amqtt.broker import BrokerContext
from amqtt.contexts import Action
from amqtt.errors import PluginError, PluginLoadError
from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.plugins.manager import PluginManager
from amqtt.session import IncomingApplicationMessage
from amqtt.session import Session as PluginSession

from broker_proc.message import Message
from broker_proc.packets import Connect
from broker_proc.routing import Subscription
from broker_proc.sessions import Session

if TYPE_CHECKING:
    from broker_proc.broker import Broker
    from broker_proc.client import Client

NAMESPACE = "amqtt.broker.plugins"
_EVENTS = {
    "connected": BrokerEvents.CLIENT_CONNECTED,
    "disconnected": BrokerEvents.CLIENT_DISCONNECTED,
    "subscribed": BrokerEvents.CLIENT_SUBSCRIBED,
    "unsubscribed": BrokerEvents.CLIENT_UNSUBSCRIBED,
}

log = logging.getLogger(__name__)
UNUSABLE = (PluginError, PluginLoadError)


class Plugins:
    """The plugins of one broker. Raises one of UNUSABLE if one cannot be loaded."""

    def __init__(self, wanted: Mapping[str, Mapping[str, Any] | None]) -> None:
        self._context = BrokerContext(_Facade())
        self._context.config = {"plugins": {name: dict(options or {}) for name, options in wanted.items()}}
        self._manager = PluginManager(NAMESPACE, self._context)
        # amqtt sorts its plugins (its pull request 212), and does not say publicly which kinds there are
        self.filters = bool(self._manager._topic_plugins)
        self._authenticates = bool(self._manager._auth_plugins)
        heard = self._manager._event_plugin_callbacks
        self._hears = {event for event in BrokerEvents if heard.get(event)}
        if any(heard.get(event) for event in MQTTEvents):
            log.warning("on_mqtt_packet_received and on_mqtt_packet_sent are never called: packets are no objects here")

    async def start(self, broker: "Broker") -> None:
        # amqtt wants the broker when the context is made; ours is there only now
        self._context._broker_instance.broker = broker
        await self._manager.fire_event(BrokerEvents.PRE_START, wait=True)
        await self._manager.fire_event(BrokerEvents.POST_START, wait=True)

    async def stop(self) -> None:
        await self._manager.fire_event(BrokerEvents.PRE_SHUTDOWN, wait=True)
        await self._manager.fire_event(BrokerEvents.POST_SHUTDOWN, wait=True)
        await self._manager.close()

    async def authenticate(self, client: "Client", asked: Connect) -> bool:
        """Whether all plugins that give an answer accept the client; without such plugins every client is accepted."""
        session = client.plugin_session = PluginSession()
        session.client_id, session.username, session.clean_session = asked.client_id, asked.username, asked.clean
        session.password = asked.password.decode(errors="replace") if asked.password is not None else None
        session.keep_alive, session.ssl_object = asked.keepalive, client.transport.get_extra_info("ssl_object")
        session.remote_address, session.remote_port = client.address
        if asked.will is not None:
            session.will_flag, session.will_topic, session.will_message = True, asked.will.topic, asked.will.payload
            session.will_qos, session.will_retain = asked.will.qos, asked.will.retain
        if not self._authenticates:
            return True
        answers = await self._manager.map_plugin_auth(session=session)
        said = [answer for answer in answers.values() if answer is not None]
        return bool(said) and all(said)

    async def may(self, session: PluginSession, action: str, topic: str) -> bool:
        answers = await self._manager.map_plugin_topic(session=session, topic=topic, action=Action(action))
        return all(answers.values())

    def notice(self, event: str, session: Session, **about: Any) -> None:
        """Schedule the call of the plugins that listen to this event."""
        kind = _EVENTS[event]
        if kind in self._hears and session.plugin_session is not None:
            if event in ("connected", "disconnected"):
                session.plugin_session.client_id = session.client_id
                about["client_session"] = session.plugin_session
            self._fire(kind, client_id=session.client_id, **about)

    def message(self, session: Session, topic: str, message: Message) -> None:
        """The same, of a message that is published."""
        for kind in (BrokerEvents.MESSAGE_RECEIVED, BrokerEvents.MESSAGE_BROADCAST):
            if kind in self._hears:
                shown = IncomingApplicationMessage(None, topic, message.qos, message.payload, message.retain)
                self._fire(kind, client_id=session.client_id, message=shown)
        if message.retain and BrokerEvents.RETAINED_MESSAGE in self._hears:
            shown = IncomingApplicationMessage(None, topic, message.qos, message.payload, True)
            self._fire(BrokerEvents.RETAINED_MESSAGE, client_id=None, retained_message=shown)

    def _fire(self, event: BrokerEvents, **about: Any) -> None:
        task = asyncio.ensure_future(self._manager.fire_event(event, **about))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


class _Facade:
    """What amqtt's BrokerContext asks its broker for, answered by ours."""

    broker: "Broker"

    @property
    def sessions(self) -> dict[str, tuple[Any, None]]:
        return {name: (one.plugin_session, None) for name, one in self.broker.sessions.items()}

    @property
    def retained_messages(self) -> dict[str, IncomingApplicationMessage]:
        kept = (one for one in self.broker.retained.matching("#") if one is not None)
        return {
            one.topic.decode(): IncomingApplicationMessage(None, one.topic.decode(), one.qos, one.payload, True)
            for one in kept
        }

    @property
    def subscriptions(self) -> dict[str, list[tuple[Any, int]]]:
        found: dict[str, list[tuple[Any, int]]] = {}
        for session, topic_filter, held in self._held():
            found.setdefault(topic_filter, []).append((session.plugin_session, held.qos))
        return found

    def _held(self) -> Iterator[tuple[Session, str, Subscription]]:
        for session in self.broker.sessions.values():
            for topic_filter, held in session.subscriptions.items():
                yield session, topic_filter, held

    async def internal_message_broadcast(self, topic: str, data: bytes, qos: int | None = None) -> None:
        self.broker.publish_own(topic, data, qos or 0, retain=False)

    async def retain_message(self, _session: None, topic: str, data: bytes | bytearray, qos: int | None = None) -> None:
        self.broker.publish_own(topic, bytes(data), qos or 0, retain=True)

    def create_offline_session(self, client_id: str) -> tuple[None, PluginSession]:
        session = self.broker.keep_session(client_id)
        session.plugin_session = PluginSession()
        session.plugin_session.client_id = client_id
        return None, session.plugin_session

    @property
    def _sessions(self) -> dict[str, Any]:
        return {}  # where amqtt's add_subscription (its pull request 256) notes the session that it has just made

    async def add_subscription(self, subscription: tuple[str, int], session: PluginSession) -> int:
        topic_filter, qos = subscription
        held = self.broker.sessions[session.client_id]
        held.subscriptions[topic_filter] = Subscription(qos)
        self.broker.routing.subscribe(topic_filter, held, Subscription(qos))
        return qos
