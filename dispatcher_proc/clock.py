"""The external clock of `timelines:` in config.yaml: Art-Net timecode by UDP, or mpv by its JSON socket."""

import json
import logging
import socket
from collections.abc import Callable

from dispatcher_proc import timecode
from dispatcher_proc.conductor import Conductor
from dispatcher_proc.follower import Follower
from dispatcher_proc.part import Part
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.reader import Config
from effectd.config.schema import ArtNetClock, MpvClock

LOOK_S = 0.05
AGAIN_S = 1.0
_LINE_BYTES = 65_536

log = logging.getLogger(__name__)


class Clock(Part):
    """A source that cannot be opened is logged once, and tried again each second."""

    def __init__(self, loop: AnyLoop, conductor: Conductor) -> None:
        self._loop, self._conductor = loop, conductor
        self._wanted: ArtNetClock | MpvClock | None = None
        self._follower: Follower | None = None
        self._socket: socket.socket | None = None
        self._again: Cancellable | None = None
        self._next_look: Cancellable | None = None
        self._buffer = b""
        self._paused = False
        self._said = ""
        self._works = False

    def configure(self, config: Config) -> None:
        if config.timelines.clock != self._wanted:
            self._wanted = config.timelines.clock
            if self._works:
                self.stop()
                self.start()

    def start(self) -> None:
        self._works = True
        if self._wanted is not None:
            self._follower = Follower(self._conductor, self._wanted.timeline)
            self._open()
            self._look()

    def stop(self) -> None:
        self._works, self._follower = False, None
        self._close()
        for timer in (self._again, self._next_look):
            if timer is not None:
                timer.cancel()

    def _open(self) -> None:
        try:
            sock = self._artnet() if isinstance(self._wanted, ArtNetClock) else self._mpv()
        except OSError as error:
            self._lost(str(error.strerror or error))
            return
        sock.setblocking(False)
        self._socket, self._said, self._buffer, self._paused = sock, "", b"", False
        log.info("the clock of timeline %s is open", self._wanted.timeline if self._wanted else "")
        read: Callable[[], None] = self._packets if isinstance(self._wanted, ArtNetClock) else self._lines
        self._loop.add_reader(sock.fileno(), read)

    def _artnet(self) -> socket.socket:
        assert isinstance(self._wanted, ArtNetClock)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # programs that speak Art-Net share its port
            sock.bind((self._wanted.host, self._wanted.port))
        except OSError:
            sock.close()
            raise
        return sock

    def _mpv(self) -> socket.socket:
        assert isinstance(self._wanted, MpvClock)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(0.2)
            sock.connect(self._wanted.socket)
            for number, name in enumerate(("time-pos", "pause"), 1):
                sock.sendall(json.dumps({"command": ["observe_property", number, name]}).encode() + b"\n")
        except OSError:
            sock.close()
            raise
        return sock

    def _packets(self) -> None:
        """Of all that has arrived, the newest position counts."""
        assert self._socket is not None
        newest = None
        for _ in range(100):
            try:
                packet = self._socket.recv(512)
            except BlockingIOError:
                break
            except OSError as error:
                self._lost(str(error))
                return
            found = timecode.decode(packet)
            newest = newest if found is None else found
        if newest is not None and self._follower is not None and isinstance(self._wanted, ArtNetClock):
            self._follower.heard(timecode.since(newest, timecode.offset_ms(self._wanted.offset)))

    def _lines(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_LINE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(str(error))
            return
        if not data or len(self._buffer) > _LINE_BYTES:
            self._lost("mpv has ended")
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._said_by_mpv(line)

    def _said_by_mpv(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or event.get("event") != "property-change" or self._follower is None:
            return
        value = event.get("data")
        if event.get("name") == "pause":
            self._paused = value is True
            if self._paused:
                self._follower.stand()
        elif event.get("name") == "time-pos" and isinstance(value, int | float) and not self._paused:
            self._follower.heard(value * 1000.0)

    def _lost(self, why: str) -> None:
        if why != self._said:
            log.warning("the clock of timelines: %s; it is tried again each second", why)
            self._said = why
        self._close()
        if isinstance(self._wanted, MpvClock) and self._follower is not None:
            self._follower.stand()
        self._again = self._loop.call_later(AGAIN_S, self._open)

    def _close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _look(self) -> None:
        if self._follower is not None:
            self._follower.look()
            self._next_look = self._loop.call_later(LOOK_S, self._look)
