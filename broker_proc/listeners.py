"""Where clients come in: TCP and TLS, WebSocket, and `run/broker.sock` for this user's own programs."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker_proc.broker import Broker
from effectd.config.schema import WebSocket
from effectd.program.addresses import addresses

BACKLOG = 512
SOCKET_CHECK_S = 0.5  # between two checks that broker.sock is still there

log = logging.getLogger(__name__)


async def listen_tcp(broker: Broker, where: Any, tls: ssl.SSLContext | None) -> asyncio.Server:
    """Raises OSError as bind(2) does, gaierror for a name that cannot be resolved."""
    return await _listen(broker.client, where, tls)


async def listen_web(broker: Broker, where: WebSocket, tls: ssl.SSLContext | None) -> asyncio.Server:
    """The same, by WebSocket."""
    from broker_proc.websocket import WebSocketProtocol  # only if configured: websockets

    return await _listen(lambda: WebSocketProtocol(broker, where.path, where.origins), where, tls)


async def _listen(
    protocol: Callable[[], asyncio.BaseProtocol], where: Any, tls: ssl.SSLContext | None
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    hosts = addresses(where.host)
    return await loop.create_server(protocol, hosts, where.port, ssl=tls, backlog=BACKLOG, reuse_address=True)


class SocketFile:
    """`run/broker.sock`, bound by rename as gates are: if it exists, the broker listens on it.

    If something removes the path, it is back within half a second.
    """

    def __init__(self, broker: Broker, path: Path) -> None:
        self._broker, self._path = broker, path
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._timer: Any = None
        self._closed = False

    async def start(self) -> None:
        """Raises OSError where the path cannot be bound."""
        await self._bind()
        self._later()

    def close(self) -> None:
        """Never unlinks: an old run would remove its successor's."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()

    async def _bind(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            listener.bind(os.fspath(fresh))
            fresh.chmod(0o600)
            listener.listen(BACKLOG)
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(lambda: self._broker.client("unix"), sock=listener, backlog=BACKLOG)
        except OSError:
            listener.close()
            raise
        fresh.rename(self._path)
        self._inode = self._path.stat().st_ino
        if self._server is not None:
            self._server.close()
        self._server = server

    def _later(self) -> None:
        if not self._closed:
            self._timer = self._broker.loop.call_later(SOCKET_CHECK_S, self._look)

    def _look(self) -> None:
        try:
            there = self._path.stat().st_ino == self._inode
        except OSError:
            there = False
        if there:
            self._later()
        else:
            task = self._broker.loop.create_task(self._again())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _again(self) -> None:
        try:
            await self._bind()
            log.warning("%s was gone; it is there again", self._path)
        except OSError as error:
            log.warning("%s is gone and cannot be made: %s", self._path, error.strerror or error)
        finally:
            self._later()
