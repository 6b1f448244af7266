"""One request to another program's gate, sent without waiting for what becomes of it."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from effectd.base.loop import AnyLoop

ANSWERED_WITHIN_S = 2.0


class GateRequest:
    """Sent by the constructor. `answer` is the reply, `failure` why there is none; `ended` is called with either."""

    def __init__(
        self,
        loop: AnyLoop,
        gate: Path,
        request: Mapping[str, object],
        ended: Callable[["GateRequest"], object] = lambda _request: None,
    ) -> None:
        self.program = gate.stem
        self.answer: dict[str, Any] = {}
        self.failure = f"no answer within {ANSWERED_WITHIN_S:g} s"
        self.refused: OSError | None = None  # its gate took no connection
        self._loop, self._ended, self._buffer = loop, ended, b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            self._sock.connect(os.fspath(gate))
            self._sock.send(json.dumps(dict(request)).encode() + b"\n")
        except OSError as error:
            self.refused = error
            self._sock.close()
            self.failure = f"cannot be asked: {error.strerror or error}"
            ended(self)
            return
        loop.add_reader(self._sock.fileno(), self._read)
        self._timer = loop.call_later(ANSWERED_WITHIN_S, self.end)

    @property
    def open(self) -> bool:
        """It may still be answered."""
        return self._sock.fileno() >= 0

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = self._sock.recv(65536)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and ("done" in said or "error" in said):  # else a line of its state
                    self.answer, self.failure = said, str(said.get("error", ""))
                    self.end()
                    return
        if not data:
            self.failure = "it ended before it answered"
            self.end()

    def end(self) -> None:
        """Wait no longer."""
        if self.open:
            self._timer.cancel()
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._ended(self)
