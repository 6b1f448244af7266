"""WebSocket connections: the handshake, then the binary frames carry the client's bytes (MQTT 5 section 6).

`websockets` does the protocol without I/O, and no compression is offered. The client sees an ordinary transport.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from broker_proc.broker import Broker

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WebSocketProtocol(asyncio.Protocol):
    """Sits between the loop's transport and a client: each calls the other through it."""

    def __init__(self, broker: "Broker", path: str, origins: tuple[str, ...]) -> None:
        self._broker, self._path, self._origins = broker, path, origins
        largest = broker.settings.packet_bytes + 5
        self._protocol = ServerProtocol(subprotocols=[Subprotocol("mqtt")], extensions=None, max_size=largest)
        self._client = broker.client("websocket")
        self._transport: Any = None

    # -- what the loop calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._client.connection_made(self)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame) and self._protocol.state is State.OPEN:
                self._frame(event)
        self._flush()
        if self._protocol.close_expected():
            self._client.close()
            self._transport.close()

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def connection_lost(self, why: Exception | None) -> None:
        self._client.connection_lost(why)

    def pause_writing(self) -> None:
        self._client.pause_writing()

    def resume_writing(self) -> None:
        self._client.resume_writing()

    # -- what the client calls

    def write(self, data: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
        self._flush()

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self._say_goodbye()
        self._transport.close()

    def write_eof(self) -> None:
        self._say_goodbye()
        self._transport.write_eof()

    def _say_goodbye(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()

    def __getattr__(self, name: str) -> Any:
        """`abort`, `pause_reading` and the like are those of the underlying transport."""
        return getattr(self._transport, name)

    # -- the protocol

    def _shake_hands(self, request: Request) -> None:
        response = self._protocol.accept(request)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            refusal = self._refusal(request)
            if refusal is not None:
                response = refusal
        self._protocol.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._flush()
            self._client.close()

    def _refusal(self, request: Request) -> Response | None:
        if urlsplit(request.path).path != self._path:
            return self._protocol.reject(HTTPStatus.NOT_FOUND, f"MQTT is at {self._path}\n")
        if self._protocol.subprotocol != "mqtt":
            return self._protocol.reject(HTTPStatus.BAD_REQUEST, "the subprotocol must be mqtt\n")
        origin = request.headers.get("Origin")
        if self._broker.door.asks_for_users:
            return None  # the login counts, wherever the page is from: no browser adds it by itself
        if origin is not None and origin not in self._origins and urlsplit(origin).hostname not in LOOPBACK:
            why = f"pages of {origin[:80]} may not connect here (broker.websocket.origins)\n"
            return self._protocol.reject(HTTPStatus.FORBIDDEN, why)
        return None

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._client.data_received(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "MQTT is binary")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
