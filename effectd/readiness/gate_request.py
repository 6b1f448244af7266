"""Sends one request to another program's gate without waiting; the reply is logged, or passed to a callback."""

import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from effectd.base.loop import AnyLoop

ANSWERED_WITHIN_S = 2.0
NOT_RUNNING = "it does not run"

log = logging.getLogger(__name__)


class GateRequest:
    """Sent by the constructor. The connection stays until there is a reply, or for two seconds.

    `replied` gets the reply, or {"error": why there is none}; it may be called by the constructor.
    """

    def __init__(
        self,
        loop: AnyLoop,
        gate: Path,
        request: Mapping[str, object],
        replied: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        self._loop, self._name, self._buffer = loop, gate.stem, b""
        self._replied = replied or self._log
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            self._sock.connect(os.fspath(gate))
            self._sock.send(json.dumps(dict(request)).encode() + b"\n")
        except OSError as error:
            self._sock.close()
            self._replied({"error": self._why(error)})
            return
        loop.add_reader(self._sock.fileno(), self._read)
        self._timer = loop.call_later(
            ANSWERED_WITHIN_S, self._end, {"error": f"no answer within {ANSWERED_WITHIN_S:g} s"}
        )

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
            if "done" in said or "error" in said:  # else it is a state line
                self._end(said)
                return
        if not data:
            self._end({"error": "it ended before it answered"})

    def _end(self, said: dict[str, Any]) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self._replied(said)

    def _why(self, error: OSError) -> str:
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return NOT_RUNNING
        if isinstance(error, PermissionError):
            return f"run/{self._name}.gate is another user's"
        return f"it cannot be asked: {error.strerror or error}"

    def _log(self, said: dict[str, Any]) -> None:
        if failure := said.get("error"):
            log.error("%s: %s", self._name, failure)
