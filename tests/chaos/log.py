"""The harness's own history: what it published, heard and did, a line each, written at once."""

import threading
from pathlib import Path

from effectd.messages import history
from effectd.messages.history import Event


class Log:
    """`write` may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def write(self, event: Event) -> None:
        line = history.line(event)
        with self._lock:
            if not self._file.closed:
                self._file.write(line)

    def close(self) -> None:
        with self._lock:
            self._file.close()
