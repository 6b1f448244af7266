"""The broker's own client on broker.sock: while it is connected, subscribed and gets answers, the broker works."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker_proc import packets
from broker_proc.fields import write_string
from broker_proc.wire import Frames

ASK_S = 2.0  # between two questions
ANSWER_S = 5.0  # that an answer may take
RETRY_S = 0.1
ID = (1).to_bytes(2, "big")
_ANYTHING = (packets.V5 << 20,) * 256


class SelfCheck(asyncio.Protocol):
    """`said` is called at each change: "" if all is well, else what is wrong."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, path: Path, client_id: str, topic: str, said: Callable[[str], None]
    ) -> None:
        self._loop, self._path, self._client_id, self._topic, self._said = loop, path, client_id, topic, said
        self._transport: Any = None
        self._frames = Frames(_ANYTHING)
        self._timer: Any = None
        self._closed = False
        self._connect()

    def close(self) -> None:
        """Disconnect."""
        self._closed = True
        self._cancel()
        if self._transport is not None:
            self._transport.write(packets.packet(packets.DISCONNECT << 4))
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport, self._frames = transport, Frames(_ANYTHING)
        flags = b"\x02\0\0"  # clean session, no keepalive: this client asks often enough
        body = write_string(b"MQTT") + bytes((packets.V311,)) + flags + write_string(self._client_id.encode())
        transport.write(packets.packet(packets.CONNECT << 4, body))

    def data_received(self, data: bytes) -> None:
        self._frames.add(data)
        while (frame := self._frames.next()) is not None:
            head, _, self._frames.at = frame
            if head >> 4 == packets.CONNACK:
                asked = ID + write_string(self._topic.encode()) + b"\1"
                self._transport.write(packets.packet(packets.SUBSCRIBE << 4 | 2, asked))
            elif head >> 4 in (packets.SUBACK, packets.PINGRESP):
                self._cancel()
                self._timer = self._loop.call_later(ASK_S, self._ask)
                self._said("")

    def connection_lost(self, _why: Exception | None) -> None:
        self._transport = None
        self._cancel()
        if not self._closed:
            self._said("the connection of its own client was lost")
            self._timer = self._loop.call_later(RETRY_S, self._connect)

    def _connect(self) -> None:
        self._cancel()
        self._timer = self._loop.call_later(ANSWER_S, self._late)
        task = self._loop.create_task(self._dial())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _dial(self) -> None:
        try:
            await self._loop.create_unix_connection(lambda: self, str(self._path))
        except OSError as error:
            self._cancel()
            if not self._closed:
                self._said(f"cannot connect to {self._path.name}: {error.strerror or error}")
                self._timer = self._loop.call_later(RETRY_S, self._connect)

    def _ask(self) -> None:
        self._timer = self._loop.call_later(ANSWER_S, self._late)
        self._transport.write(packets.packet(packets.PINGREQ << 4))

    def _late(self) -> None:
        self._said(f"no answer to its own client within {ANSWER_S:g} s")
        if self._transport is not None:
            self._transport.abort()
        else:
            self._connect()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
