"""A terminal of a test's own: a command on a pseudo-terminal, the pictures it draws, keys, resizing, and its end."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from typing import Any

from tests.system.home import Home, wait_for

HOME = "\x1b[H"  # each picture begins where the cursor goes home
# the first terminal that the leader of a session opens is the session's: Ctrl-C on it is a SIGINT
_LEAD = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """`with Terminal(home, "watch") as terminal`: `picture` is the last that was drawn to its end, without colours."""

    def __init__(self, home: Home, *arguments: str, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self._master, self._slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self._slave)
        self._heard = bytearray()
        unset = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")
        inherited = {key: value for key, value in os.environ.items() if key not in unset}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LEAD, sys.executable, "-m", "effectd.cli", *arguments],
            cwd=home.path,
            env=inherited | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | environment,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._master, 65536):
                self._heard += data
        except OSError:
            pass  # the last one who had it open is gone

    @property
    def raw(self) -> str:
        """All that was written, escape sequences and all."""
        return self._heard.decode(errors="replace")

    @property
    def drawn(self) -> int:
        """How many pictures so far."""
        return self._heard.count(HOME.encode())

    @property
    def picture(self) -> list[str]:
        pictures = self.raw.split(HOME)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", pictures[-2]).split("\n") if len(pictures) > 2 else []

    def shows(self, pattern: str, limit: float = 15.0) -> str:
        """Wait until the picture, or what was printed, matches; the picture at that moment."""

        def shown() -> str:
            return "\n".join(self.picture) if HOME in self.raw else self.raw

        def found() -> str:
            text = shown()
            return text if re.search(pattern, text) else ""

        try:
            return str(wait_for(found, limit))
        except AssertionError:
            raise AssertionError(f"never shown: {pattern!r}; the last picture:\n{shown()}") from None

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def end(self) -> int:
        """Wait for the command to end by itself; its exit code."""
        return self.process.wait(10)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        os.close(self._slave)
        self._reader.join(5)
        os.close(self._master)
