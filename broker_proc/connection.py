"""One connection of the mended broker: it writes at once, never waits for the client to read, and its end is an end."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import asyncio
import contextlib
import io
from typing import Any

from amqtt.adapters import ReaderAdapter, StreamWriterAdapter, WebSocketsReader, WebSocketsWriter, WriterAdapter
from amqtt.mqtt import packet as mqtt
from amqtt.mqtt import packet_dict
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import IncomingApplicationMessage, OutgoingApplicationMessage, Session
from websockets import ConnectionClosed

LINGER = 1.0  # seconds that a closed connection has to take its last bytes
UNREAD = 16 * 2**20  # bytes that a client may leave unread before messages to it are dropped
UNACKED = 10_000  # deliveries that a client may leave unacknowledged before messages to it are dropped


class Line(StreamWriterAdapter):
    """The writing end of a TCP or TLS connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self.transport = writer.transport
        try:
            self.peer = super().get_peer_info()
        except ValueError:  # uvloop, if the client is gone already
            self.peer = None

    def get_peer_info(self) -> Any:
        # amqtt asks again after CONNECT; uvloop has no answer then if the client is gone, and amqtt fails on that.
        return self.peer

    def write(self, data: bytes) -> None:
        # amqtt writes on to a connection that is lost, and asyncio logs a warning for each such write.
        if not self.transport.is_closing():
            self.transport.write(data)

    async def drain(self) -> None:
        # amqtt waits here, so that a client which does not read gets no answer to its pings, and others wait with it.
        pass

    async def close(self) -> None:
        # amqtt drains first: it hangs on a slow client, and on a broken one it raises and leaves the descriptor open.
        if not self.transport.is_closing():
            self.transport.close()
            asyncio.get_running_loop().call_later(LINGER, self.transport.abort)


class WebReader(WebSocketsReader):
    """The reading end of a WebSocket."""

    _stream: io.BytesIO

    async def _feed_buffer(self, n: int = 1) -> None:
        # amqtt makes up the rest of a packet that is cut off out of repetitions of its last frame.
        received = bytearray(self._stream.read())
        with contextlib.suppress(ConnectionClosed):
            while len(received) < n:
                frame = await self._protocol.recv()
                received += frame.encode() if isinstance(frame, str) else frame
        self._stream = io.BytesIO(received)


class WebLine(WebSocketsWriter):
    """The writing end of a WebSocket, which `websockets` closes when `ws_connected` returns."""

    def __init__(self, websocket: Any) -> None:
        super().__init__(websocket)
        self.transport = websocket.transport
        self._stream = io.BytesIO()
        self.sends: set[asyncio.Task[None]] = set()

    async def drain(self) -> None:
        # amqtt waits here, see Line, and loses what is written meanwhile.
        data, self._stream = self._stream.getvalue(), io.BytesIO()
        send = asyncio.ensure_future(self._protocol.send(data))
        self.sends.add(send)
        send.add_done_callback(self._sent)

    def _sent(self, send: asyncio.Task[None]) -> None:
        self.sends.discard(send)
        _ = send.cancelled() or send.exception()  # looked at, or asyncio logs it

    async def close(self) -> None:
        # amqtt waits ten seconds for the client's own closing frame.
        if self.sends:
            await asyncio.wait(self.sends, timeout=LINGER)


class MendedHandler(BrokerProtocolHandler):
    """amqtt's handler without its tasks: `MendedBroker._client_message_loop` reads, `mqtt_publish` writes at once."""

    will: IncomingApplicationMessage | None = None  # sent once, at any end but DISCONNECT
    dropped = False  # a message, because the client does not keep up

    def attach(self, session: Session, reader: ReaderAdapter, writer: WriterAdapter) -> None:
        # amqtt tells nobody when it is through with a connection.
        super().attach(session, reader, writer)
        self.ended = asyncio.Event()

    async def start(self) -> None:
        # amqtt reads on past a malformed packet, reads faster than it routes, and can end before anyone waits for it.
        for sent in self.session.inflight_out.values():
            release = sent.pubrec_packet and packet_dict[mqtt.PUBREL].build(sent.packet_id)
            await self._send_packet(release or sent.build_publish_packet(dup=True))

    async def mqtt_publish(
        self,
        topic: str,
        data: bytes | bytearray,
        qos: int | None,
        retain: bool,
        ack_timeout: int | None = None,  # noqa: ARG002
    ) -> OutgoingApplicationMessage:
        # amqtt waits 5 s for a PUBACK, then forgets the message and raises; and keeps any amount for who does not read.
        out, unacked = OutgoingApplicationMessage(None, topic, qos, data, retain), self.session.inflight_out
        if self.writer.transport.get_write_buffer_size() > UNREAD or len(unacked) >= UNACKED:
            if not self.dropped:
                self.logger.warning("%s does not keep up: messages to it are dropped", self.session.client_id)
            self.dropped = True
            return out
        if qos:
            out.packet_id = self.session.next_packet_id
            unacked[out.packet_id] = out
        await self._send_packet(out.build_publish_packet())
        return out
