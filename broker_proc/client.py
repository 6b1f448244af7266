"""What a client's packets mean: CONNECT, PUBLISH, SUBSCRIBE and their answers; MQTT 3.1.1 and 5."""

import asyncio
from collections.abc import Iterator
from typing import Any, NoReturn

from broker_proc import packets, reasons
from broker_proc import properties as props
from broker_proc.connection import Connection
from broker_proc.door import Refused
from broker_proc.message import Message
from broker_proc.outgoing import ALIASES
from broker_proc.packets import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PONG,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    V5,
    Connect,
    Wanted,
    Will,
    ack,
)
from broker_proc.properties import Properties
from broker_proc.reasons import PROTOCOL_ERROR, WireError
from broker_proc.rights import Ask
from broker_proc.routing import Subscription, split_share
from broker_proc.wire import legal, read_publish
from effectd.access.grant import RECEIVE

ALIASES_IN = 16  # topic aliases that one client of MQTT 5 may use
NO_RETAINED, ONLY_IF_NEW = 2, 1  # Retain Handling


class Client(Connection):
    """One client of the broker; most of its work is done by its session."""

    will: Will | None = None
    allowed: bool | None = None  # the verdict of the plugins that check connecting clients
    # the line of `passwords` against which its password was checked, and the answer; None: too many logins wait
    verdict: tuple[str, bool | None] | None = None
    accepted = False
    plugin_session: Any = None
    aliases_in: dict[int, bytes]  # topics by the aliases that a client of MQTT 5 has given them

    def _packet(self, head: int, start: int, stop: int) -> None:
        kind, data = head >> 4, self.frames.data
        if kind == 3:
            self._publish(data, head, start, stop)
        elif kind == PUBACK:
            self._acked(*packets.read_ack(data, start, stop, self.version, kind))
        elif kind == PINGREQ:
            self.send(PONG)
        elif kind == SUBSCRIBE:
            self._subscribe(*packets.read_subscribe(data, start, stop, self.version))
        elif kind == CONNECT:
            self._connect(data, start, stop)
        elif kind == UNSUBSCRIBE:
            self._unsubscribe(*packets.read_unsubscribe(data, start, stop, self.version))
        elif kind == DISCONNECT:
            self._disconnect(*packets.read_disconnect(data, start, stop, self.version))
        else:
            self._qos_2(kind, *packets.read_ack(data, start, stop, self.version, kind))

    # -- coming and going

    def _connect(self, data: bytes, start: int, stop: int) -> None:
        try:
            asked = packets.read_connect(data, start, stop)
        except WireError as error:
            if error.code == reasons.UNSUPPORTED_VERSION:
                self.refused = True
                newer = data[start : start + 6] == b"\0\4MQTT" and data[start + 6] > V5
                code = reasons.UNSUPPORTED_VERSION if newer else reasons.V311_VERSION
                self.send(packets.connack(V5 if newer else packets.V311, code))
            raise
        self.version = asked.version
        if props.AUTH_METHOD in asked.properties:
            self._refuse(reasons.BAD_AUTHENTICATION_METHOD, 0, "this authentication method is not supported")
        if not asked.client_id and not asked.clean and asked.version != V5:
            self._refuse(
                0,
                reasons.V311_CLIENT_ID,
                "a persistent session needs a client id; set one, or ask for a clean session",
            )
        try:
            visitor = self._broker.enter(self, asked)
        except Refused as refused:
            self._refuse(refused.code, refused.code_311, refused.why)
        self._broker.accept(self, asked, visitor)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def _refuse(self, code: int, code_311: int, why: str) -> NoReturn:
        version5, self.refused = self.version == V5, True
        about: Properties = {props.REASON_STRING: why} if version5 else {}
        self.send(packets.connack(self.version, code if version5 else code_311, properties=about))
        raise WireError(why, code)

    def welcome(self, asked: Connect, session: Any, present: bool, assigned: str) -> None:
        """The CONNACK, and the state of a connection that is served from now on."""
        settings = self._broker.settings
        self.session, self.will, self.accepted = session, asked.will, True
        self.room = settings.unread_bytes
        self.frames.legal = legal(asked.version, settings.packet_bytes)
        self.be_patient(1.5 * asked.keepalive)
        about: Properties = {}
        if asked.version == V5:
            given = asked.properties
            self.packet_limit = given.get(props.MAXIMUM_PACKET, 0)
            self.aliases_left = min(given.get(props.ALIAS_MAXIMUM, 0), ALIASES)
            self.plain = not (self.packet_limit or self.aliases_left)
            self.aliases_in = {}
            about = {
                props.RECEIVE_MAXIMUM: min(settings.inflight, 65_535),
                props.MAXIMUM_PACKET: settings.packet_bytes,
                props.ALIAS_MAXIMUM: ALIASES_IN,
            }
            if assigned:
                about[props.ASSIGNED_CLIENT_ID] = assigned
            if session.expiry != given.get(props.SESSION_EXPIRY, 0):
                about[props.SESSION_EXPIRY] = int(session.expiry)
        self.send(packets.connack(asked.version, 0, session_present=present, properties=about))

    def _disconnect(self, code: int, about: Properties) -> None:
        session = self.session
        assert session is not None
        if (expiry := about.get(props.SESSION_EXPIRY)) is not None:
            if expiry and not session.expiry:
                raise WireError("a session that was to end with its connection cannot get an expiry", PROTOCOL_ERROR)
            session.expiry = min(expiry, self._broker.settings.session_expiry_s)
        if code != reasons.DISCONNECT_WITH_WILL:
            self.will = None
        self.close()

    def _ended(self) -> None:
        if self.accepted:
            self.accepted = False
            self._broker.ended(self)

    # -- messages

    def _publish(self, data: bytes, head: int, start: int, stop: int) -> None:
        topic, packet_id, at = read_publish(data, start, stop, head)
        session, broker = self.session, self._broker
        assert session is not None
        expires, about = 0.0, None
        if self.version == V5:
            if at < stop and not data[at]:
                at += 1
            else:
                about, at = props.read(data, at, stop, props.IN_PUBLISH)
                packets.check_response_topic(about)
                topic = self._unalias(topic, about)
                expires = self._loop.time() + about.pop(props.MESSAGE_EXPIRY) if props.MESSAGE_EXPIRY in about else 0.0
            if not topic:
                topic = self._unalias(topic, about or {})
        route = broker.routing.routes.get(topic)
        if route is None or topic not in session.topics:
            route, code = broker.route(topic, session)
        else:
            code = 0
        counters = broker.counters
        counters.publish_received += 1
        counters.publish_bytes_received += stop - at
        qos = head >> 1 & 3
        if qos == 2 and not self._first(packet_id, code):
            return
        if route is not None:
            message = Message(topic, data[at:stop], qos, bool(head & 1), about)
            message.expires = expires
            if head == 0x30 and self.version != V5:
                message.keep_v311(data[self.frames.at : stop])
            broker.publish(message, route, session)
            if not code and not route.targets and not route.groups:
                code = reasons.NO_SUBSCRIBERS
            if route.guarded and broker.holding and not session.own:
                broker.hold(self)
        if qos:
            self.send(ack(PUBACK if qos == 1 else PUBREC, packet_id, code if self.version == V5 else 0))

    def _unalias(self, topic: bytes, about: Properties) -> bytes:
        """The topic of a message, which may use a topic alias or define one."""
        alias = about.pop(props.ALIAS, 0)
        if alias > ALIASES_IN:
            raise WireError(f"topic alias {alias}; the maximum is {ALIASES_IN}", reasons.ALIAS_INVALID)
        if not topic:
            if not alias:
                raise WireError("a message without a topic", PROTOCOL_ERROR)
            known = self.aliases_in.get(alias)
            if known is None:
                raise WireError(f"topic alias {alias} is not defined", PROTOCOL_ERROR)
            return known
        if alias:
            self.aliases_in[alias] = topic
        return topic

    def _first(self, packet_id: int, code: int) -> bool:
        """A message of QoS 2 is delivered when it first arrives; its id is kept until PUBREL."""
        session = self.session
        assert session is not None
        if packet_id in session.received:
            self.send(ack(PUBREC, packet_id))
            return False
        if code < reasons.UNSPECIFIED:
            if len(session.received) >= self._broker.settings.inflight:
                self._broker.limits.bite("inflight", session.client_id, "too many messages of QoS 2 not released")
                raise WireError("too many unreleased messages of QoS 2", reasons.RECEIVE_MAXIMUM)
            session.received.add(packet_id)
        return True

    def _acked(self, packet_id: int, _code: int) -> None:
        assert self.session is not None
        self.session.acknowledged(packet_id)

    def _qos_2(self, kind: int, packet_id: int, code: int) -> None:
        session, known = self.session, True
        assert session is not None
        if kind == PUBREL:
            known = packet_id in session.received
            session.received.discard(packet_id)
            answer = PUBCOMP
        elif kind == PUBREC and code < reasons.UNSPECIFIED:
            known = session.received_by_client(packet_id)
            answer = PUBREL
        else:
            session.acknowledged(packet_id)
            return
        self.send(ack(answer, packet_id, reasons.ID_NOT_FOUND if self.version == V5 and not known else 0))

    # -- subscriptions

    def _subscribe(self, packet_id: int, wanted: list[Wanted], identifier: int) -> None:
        session, broker = self.session, self._broker
        assert session is not None
        codes = broker.may_subscribe(session, wanted)
        todo = []
        for place, one in enumerate(wanted):
            if codes[place]:
                continue
            limit = broker.settings.subscriptions
            if one.filter not in session.subscriptions and len(session.subscriptions) >= limit:
                broker.limits.bite("subscriptions", session.client_id, "too many subscriptions")
                codes[place] = reasons.QUOTA
                continue
            subscription = Subscription(one.qos, one.no_local, one.as_published, identifier)
            new = broker.routing.subscribe(one.filter, session, subscription)
            session.subscriptions[one.filter] = subscription
            codes[place] = one.qos
            shared = bool(split_share(one.filter)[0])
            if not shared and one.handling != NO_RETAINED and (new or one.handling != ONLY_IF_NEW):
                todo.append((one.filter, subscription))
            broker.notice("subscribed", session, topic=one.filter, qos=one.qos)
        if self.version != V5:
            codes = [min(code, reasons.UNSPECIFIED) for code in codes]
        self.send(packets.suback(self.version, packet_id, codes))
        if todo:
            self._job = self._retained(todo)

    def _retained(self, filters: list[tuple[str, Subscription]]) -> Iterator[Ask | None]:
        """Send what is retained under these filters; yields where it may be interrupted, or what has to be asked."""
        session, broker = self.session, self._broker
        assert session is not None
        for topic_filter, wanted in filters:
            identifiers = (wanted.identifier,) if wanted.identifier else ()
            for message in broker.retained_for(topic_filter):
                if message is not None:
                    question = (session, RECEIVE, message.topic.decode())
                    if broker.rights.may(*question) is None:
                        yield broker.rights.ask([question])
                    if broker.rights.may(*question):
                        session.deliver(message, min(message.qos, wanted.qos), True, identifiers)
                yield None

    def _unsubscribe(self, packet_id: int, filters: list[str]) -> None:
        session, broker = self.session, self._broker
        assert session is not None
        codes = []
        for one in filters:
            known = session.subscriptions.pop(one, None) is not None
            if known:
                broker.routing.unsubscribe(one, session)
                broker.notice("unsubscribed", session, topic=one)
            codes.append(reasons.SUCCESS if known else reasons.NO_SUBSCRIPTION)
        self.send(packets.unsuback(self.version, packet_id, codes))
