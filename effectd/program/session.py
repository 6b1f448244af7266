"""Runs paho over an existing connection: paho keeps the MQTT session, and never touches a socket."""

from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from effectd.config.address import Address
from effectd.program.stream import Stream, no_delay


class Pipe:
    """The fake socket for paho: what it writes goes into the stream, what it reads was put here."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.inbox = b""

    def recv(self, size: int) -> bytes:
        if not self.inbox:
            raise BlockingIOError
        data, self.inbox = self.inbox[:size], self.inbox[size:]
        return data

    def send(self, data: bytes) -> int:
        self._stream.send(data)
        return len(data)

    def fileno(self) -> int:
        return self._stream.fileno()

    def setblocking(self, _blocking: bool) -> None: ...

    def close(self) -> None:
        """Do nothing: the link closes the stream."""


def introduce(client: paho.Client, address: Address) -> None:
    """For a client of paho's own: how it comes in at `address`. Raises ValueError as `address.password` does."""
    client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
    if address.username is not None:
        client.username_pw_set(address.username, address.password())
    if address.tls is not None:
        client.tls_set(address.tls.cafile, address.tls.certfile, address.tls.keyfile)


class Session(paho.Client):
    """paho over an existing connection: `_create_socket` is the only private name of it that we use.

    paho opens its socket there itself, blocks until it is connected, and accepts none from its caller; we found no
    issue of paho's that asks for that.
    """

    def __init__(self, client_id: str, pipe: Pipe) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, clean_session=True)
        self._pipe = pipe

    def _create_socket(self) -> Any:
        return self._pipe
