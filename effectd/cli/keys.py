"""Reads single keys without echo while a command runs in a terminal, and restores the terminal afterwards."""

import os
import sys
import termios
from collections.abc import Callable
from typing import Any

from effectd.base.loop import Loop

_NAMES = {b"\x1b[C": "right", b"\x1b[D": "left", b"\x1bOC": "right", b"\x1bOD": "left", b" ": "space", b"q": "q"}


class Keys:
    """`with Keys(loop, pressed):` calls `pressed` with `space`, `left`, `right` or `q`; without a terminal never."""

    def __init__(self, loop: Loop, pressed: Callable[[str], None]) -> None:
        self._loop, self._pressed = loop, pressed
        self._before: list[Any] | None = None
        self._file = -1

    def __enter__(self) -> "Keys":
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(0)
            quiet = termios.tcgetattr(0)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(0, termios.TCSADRAIN, quiet)
            # a description of our own, for only that may be non-blocking: Ctrl-C empties the terminal's queue of keys,
            # also between "there is a key" and its reading
            self._file = os.open("/proc/self/fd/0", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            self._loop.add_reader(self._file, self._read)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)
            self._before = None

    def _read(self) -> None:
        try:
            typed = os.read(self._file, 1024)
        except BlockingIOError:
            return
        if not typed:
            self._pressed("q")
        while typed:
            name = next((key for key in _NAMES if typed.lower().startswith(key.lower())), typed[:1])
            if name in _NAMES:
                self._pressed(_NAMES[name])
            typed = typed[len(name) :]
