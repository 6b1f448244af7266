"""Controls the terminal while the room is drawn: alternate screen, keys without echo, signals; restored at the end."""

import os
import signal
import sys
import termios
from typing import Any

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.control import Control
from rich.live import Live

from effectd.base.loop import Loop

_USUAL = (80, 24)


def usable() -> bool:
    """Whether stdout is a terminal that can be drawn on: not Linux's own console, whose fonts have no braille."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return sys.stdout.isatty() and utf8 and os.environ.get("TERM") != "linux" and not Console().is_dumb_terminal


class Screen:
    """`with Screen(loop) as screen: screen.show(...)`. `ended`: Ctrl-C, q, or a signal; `resized`: draw it anew."""

    def __init__(self, loop: Loop) -> None:
        self.ended = self.resized = False
        self._loop = loop
        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._before: list[Any] | None = None
        self._keys = -1
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self._end)
        loop.add_signal_handler(signal.SIGWINCH, self._resize)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)

    @property
    def colour(self) -> bool:
        """Whether it has colours, and NO_COLOR does not forbid them."""
        return self._console.color_system is not None and not self._console.no_color

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines now; 80 times 24 where the terminal does not know."""
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        return (columns, lines) if columns and lines else _USUAL

    def show(self, frame: RenderableType) -> None:
        self._console.size = ConsoleDimensions(*self.size)  # else rich always uses COLUMNS of the environment
        self._live.update(frame, refresh=True)

    def __enter__(self) -> "Screen":
        if sys.stdin.isatty():  # what is typed must not appear in the picture; and q ends it, as in every such program
            self._before = termios.tcgetattr(0)
            quiet = termios.tcgetattr(0)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(0, termios.TCSADRAIN, quiet)
            # a description of our own, for only that may be non-blocking: Ctrl-C empties the terminal's queue of keys,
            # also between "there is a key" and its reading
            self._keys = os.open("/proc/self/fd/0", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            self._loop.add_reader(self._keys, self._key)
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._console.control(Control.home(), Control.clear())  # tmux keeps a part of a picture that was resized
        self._live.stop()
        if self._before is not None:
            self._loop.remove_reader(self._keys)
            os.close(self._keys)
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)
            self._before = None

    def _key(self) -> None:
        try:
            typed = os.read(self._keys, 1024)
        except BlockingIOError:
            return
        if not typed or b"q" in typed.lower():
            self._end()

    def _end(self) -> None:
        self.ended = True

    def _resize(self) -> None:
        self.resized = True

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its terminal as it was; `fg` brings the room back."""
        self.__exit__()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.__enter__()
        self.resized = True
