"""One connection: splits its bytes into packets in turns, watches its silence, closes it; client.py handles packets."""

import asyncio
import logging
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from broker_proc import packets
from broker_proc.outgoing import Outgoing
from broker_proc.packets import V5
from broker_proc.reasons import KEEPALIVE, UNSPECIFIED, WireError
from broker_proc.rights import Ask, MustAsk
from broker_proc.wire import Frames

if TYPE_CHECKING:
    from broker_proc.broker import Broker

LINGER_S = 1.0  # how long a closed connection may take to read its last bytes
LINGERING = 100  # closed connections that may still be read to their end, so that the last packet arrives
TURN_S = 0.01  # on one connection's packets before the others get their turn
READ_AHEAD = 262_144  # bytes buffered here while a connection is held back
PARTIAL = 65_536  # an incomplete packet counts towards the limit from this size (bytes)
BEHIND = 32_768  # a connection with this many unread bytes counts as behind

log = logging.getLogger(__name__)


def is_ours(transport: Any) -> bool:
    """Whether the process at the other end of a UNIX socket is of this user, or root's (SO_PEERCRED, unix(7))."""
    raw = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", raw)
    return uid in (0, os.geteuid())


class Connection(Outgoing, asyncio.Protocol, ABC):
    """The half of `client.Client` that handles bytes, time and turns; it calls `_packet` and `_ended`."""

    def __init__(self, broker: "Broker", kind: str = "tcp") -> None:
        super().__init__(broker)
        self.kind = kind  # tcp, unix, websocket
        self.frames = Frames()
        self.address: tuple[str, int] = ("", 0)
        self.refused = False  # its CONNECT cannot be granted, and the client will send it again
        self.closing = self.busy = self.lingers = False
        self.held = False  # it may not publish for now
        self.patience = broker.connect_within
        self._heard = 0.0
        self._timer: Any = None
        self._linger: Any = None
        self._reading = True
        self._job: Iterator[Ask | None] | None = None  # the work that one packet has started, done in turns
        self._task: asyncio.Task[None] | None = None

    # -- what the loop calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=BEHIND, low=BEHIND // 4)
        self.address = _address(transport)
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(self.patience, self._look)
        if not self._broker.admit(self) or (self.kind == "unix" and not is_ours(transport)):
            self._end()
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        self._broker.counters.bytes_received += len(data)
        self.frames.add(data)
        if not self.busy:
            self._work_and_flush()
        waiting = self.frames.waiting
        if waiting > PARTIAL:
            self._broker.crowd.partial.add(self)
            if self.busy and waiting > READ_AHEAD:
                self._pause()

    def connection_lost(self, _why: Exception | None) -> None:
        self.lost = True
        if self.lingers:
            self._broker.lingering -= 1
        for timer in (self._timer, self._linger):
            if timer is not None:
                timer.cancel()
        if not self.busy:
            self._end()

    def pause_writing(self) -> None:
        self.behind = True
        self._broker.behind(self)

    def resume_writing(self) -> None:
        self.behind = False
        self._broker.caught_up(self)
        if self.session is not None and self.session.connection is self and self.session.queue:
            self.session.pump()

    # -- in

    def _work_and_flush(self) -> None:
        """Write the results of these bytes at once, not a turn of the loop later: uvloop gathers a turn's writes."""
        broker = self._broker
        if broker.will_flush:
            self._work()
            return
        broker.will_flush = True
        try:
            self._work()
        finally:
            broker.flush()

    def _work(self) -> None:
        """Handle packets until there are no more, the turn is over, or an answer has to be awaited."""
        frames, begun, done = self.frames, self._loop.time(), 0
        try:
            if self._job is not None and not self._go_on(begun):
                return
            while not self.closing:
                frame = frames.next()
                if frame is None:
                    break
                self._packet(*frame)
                frames.at = frame[2]
                done += 1
                if self._job is not None and not self._go_on(begun):
                    break
                if self.busy:
                    break
                if not done & 7 and self._loop.time() - begun > TURN_S:
                    self._later()
                    break
        except MustAsk as question:
            self._await(question.ask)
        except WireError as error:
            self.fail(error)
        except Exception:  # a defect of ours ends this connection, not the broker
            log.exception("%s: closed", self)
            self.close(UNSPECIFIED)
        if done:
            self._heard = begun
            self._broker.counters.messages_received += done

    @abstractmethod
    def _packet(self, head: int, start: int, stop: int) -> None:
        """One whole packet has arrived: `frames.data` from `start` to `stop`."""

    @abstractmethod
    def _ended(self) -> None:
        """The connection is gone."""

    def _go_on(self, begun: float) -> bool:
        """Go on with the job that one packet has started, for one turn; return whether it is done."""
        assert self._job is not None
        for ask in self._job:
            if ask is not None:
                self._await(ask)
                return False
            if self._loop.time() - begun > TURN_S:
                self._later()
                return False
        self._job = None
        return True

    def _later(self) -> None:
        self.busy = True
        self._loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """The wait is over: the next turn."""
        self.busy = self.held = False
        if self.closing:
            return
        if not self._reading and not self.lost:
            self._reading = True
            self.transport.resume_reading()
        self._heard = self._loop.time()
        self._work()
        if self.lost and not self.busy:
            self._end()

    def _await(self, ask: Ask) -> None:
        self.busy = True
        self._task = self._loop.create_task(self._ask(ask))

    async def _ask(self, ask: Ask) -> None:
        try:
            await ask()
        except Exception:  # a plugin's defect refuses the client
            log.exception("%s: a plugin failed", self)
            self.close(UNSPECIFIED)
        self._task = None
        self.go_on()

    def _pause(self) -> None:
        if self._reading and not self.lost:
            self._reading = False
            self.transport.pause_reading()

    def hold(self) -> None:
        """Publish nothing more until `go_on`."""
        self.busy = self.held = True
        self._pause()

    def _look(self) -> None:
        """Whether it has been silent for too long; a client that has to wait for us never is."""
        now = self._loop.time()
        if self.busy:
            self._heard = now
        left = self._heard + self.patience - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self.version:
            self.fail(WireError(f"nothing received for {self.patience:g} s", KEEPALIVE))
        else:
            self.fail(WireError(f"no CONNECT within {self.patience:g} s"))

    def be_patient(self, seconds: float) -> None:
        """From now on it may be silent for this long; 0 = for ever."""
        self._timer.cancel()
        self._timer, self.patience = None, seconds
        if seconds:
            self._timer = self._loop.call_later(seconds, self._look)

    # -- the end

    def fail(self, error: WireError) -> None:
        """Close, and say why: here, and to a client of MQTT 5."""
        about = f"{self.address[0]} {error}" if self.refused else ""
        self._broker.complaints.say(f"connection from {self} closed: {error}", about)
        self.close(error.code, str(error))

    def close(self, code: int = 0, reason: str = "") -> None:
        """End this connection, with a DISCONNECT where the client knows one and `code` is not 0."""
        if self.closing:
            return
        self.closing = True
        if code and self.version == V5 and self.session is not None:
            goodbye = packets.disconnect(code, reason)
            self.send(packets.disconnect(code) if 0 < self.packet_limit < len(goodbye) else goodbye)
        last_words = bool(code and self._out)
        self.flush()
        if self._task is not None:
            self._task.cancel()
        if not self.lost:
            if not (last_words and self._hear_out()):
                self.transport.close()
            self._linger = self._loop.call_later(LINGER_S, self.transport.abort)
        self._end()

    def _hear_out(self) -> bool:
        """Close our half only: data sent to a closed socket resets it, and our last packet would be lost with it."""
        if self._broker.lingering >= LINGERING or not self.transport.can_write_eof():
            return False
        try:
            self.transport.write_eof()
        except OSError:  # the peer has reset it already
            return False
        self.lingers = True
        self._broker.lingering += 1
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        return True

    def _end(self) -> None:
        self.closing = True
        self._broker.leave(self)
        self._ended()

    def __str__(self) -> str:
        who = self.session.client_id if self.session is not None else ""
        where = "{}:{}".format(*self.address) if self.address[0] else "broker.sock"
        return f"{where} ({who[:40]!r})" if who else where


def _address(transport: Any) -> tuple[str, int]:
    """Of the client; empty on a UNIX socket, or if it is gone already."""
    peer = transport.get_extra_info("peername")
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) >= 2 else ("", 0)
