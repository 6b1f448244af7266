"""Connects sockets on a separate thread: no name lookup, connect, handshake or CA file blocks a loop."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from effectd.base.loop import AnyLoop
from effectd.config.address import Address, HomeAddress

CONNECT_S = 1.0  # for one address of the name, and for the handshake
ALL_S = 3.0  # for all addresses of the name

# the socket (with TLS: after the handshake), or None and why
Done = Callable[[socket.socket | None, str], None]


class Dialer:
    """One attempt at a time: a lookup that never returns keeps one thread, however often it is asked for."""

    def __init__(self, loop: AnyLoop, address: Address) -> None:
        self._loop, self._address = loop, address
        self._context: ssl.SSLContext | None = None
        self._done: Done | None = None
        self._busy = False
        self.stage = ""  # what the attempt is doing, for a message: "cannot resolve x"

    def dial(self, done: Done) -> None:
        """Call `done` on the loop when there is a socket, or none; an attempt that still runs is waited for."""
        self._done = done
        if not self._busy:
            self._busy = True
            threading.Thread(target=self._attempt, name="dial", daemon=True).start()

    def cancel(self) -> None:
        """The caller no longer waits; a socket that still comes is closed."""
        self._done = None

    def _attempt(self) -> None:
        sock, why = None, ""
        try:
            sock = self._open()
        except (OSError, ValueError) as error:
            self._context = None  # the certificate files may be corrected before the next attempt
            stage = f"{self.stage}: " if self.stage else ""
            why = f"{stage}{getattr(error, 'strerror', None) or error}"
        try:
            self._loop.call_soon_threadsafe(self._end, sock, why)
        except (OSError, RuntimeError, ValueError):  # the loop has ended meanwhile
            if sock is not None:
                sock.close()

    def _end(self, sock: socket.socket | None, why: str) -> None:
        self._busy = False
        done, self._done = self._done, None
        if done is not None:
            done(sock, why)
        elif sock is not None:
            sock.close()

    def _open(self) -> socket.socket:
        if isinstance(self._address, HomeAddress):
            self.stage = ""
            return connect_to(self._address.path)
        host, tls = self._address.host, self._address.tls
        if tls is not None and self._context is None:
            self.stage = "its certificates cannot be loaded"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if tls.cafile is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(tls.cafile)
            if tls.certfile is not None:
                context.load_cert_chain(tls.certfile, tls.keyfile)
            self._context = context
        self.stage = f"cannot resolve {host}"
        found = socket.getaddrinfo(host, self._address.port, type=socket.SOCK_STREAM)
        self.stage = "no answer"
        sock = self._first(found)
        if self._context is None:
            return sock
        self.stage = "no TLS"
        try:
            return self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def _first(self, found: list[tuple[Any, ...]]) -> socket.socket:
        """The first of the addresses that answers. Raises the OSError of the last one."""
        end = time.monotonic() + ALL_S
        for number, (family, kind, protocol, _, where) in enumerate(found, 1):
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(CONNECT_S)
            try:
                sock.connect(where)
            except OSError:
                sock.close()
                if number == len(found) or time.monotonic() > end:
                    raise
            else:
                return sock
        raise OSError("the name has no address")


def connect_to(path: str) -> socket.socket:
    """A connection to a UNIX socket, without waiting: a full backlog is an OSError like an absent listener."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock
