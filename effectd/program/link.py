"""One MQTT connection of a process, driven by its loop: last will, subscriptions, reconnecting, and no hidden queues.

Each connection is a fresh session: what was in flight when the broker was lost is forgotten
here and kept by its owner (the dispatcher its effects, a host its last state), so nothing is ever sent late without
their knowledge. `up` means: CONNACK, and every subscription granted (SUBACK).

paho opens and keeps the session (CONNECT, SUBSCRIBE, pings). Messages and their acknowledgements bypass it: it neither
limits its output queue nor its reading (docs/decisions/0014-overload.md).
"""

import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from effectd.base.errors import BrokerLost
from effectd.base.loop import AnyLoop, Cancellable
from effectd.base.rounds import next_round
from effectd.config.address import Address
from effectd.program.nodes import QUIET, Nodes
from effectd.program.session import Pipe, Session
from effectd.program.stream import PUBACK, PUBLISH, Packet, Stream, length

KEEPALIVE_S = 10
_GRANT_S, _GRANT_OF_SEVERAL_S = 5.0, 2.0  # to the CONNACK; where other nodes wait to be tried
_SUBACK_S = 15.0  # from there to every SUBACK: a cluster may have much to do for each
_GOODBYE_S = 0.3  # a broker that reads nothing more gets no DISCONNECT
# in flight before `has_room` says no; at four times as much the connection is given up
ROOM_MESSAGES, ROOM_BYTES = 4000, 4 << 20
_FIRST_ID, _IDS = 100, 65_000  # packet ids of messages; paho numbers its SUBSCRIBE below them

log = logging.getLogger(__name__)

# topic, payload, retain flag as it arrived
OnMessage = Callable[[str, bytes, bool], None]
Will = tuple[str, bytes]


class Publisher(Protocol):
    """The interface for publishing over a link: the real link, or a fake one in tests."""

    @property
    def up(self) -> bool: ...
    def has_room(self) -> bool: ...
    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None: ...


class Link:
    """`open` and `drop` follow the broker's gate; `close` disconnects properly. Callbacks run on the loop."""

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
        self._loop, self._client_id = loop, client_id
        self.nodes = Nodes(loop, address)
        self._subscriptions, self._will = subscriptions, will
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self.up = False
        self.lightly: Sequence[str] = ()  # subscribed to at QoS 0: cheaper, with some brokers much
        self.wanted = False  # a connection exists or is being made
        self.on_failure: Callable[[str], None] | None = None  # gets the reason of each failed attempt to connect
        self.on_room: Callable[[], None] | None = None  # called when there is room again after `has_room` said no
        self._connecting = False
        self._password: str | None = None
        self._stream: Stream | None = None
        self._session: Session | None = None
        self._pipe: Pipe | None = None
        self._timers: list[Cancellable] = []
        self._events: list[Callable[[], None]] = []
        self._unacked: dict[int, tuple[int, Callable[[], None] | None]] = {}  # by packet id: its bytes, the callback
        self._unacked_bytes = 0
        self._last_id = _FIRST_ID
        self._tight = False

    @property
    def address(self) -> Address:
        """The address of the node in use, or being tried."""
        return self.nodes.address

    def open(self, address: Address | None = None) -> None:
        """Connect, to `address` from now on, and again whenever the connection is lost, until `drop` or `close`."""
        if address is not None and address != self.address:
            self.drop()
            self.nodes.only(address)
        if not self.wanted:
            self.wanted, self.nodes.failures = True, 0
            self._connect()

    def give_up(self, why: str) -> None:
        """This connection is as good as lost: reconnect, if there are several nodes to the next one."""
        self._lose(why)

    def drop(self) -> None:
        """The broker is known to be gone: close at once, and do not retry."""
        self.wanted = False
        self._lose("the broker is gone")

    def close(self) -> None:
        """Send what is waiting, then DISCONNECT, so that no will is sent."""
        self.wanted = False
        if self.up and self._session is not None and self._stream is not None:
            self._session.on_disconnect = None
            self._session.disconnect()
            self._stream.finish(_GOODBYE_S)
        self._lose("")

    def has_room(self) -> bool:
        """Whether the connection has room for more now. If not, `on_room` is called when it has.

        For callers that can hold their messages back; what is published anyway is sent, up to a limit.
        """
        self._tight = not self._room(1)
        return not self._tight

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None:
        """Send a message to the broker; `acked` is called at its PUBACK (QoS 1). Raises BrokerLost if not up."""
        if not self.up or self._stream is None:
            raise BrokerLost(f"no connection to {self.address}")
        name = topic.encode()
        parts = [len(name).to_bytes(2, "big"), name]
        if qos:
            parts.append(self._new_id(len(payload), acked).to_bytes(2, "big"))
        parts.append(payload)
        rest = b"".join(parts)
        self._stream.send(bytes((PUBLISH | qos << 1 | retain,)) + length(len(rest)) + rest)
        if not self._room(4):
            self._loop.call_soon(self._lose, f"{self.address} takes nothing any more", self._session)

    def _room(self, times: int) -> bool:
        return (
            self._stream is not None
            and len(self._unacked) < times * ROOM_MESSAGES
            and self._unacked_bytes + self._stream.unsent < times * ROOM_BYTES
        )

    def _new_id(self, size: int, acked: Callable[[], None] | None) -> int:
        while True:
            self._last_id = self._last_id + 1 if self._last_id < _IDS else _FIRST_ID
            if self._last_id not in self._unacked:
                break
        self._unacked[self._last_id] = size, acked
        self._unacked_bytes += size
        return self._last_id

    def _connect(self) -> None:
        if not self.wanted or self._connecting or self._session is not None:
            return
        self._connecting = True
        limit = _GRANT_OF_SEVERAL_S if self.nodes.several else _GRANT_S
        self._timers = [self._loop.call_later(limit, self._too_late, limit)]
        try:
            self._password = self.address.password()
        except ValueError as error:
            self._lose(str(error))
            return
        self.nodes.dialer.dial(self._dialled)

    def _too_late(self, seconds: float) -> None:
        step = f": {self.nodes.dialer.stage}" if self._connecting else ""
        self._lose(f"{self.address} did not answer within {seconds:g} s{step}")

    def _dialled(self, sock: socket.socket | None, why: str) -> None:
        if sock is None:
            self._lose(f"cannot connect to {self.address}: {why}")
            return
        self._connecting = False
        self._stream = Stream(self._loop, sock, take=self._take, sent=self._look, broken=self._broken)
        self._pipe = Pipe(self._stream)
        session = self._session = Session(self.address.client_id(self._client_id), self._pipe)
        # inside its callbacks paho holds locks: only note what happened, and act on it when paho has returned
        session.on_connect = lambda _c, _data, _flags, reason, _properties: self._note(self._connected, reason)
        session.on_subscribe = lambda _c, _data, _mid, reasons, _properties: self._note(self._subscribed, reasons)
        session.on_disconnect = lambda _c, _data, _flags, reason, _properties: self._note(self._ended, reason)
        if self._will is not None:
            session.will_set(self._will[0], self._will[1], qos=1, retain=True)
        if self.address.username is not None:
            session.username_pw_set(self.address.username, self._password)
        session.connect(self.address.host, self.address.port, KEEPALIVE_S)
        self._timers.append(self._loop.call_later(next_round(self._loop, 1.0), self._misc, session))

    def _note(self, act: Callable[[Any], None], what: Any) -> None:
        self._events.append(lambda: act(what))

    def _act(self, session: Session) -> None:
        """Act on the events noted from paho's callbacks; those of a connection lost meanwhile are dropped with it."""
        while self._events and session is self._session:
            self._events.pop(0)()

    def _connected(self, reason: Any) -> None:
        if reason.is_failure:
            self._lose(f"{self.address} refused the connection: {reason}")
        elif (self._subscriptions or self.lightly) and self._session is not None:
            light = [(topic, 0) for topic in self.lightly]
            self._session.subscribe([(topic, self.address.heard_at) for topic in self._subscriptions] + light)
            self._timers[0].cancel()
            self._timers[0] = self._loop.call_later(_SUBACK_S, self._too_late, _SUBACK_S)
        else:
            self._granted()

    def _subscribed(self, reasons: list[Any]) -> None:
        refused = [
            t for t, reason in zip((*self._subscriptions, *self.lightly), reasons, strict=False) if reason.is_failure
        ]
        if refused:
            self._lose(f"{self.address} refused to let us subscribe to {', '.join(refused)}")
        else:
            self._granted()

    def _granted(self) -> None:
        self.up, self.nodes.failures = True, 0
        self._timers.pop(0).cancel()
        self._on_up()

    def _ended(self, reason: Any) -> None:
        self._lose(f"connection to {self.address} lost: {reason}")

    def _broken(self, why: str) -> None:
        self._lose(f"connection to {self.address} lost: {why}")

    def _lose(self, why: str, session: Session | None = None) -> None:
        """Forget this connection completely; reconnect after a while if that is still wanted."""
        if (self._session is None and not self._connecting) or (session is not None and session is not self._session):
            return
        was_up, self.up, self._connecting = self.up, False, False
        self.nodes.dialer.cancel()
        if self._session is not None:
            self._session.on_disconnect = None
        if self._stream is not None:
            self._stream.close()
        self._session = self._stream = self._pipe = None
        self._events.clear()
        self._unacked.clear()
        self._unacked_bytes = 0
        for timer in self._timers:
            timer.cancel()
        if self.wanted:
            self._loop.call_later(self.nodes.next(), self._connect)
            log.log(logging.WARNING if was_up or self.nodes.failures == QUIET else logging.DEBUG, "%s", why)
        if was_up:
            self._on_down(why)
        elif self.on_failure is not None and self.wanted:
            self.on_failure(why)

    def _take(self, packet: Packet, at: int) -> None:
        """One packet from the broker; its part after the fixed header begins at `at`."""
        kind = packet[0] & 0xF0
        if kind == PUBLISH:
            self._message(packet, at)
        elif kind == PUBACK:
            size, acked = self._unacked.pop(int.from_bytes(packet[at : at + 2], "big"), (0, None))
            self._unacked_bytes -= size
            if acked is not None:
                acked()
            self._look()
        elif (session := self._session) is not None and self._pipe is not None:
            self._pipe.inbox += packet
            session.loop_read()
            self._act(session)

    def _message(self, packet: Packet, at: int) -> None:
        body = at + 2 + int.from_bytes(packet[at : at + 2], "big")
        name = bytes(packet[at + 2 : body])
        if packet[0] & 6 and self._stream is not None:
            self._stream.send(bytes((PUBACK, 2)) + packet[body : body + 2])
            body += 2
        try:
            topic = name.decode()
        except UnicodeDecodeError:
            return
        try:
            self._on_message(topic, bytes(packet[body:]), bool(packet[0] & 1))
        except Exception:  # per message: a defect that one message triggers must not stop the link for the next
            log.exception("a message on %s could not be handled", topic)

    def _look(self) -> None:
        """Something was sent: call `on_room` if it is waited for."""
        if self._tight and self._room(1):
            self._tight = False
            if self.on_room is not None:
                self.on_room()

    def _misc(self, session: Session) -> None:
        if session is self._session:
            self._timers[-1] = self._loop.call_later(next_round(self._loop, 1.0), self._misc, session)
            session.loop_misc()
            self._act(session)
