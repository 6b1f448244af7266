"""amqtt's broker, mended by subclass: each override puts right one measured defect of amqtt 0.12.1 and names it.

`_client_connected`, what it calls, and `MendedHandler` are one mend and go together; every other override can be
removed on its own once amqtt is right.
"""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import asyncio
from typing import Any

from amqtt.adapters import BufferReader, ReaderAdapter, StreamReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig
from amqtt.errors import MQTTError, NoDataError
from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.mqtt import connack, packet_dict
from amqtt.mqtt import packet as mqtt
from amqtt.mqtt.protocol.broker_handler import Subscription, UnSubscription
from amqtt.session import IncomingApplicationMessage, Session

from broker_proc.connection import UNACKED, Line, MendedHandler, WebLine, WebReader
from broker_proc.filters import Filters
from broker_proc.packets import FIRST, LATER, Packet, check_name, decode, read_packet

REFUSED = 0x80  # in a SUBACK


class MendedBroker(Broker):
    """An MQTT 3.1.1 broker; a retained message to a topic that a filter in `unretained` matches is not kept."""

    CONNECT_WITHIN = 10.0  # seconds

    def __init__(
        self,
        config: BrokerConfig | dict[str, Any] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        unretained: tuple[str, ...] = (),
    ) -> None:
        super().__init__(config, loop)
        self.unretained = unretained
        self._subscriptions = Filters()
        self._lines: dict[Any, Line | WebLine] = {}  # the task of each connection -> its writing end
        self._live: dict[str, MendedHandler] = {}  # client id -> the one connection that is served under it

    @classmethod
    def _split_bindaddr_port(cls, port_str: str, default_port: int) -> tuple[str | None, int]:
        # amqtt keeps the brackets of an IPv6 address, which no resolver takes.
        address, port = super()._split_bindaddr_port(port_str, default_port)
        return address and address.strip("[]"), port

    async def shutdown(self) -> None:
        # amqtt closes the clients one after the other while others still get in, and keeps their wills to itself.
        for server in self._servers.values():
            if server.instance:
                server.instance.close()
        await asyncio.gather(*map(self._send_will, self._live.values()), return_exceptions=True)
        for line in list(self._lines.values()):
            await line.close()
        if self._lines:
            await asyncio.wait(list(self._lines), timeout=0.2)
        for task, line in self._lines.items():
            line.transport.abort()
            task.cancel()
        await super().shutdown()

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        # amqtt's own writer, see Line.
        await self._client_connected(listener_name, StreamReaderAdapter(reader), Line(writer))

    async def ws_connected(self, websocket: Any, listener_name: str) -> None:
        # amqtt's own writer, see WebLine.
        await self._client_connected(listener_name, WebReader(websocket), WebLine(websocket))

    async def _client_connected(self, listener_name: str, reader: ReaderAdapter, writer: Line | WebLine) -> None:
        # amqtt leaves the descriptor open on most ways out, and lets who is above max_connections wait without a word.
        while self.transitions.state == "starting":
            await asyncio.sleep(0.01)
        server, client, task = self._servers[listener_name], writer.get_peer_info(), asyncio.current_task()
        full = server.semaphore and server.semaphore.locked()
        if client is None or full or self.transitions.state != "started":
            await writer.close()
            return
        who = "{}:{}".format(*client)
        self._lines[task] = writer
        await server.acquire_connection()
        try:
            handler, session = await self._greet(reader, writer)
            who += f" ({session.client_id[:40]!r})"
            handler.attach(session, reader, writer)
            allowed = await self._authenticate(session, self.listeners_config[listener_name])
            if allowed:
                await self._take_over(session, handler)
                await self._serve(session, handler)
            else:
                await handler.mqtt_connack_authorize(False)
        except (MQTTError, TimeoutError) as fault:
            self.logger.warning("connection from %s closed: %s", who, fault)
        except (NoDataError, OSError, asyncio.CancelledError) as end:
            self.logger.debug("connection from %s ended: %r", who, end)
        finally:
            await writer.close()
            server.release_connection()
            del self._lines[task]

    async def _greet(self, reader: ReaderAdapter, writer: WriterAdapter) -> tuple[MendedHandler, Session]:
        # amqtt waits for a CONNECT for ever, misreads that of MQTT 5, and ends at once the session of its namesake.
        try:
            async with asyncio.timeout(self.CONNECT_WITHIN):
                packet = await read_packet(reader, FIRST)
        except TimeoutError:
            raise TimeoutError(f"no CONNECT within {self.CONNECT_WITHIN:g} s") from None
        if b"MQTT\x05" in packet[4:12] or b"MQIsdp\x03" in packet[4:14]:
            await connack.ConnackPacket.build(0, connack.UNACCEPTABLE_PROTOCOL_VERSION).to_stream(writer)
            raise MQTTError("another MQTT than 3.1.1")
        await decode(packet)
        handler, session = await MendedHandler.init_from_connect(BufferReader(packet), writer, self.plugins_manager)
        if session.will_flag:
            check_name(session.will_topic)
            will = (session.will_topic, session.will_qos, session.will_message, session.will_retain)
            handler.will = IncomingApplicationMessage(None, *will)
        return handler, session

    async def _take_over(self, session: Session, handler: MendedHandler) -> None:
        # amqtt lets the old connection live on beside the new one, or ends it so that the new one is deaf.
        while old := self._live.get(session.client_id):
            old.writer.transport.abort()
            await old.ended.wait()  # by then it has sent its will; from here on nothing waits until this one is known
        await self._inherit(session)
        self._live[session.client_id], self._sessions[session.client_id] = handler, (session, handler)
        session.transitions.connect()

    async def _serve(self, session: Session, handler: MendedHandler) -> None:
        # amqtt sends retained messages of everybody's filters here, and at a bad moment waits for ever for the end.
        about = {"client_id": session.client_id, "client_session": session}
        try:
            await handler.mqtt_connack_authorize(True)
            await self.plugins_manager.fire_event(BrokerEvents.CLIENT_CONNECTED, **about)
            await handler.start()
            await self._client_message_loop(session, handler)
        finally:
            await handler.stop()
            try:
                await self._send_will(handler)
            finally:
                session.transitions.disconnect()
                if session.clean_session:
                    await self._delete_session(session.client_id)
                del self._live[session.client_id]
                handler.ended.set()
            await self.plugins_manager.fire_event(BrokerEvents.CLIENT_DISCONNECTED, **about)

    async def _inherit(self, session: Session) -> None:
        """Give a new connection what the last one under its client id has left, if both asked for that; never waits."""
        last, _ = self._sessions.get(session.client_id, (None, None))
        session.parent = int(last is not None and not last.clean_session and not session.clean_session)
        if not session.parent:
            await self._delete_session(session.client_id)
            return
        for kept in ("inflight_out", "inflight_in", "retained_messages", "_packet_id"):
            setattr(session, kept, getattr(last, kept))
        for held in self._subscriptions.values():
            held[:] = [(session if holder is last else holder, qos) for holder, qos in held]

    async def _client_message_loop(self, client_session: Session, handler: MendedHandler) -> None:
        # amqtt never ends a silent connection, and at its end drops what it has acknowledged but not yet routed.
        patience = 1.5 * client_session.keep_alive or None
        while not client_session.retained_messages.empty():
            out = client_session.retained_messages.get_nowait()
            await handler.mqtt_publish(out.topic, out.data, out.qos, retain=False)
        while not handler.writer.transport.is_closing():  # by our side: what is left to read is not wanted any more
            try:
                async with asyncio.timeout(patience):
                    packet = await read_packet(handler.reader, LATER)
            except TimeoutError:
                raise TimeoutError(f"nothing heard for {patience} s") from None
            packet = await decode(packet)
            await self.plugins_manager.fire_event(MQTTEvents.PACKET_RECEIVED, packet=packet, session=client_session)
            if packet.fixed_header.packet_type == mqtt.DISCONNECT:
                handler.will = None
                return
            await self._receive(client_session, handler, packet)
            await asyncio.sleep(0)  # who has sent much takes turns with the others

    async def _receive(self, session: Session, handler: MendedHandler, packet: Packet) -> None:
        """Do what one packet asks for, wholly, before the next one is read."""
        packet_id, reply = getattr(packet.variable_header, "packet_id", None), None
        match packet.fixed_header.packet_type:
            case mqtt.PUBLISH:
                message = IncomingApplicationMessage(
                    packet_id, packet.topic_name, packet.qos, packet.data, packet.retain_flag
                )
                message.publish_packet = packet
                if packet.qos == 2:
                    session.inflight_in[packet_id] = message
                else:
                    await self._accept(session, message)
                reply = (None, mqtt.PUBACK, mqtt.PUBREC)[packet.qos]
            case mqtt.PUBREL:
                if message := session.inflight_in.pop(packet_id, None):
                    await self._accept(session, message)
                reply = mqtt.PUBCOMP
            case mqtt.PUBREC:
                if packet_id in session.inflight_out:
                    session.inflight_out[packet_id].pubrec_packet = packet
                reply = mqtt.PUBREL
            case mqtt.PUBACK | mqtt.PUBCOMP:
                session.inflight_out.pop(packet_id, None)
            case mqtt.PINGREQ:
                await handler.handle_pingreq(packet)
            case mqtt.SUBSCRIBE:
                asked = self._loop.create_future()
                asked.set_result(Subscription(packet_id, packet.payload.topics))
                await self._handle_subscription(session, handler, asked)
            case mqtt.UNSUBSCRIBE:
                asked = self._loop.create_future()
                asked.set_result(UnSubscription(packet_id, packet.payload.topics))
                await self._handle_unsubscription(session, handler, asked)
        if reply:
            await handler._send_packet(packet_dict[reply].build(packet_id))

    async def _send_will(self, handler: MendedHandler) -> None:
        """Publish the will of this connection, as if it had done so itself, if it is still to be sent."""
        will, handler.will = handler.will, None
        if will:
            await self._accept(handler.session, will)

    async def _accept(self, session: Session, message: IncomingApplicationMessage) -> None:
        """Route what a client publishes; `$...` belongs to the broker and is ignored, like what the ACL forbids."""
        about = {"client_id": session.client_id, "message": message}
        await self.plugins_manager.fire_event(BrokerEvents.MESSAGE_RECEIVED, **about)
        allowed = not message.topic.startswith("$")
        if allowed and await self._topic_filtering(session, message.topic, Action.PUBLISH):
            await self.plugins_manager.fire_event(BrokerEvents.MESSAGE_BROADCAST, **about)
            await self._broadcast_message(session, message.topic, message.data, message.qos)
            if message.retain:
                await self.retain_message(session, message.topic, message.data, message.qos)

    async def _broadcast_message(
        self, session: Session | None, topic: str, data: bytes | bytearray, force_qos: int | None = None
    ) -> None:
        # amqtt queues, walks a dictionary that changes meanwhile, forgets the message's QoS, and sends a copy a filter.
        targets: dict[int, tuple[Session, int]] = {}
        for held_filter in (topic, *self._subscriptions.wild):  # who asked for this very topic, then the wildcards
            if held_filter == topic or self._matches(topic, held_filter):
                for target, granted in self._subscriptions.get(held_filter, ()):
                    targets[id(target)] = target, max(granted, targets.get(id(target), (target, 0))[1])
        for target, granted in targets.values():
            qos = granted if force_qos is None else min(granted, force_qos)
            if not await self._topic_filtering(target, topic, Action.RECEIVE):
                continue
            handler = self._live.get(target.client_id)
            if handler and handler.session is target:
                await handler.mqtt_publish(topic, data, qos, retain=False)
            elif qos and not (target.clean_session or target.is_anonymous or target.retained_messages_count > UNACKED):
                message = {"session": session, "topic": topic, "data": data}
                await self._retain_broadcast_message(message, qos, target)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # amqtt raises what was published at QoS 0 to the QoS of the subscription, and asks no ACL.
        topic_filter, granted = subscription
        for kept in [kept for topic, kept in self._retained_messages.items() if self._matches(topic, topic_filter)]:
            qos = granted if kept.qos is None else min(granted, kept.qos)
            if await self._topic_filtering(session, kept.topic, Action.RECEIVE):
                await self._live[session.client_id].mqtt_publish(kept.topic, kept.data, qos, retain=True)

    async def retain_message(
        self, source_session: Session | None, topic_name: str, data: bytes | bytearray, qos: int | None = None
    ) -> None:
        # No defect of amqtt, but a rule of this house: an effect must not fire again for who subscribes later.
        if not any(self._matches(topic_name, unretained) for unretained in self.unretained):
            await super().retain_message(source_session, topic_name, data, qos)

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        # amqtt keeps the first QoS when a client subscribes again, and grants `$share`, under which nothing ever comes.
        topic_filter, _ = subscription
        granted: int = REFUSED
        if not topic_filter.startswith("$share/"):
            granted = await super().add_subscription(subscription, session)
        if granted != REFUSED:
            held = self._subscriptions[topic_filter]
            held[:] = [(holder, granted if holder is session else qos) for holder, qos in held]
        return granted

    async def _handle_unsubscription(
        self, client_session: Session, handler: MendedHandler, unsubscribe_waiter: asyncio.Future[Any]
    ) -> None:
        # amqtt keeps a filter that nobody holds any longer, and compares each message with it.
        await super()._handle_unsubscription(client_session, handler, unsubscribe_waiter)
        for topic_filter in unsubscribe_waiter.result().topics:
            if not self._subscriptions.get(topic_filter, True):
                del self._subscriptions[topic_filter]
