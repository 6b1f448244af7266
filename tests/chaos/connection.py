"""One MQTT connection of the harness: never repaired, so that nothing is published again behind its back."""

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from effectd.program.stream import no_delay

GRANT_S = 2.0
_numbers = itertools.count(1)


class Way(NamedTuple):
    """How the harness comes into the room's broker: as whom, by which CA, and at which quality it hears."""

    login: tuple[str, str] | None = None
    ca: str = ""
    qos: int = 1


PLAIN = Way()


class Connection:
    """`up` once every subscription is granted; `dead` when it has ended, or was not up within 2 s."""

    def __init__(
        self,
        port: int,
        subscriptions: Sequence[str] = (),
        heard: Callable[[str, bytes], None] | None = None,
        way: Way = PLAIN,
    ) -> None:
        self.name = f"client-{next(_numbers)}"
        self.up, self._ended, self._born = False, False, time.monotonic()
        self._subscriptions, self._qos = subscriptions, way.qos
        client = self._client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.max_inflight_messages_set(0)
        if way.login is not None:
            client.username_pw_set(*way.login)
        if way.ca:
            client.tls_set(way.ca)
        client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self._set_up(True)
        client.on_disconnect = lambda *_: self._end()
        if heard is not None:
            client.on_message = lambda _client, _data, message: heard(message.topic, bytes(message.payload))
        try:
            client.connect("127.0.0.1", port, keepalive=10)
        except OSError:
            self._ended = True
        else:
            client.loop_start()

    @property
    def dead(self) -> bool:
        return self._ended or (not self.up and time.monotonic() > self._born + GRANT_S)

    def publish(self, topic: str, payload: bytes) -> None:
        with contextlib.suppress(ValueError, RuntimeError):
            self._client.publish(topic, payload, 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self.up, self._ended = False, True

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._end()
        elif self._subscriptions:
            client.subscribe([(topic, self._qos) for topic in self._subscriptions])
        else:
            self._set_up(True)

    def _set_up(self, up: bool) -> None:
        self.up = up

    def _end(self) -> None:
        self.up, self._ended = False, True
