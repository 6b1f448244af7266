"""One connected socket as MQTT packets in and bytes out: read in large pieces, handled in small turns, bounded.

paho reads a packet in four system calls and as many packets in a row as it has messages unacknowledged: under a flood,
seconds without a heartbeat. Here the kernel's buffer is emptied at once, and what was read is handled for at most
`TURN_S` before timers and other files have their turn.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any

from effectd.base.loop import AnyLoop

TURN_S = 0.02
READ_BYTES = 256 << 10  # read in one turn
AHEAD_BYTES = 1 << 20  # read and not handled; the rest stays in the kernel
SEND_BYTES = 256 << 10  # passed to the kernel at once; never less on a retry, which TLS would refuse
PUBLISH, PUBACK = 0x30, 0x40
_HEADER = 5  # bytes, at most

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

# a whole packet, and where its part after the fixed header begins
Take = Callable[[bytes, int], None]


def no_delay(sock: Any) -> None:
    """What paho never sets: Nagle's algorithm and a delayed ACK cost up to 40 ms (docs/measured.md)."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Stream:
    """`take` gets each packet, `sent` is called when bytes have left, `broken` once when the connection has ended."""

    def __init__(
        self,
        loop: AnyLoop,
        sock: socket.socket,
        *,
        take: Take,
        sent: Callable[[], None],
        broken: Callable[[str], None],
    ) -> None:
        self._loop, self._sock = loop, sock
        self._take, self._sent, self._broken = take, sent, broken
        self._in, self._out = bytearray(), bytearray()
        self._more = False  # a turn for unhandled input is scheduled
        self._flushing = False
        self._ended = ""
        self.open = True
        no_delay(sock)
        sock.setblocking(False)
        self._fd = sock.fileno()
        loop.add_reader(self._fd, self._read)

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not accepted yet."""
        return len(self._out)

    def fileno(self) -> int:
        return self._fd

    def send(self, data: bytes) -> None:
        """Write at the end of this turn, everything in one piece."""
        self._out += data
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def finish(self, seconds: float) -> None:
        """Send what is waiting, at most so long, then close."""
        if self.open:
            try:
                self._sock.settimeout(seconds)
                self._sock.sendall(self._out)
            except OSError:
                pass
        self.close()

    def close(self) -> None:
        if self.open:
            self.open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._sock.close()
            self._in.clear()
            self._out.clear()

    def _read(self) -> None:
        room = min(READ_BYTES, AHEAD_BYTES - len(self._in)) if self._more else READ_BYTES
        try:
            while room > 0:
                data = self._sock.recv(65536)
                if not data:
                    self._end("closed by the other side")
                    break
                self._in += data
                room -= len(data)
        except _NOT_NOW:
            pass
        except OSError as error:
            self._end(error.strerror or str(error))
        if not self._more:
            self._work()

    def _work(self) -> None:
        """Pass on the complete packets, for one turn."""
        self._more = False
        if not self.open:
            return
        data, at, count = self._in, 0, 0
        end = self._loop.time() + TURN_S
        while (found := _packet(data, at)) is not None:
            packet, header = found
            at += len(packet)
            self._take(packet, header)
            if not self.open:
                return
            count += 1
            if not count & 15 and self._loop.time() >= end:
                self._more = True
                break
        del data[:at]
        if self._more:
            self._loop.call_soon(self._work)
        elif self._ended or (len(data) >= _HEADER and not _header(data, 0)):
            self._broken(self._ended or "not MQTT")
        elif isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            # what TLS has decrypted already makes no descriptor readable
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self.open and not self._ended:
            self._read()

    def _end(self, why: str) -> None:
        """The input has ended; what has arrived is handled first."""
        self._ended = self._ended or why
        self._loop.remove_reader(self._fd)

    def _flush(self) -> None:
        self._flushing = False
        if not self.open:
            return
        try:
            del self._out[: self._sock.send(self._out[:SEND_BYTES])]
        except _NOT_NOW:
            pass
        except OSError as error:
            self._end(error.strerror or str(error))
            if not self._more:
                self._work()
            return
        if self._out:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)
        self._sent()


def _packet(data: bytearray, at: int) -> tuple[bytes, int] | None:
    """The packet that begins at `at`, if it is whole, and the length of its fixed header."""
    header = _header(data, at)
    if header is None or at + header[0] + header[1] > len(data):
        return None
    return bytes(data[at : at + header[0] + header[1]]), header[0]


def _header(data: bytearray, at: int) -> tuple[int, int] | None:
    """Lengths of the fixed header at `at` and of what follows it; None if it is not whole, or longer than MQTT's."""
    length = shift = 0
    for position in range(at + 1, min(at + _HEADER, len(data))):
        byte = data[position]
        length |= (byte & 127) << shift
        if byte < 128:
            return position - at + 1, length
        shift += 7
    return None


def length(number: int) -> bytes:
    """A remaining length as MQTT writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
