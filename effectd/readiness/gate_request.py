"""One request to another program's gate, sent without waiting; what becomes of it is logged."""

import json
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from effectd.base.loop import AnyLoop

ANSWERED_WITHIN_S = 2.0

log = logging.getLogger(__name__)


class GateRequest:
    """Sent by the constructor. The connection stays until there is a reply, or for two seconds."""

    def __init__(self, loop: AnyLoop, gate: Path, request: Mapping[str, object]) -> None:
        self._loop, self._name, self._buffer = loop, gate.stem, b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            self._sock.connect(os.fspath(gate))
            self._sock.send(json.dumps(dict(request)).encode() + b"\n")
        except OSError as error:
            log.error("%s cannot be asked: %s", self._name, error.strerror or error)
            self._sock.close()
            return
        loop.add_reader(self._sock.fileno(), self._read)
        self._timer = loop.call_later(ANSWERED_WITHIN_S, self._end, "no answer")

    def _read(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "done" in said or "error" in said:  # else a line of its state
                self._end(said.get("error", ""))
                return
        if not data:
            self._end("it ended before it answered")

    def _end(self, failure: str) -> None:
        if failure:
            log.error("%s: %s", self._name, failure)
        self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
