"""One MQTT connection of a process, driven from its loop: will, subscriptions, reconnecting, and nothing hidden.

Each connection is a fresh paho client with a clean session: what was in flight when the broker was lost is forgotten
here and held by those who own it (the dispatcher its effects, a host its last state), so nothing is ever sent late
behind their backs. `up` means: CONNACK, and every subscription granted (SUBACK).
"""

import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from effectd.errors import BrokerLost
from effectd.loop import AnyLoop, Cancellable
from effectd.schema import Address

KEEPALIVE_S = 10
_GRANT_S = 5.0  # from connect() to every SUBACK
_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_CONNECT_S = 1.0  # a blocking connect() must stay below the 2 s after which a silent gate counts as hung

log = logging.getLogger(__name__)

# topic, payload, retain flag as it arrived
OnMessage = Callable[[str, bytes, bool], None]
Will = tuple[str, bytes]


def no_delay(sock: Any) -> None:
    """What paho never sets: Nagle's algorithm and a delayed ACK cost up to 40 ms (docs/measured.md)."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Link:
    """`open` and `drop` follow the broker's gate; `close` says goodbye. Callbacks run on the loop."""

    def __init__(
        self,
        loop: AnyLoop,
        address: Address,
        client_id: str,
        *,
        subscriptions: Sequence[str],
        on_message: OnMessage,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        will: Will | None = None,
    ) -> None:
        self._loop, self._address, self._client_id = loop, address, client_id
        self._subscriptions, self._will = subscriptions, will
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self.up = False
        self.on_failure: Callable[[str], None] | None = None  # told why each attempt to connect has failed
        self._wanted = False
        self._client: paho.Client | None = None
        self._fd = -1
        self._writing = False
        self._failures = 0
        self._timers: list[Cancellable] = []
        self._acks: dict[int, Callable[[], None]] = {}
        self._noted: deque[tuple[paho.Client, Callable[[Any], None], Any]] = deque()
        self._draining = False

    def open(self) -> None:
        """Connect, and connect again whenever the connection is lost, until `drop` or `close`."""
        if not self._wanted:
            self._wanted, self._failures = True, 0
            self._connect()

    def drop(self) -> None:
        """The broker is known to be gone: let go at once, try nothing."""
        self._wanted = False
        self._lose("the broker is gone")

    def close(self) -> None:
        """Send what is waiting, then DISCONNECT, so that no will is sent."""
        self._wanted = False
        if self._client is not None and self.up:
            self._client.disconnect()
            while (
                self._client is not None
                and self._client.want_write()
                and self._client.loop_write() == paho.MQTT_ERR_SUCCESS
            ):
                pass
        self._lose("")

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None:
        """Hand a message to the broker; `acked` is called at its PUBACK (QoS 1). Raises BrokerLost where not up."""
        if not self.up or self._client is None:
            raise BrokerLost(f"no connection to {self._address}")
        if acked is not None and self._client.on_publish is None:  # else paho makes objects for nobody
            self._client.on_publish = lambda c, _data, mid, _reason, _props: self._note(c, self._published, mid)
        info = self._client.publish(topic, payload, qos, retain)
        if acked is not None:
            self._acks[info.mid] = acked
        self._await_writable()

    def _connect(self) -> None:
        if not self._wanted or self._client is not None:
            return
        client = self._client = paho.Client(CallbackAPIVersion.VERSION2, self._client_id, clean_session=True)
        self._timers = [
            self._loop.call_later(_GRANT_S, self._lose, f"{self._address} did not answer within {_GRANT_S:g} s")
        ]
        try:
            self._set_up(client)
            client.connect(self._address.host, self._address.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._lose(f"cannot connect to {self._address}: {error}")
        else:
            self._timers.append(self._loop.call_later(1.0, self._misc, client))
            self._drain()

    def _set_up(self, client: paho.Client) -> None:
        client.connect_timeout = _CONNECT_S
        client.max_inflight_messages_set(0)  # our own holds are the bound; paho's 20 would stall a burst
        client.max_queued_messages_set(0)
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        # inside its callbacks paho holds locks: only note what happened, and act on it when paho has returned
        client.on_connect = lambda c, _data, _flags, reason, _properties: self._note(c, self._connected, reason)
        client.on_subscribe = lambda c, _data, _mid, reasons, _properties: self._note(c, self._subscribed, reasons)
        client.on_disconnect = lambda c, _data, _flags, reason, _properties: self._disconnected(c, reason)
        client.on_message = lambda c, _data, message: self._note(c, self._message, message)
        if self._will is not None:
            client.will_set(self._will[0], self._will[1], qos=1, retain=True)
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password())
        if self._address.tls is not None:
            tls = self._address.tls
            client.tls_set(tls.cafile, tls.certfile, tls.keyfile)

    def _note(self, client: paho.Client, act: Callable[[Any], None], what: Any) -> None:
        self._noted.append((client, act, what))

    def _drain(self) -> None:
        """Act on what paho has told; what belongs to a connection that is lost meanwhile goes with it."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._noted:
                client, act, what = self._noted.popleft()
                if client is self._client:
                    act(what)
        finally:
            self._draining = False

    def _connected(self, reason: Any) -> None:
        if reason.is_failure:
            self._lose(f"{self._address} refused the connection: {reason}")
        elif self._subscriptions and self._client is not None:
            self._client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._granted()

    def _subscribed(self, reasons: list[Any]) -> None:
        refused = [t for t, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if refused:
            self._lose(f"{self._address} refused to let us subscribe to {', '.join(refused)}")
        else:
            self._granted()

    def _granted(self) -> None:
        self.up, self._failures = True, 0
        self._timers.pop(0).cancel()
        self._on_up()

    def _disconnected(self, client: paho.Client, reason: Any) -> None:
        if client is self._client:
            self._loop.call_soon(self._lose, f"connection to {self._address} lost: {reason}", client)

    def _lose(self, why: str, client: paho.Client | None = None) -> None:
        """Forget this connection wholly; connect again after a while if that is still wanted."""
        if self._client is None or (client is not None and client is not self._client):
            return
        lost, was_up = self._client, self.up
        self._client, self.up = None, False
        self._acks.clear()
        for timer in self._timers:
            timer.cancel()
        lost.on_disconnect = None
        if (sock := lost.socket()) is not None:
            self._socket_close(lost, None, sock)
            sock.close()
        if self._wanted:
            delay = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
            self._failures += 1
            self._loop.call_later(delay, self._connect)
            log.log(logging.WARNING if was_up or self._failures == len(_RETRY_S) else logging.DEBUG, "%s", why)
        if was_up:
            self._on_down(why)
        elif self.on_failure is not None and self._wanted:
            self.on_failure(why)

    def _message(self, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        try:
            self._on_message(topic, bytes(message.payload), message.retain)
        except Exception:  # once a message: a defect met by one message must not deafen the link for the next
            log.exception("a message on %s could not be handled", topic)

    def _published(self, mid: int) -> None:
        acked = self._acks.pop(mid, None)
        if acked is not None:
            acked()

    def _socket_open(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        self._fd = sock.fileno()
        no_delay(sock)
        self._loop.add_reader(self._fd, self._read)

    def _socket_close(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if self._fd >= 0 and sock.fileno() == self._fd:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd, self._writing = -1, False

    def _read(self) -> None:
        client = self._client
        if client is None:
            return
        client.loop_read()
        sock = client.socket()
        while client is self._client and isinstance(sock, ssl.SSLSocket) and sock.pending():
            client.loop_read()  # what TLS has decrypted already makes no descriptor readable
            sock = client.socket()
        self._drain()
        self._await_writable()

    def _write(self) -> None:
        if self._client is not None:
            self._client.loop_write()
            self._await_writable()
            self._drain()

    def _await_writable(self) -> None:
        """paho writes at once where it can; only what the socket did not take waits for the loop."""
        if self._fd >= 0 and self._client is not None:
            if self._client.want_write():
                self._loop.add_writer(self._fd, self._write)
            elif self._writing:
                self._loop.remove_writer(self._fd)
            self._writing = self._client.want_write()

    def _misc(self, client: paho.Client) -> None:
        if client is self._client:
            self._timers[-1] = self._loop.call_later(1.0, self._misc, client)
            client.loop_misc()
            self._await_writable()
