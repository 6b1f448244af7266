"""Controls the terminal while the room is drawn: alternate screen, keys without echo, signals; restored at the end."""

import os
import signal
import sys
from typing import Any

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.control import Control
from rich.live import Live

from effectd.base.loop import Loop
from effectd.cli.keys import Keys

_USUAL = (80, 24)


def usable() -> bool:
    """Whether stdout is a terminal that can be drawn on: not Linux's own console, whose fonts have no braille."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return sys.stdout.isatty() and utf8 and os.environ.get("TERM") != "linux" and not Console().is_dumb_terminal


class Screen:
    """`with Screen(loop) as screen: screen.show(...)`. `ended`: Ctrl-C, q, or a signal; `resized`: draw it anew."""

    def __init__(self, loop: Loop) -> None:
        self.ended = self.resized = False
        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._keys = Keys(loop, self._key)
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
        self._keys.__enter__()  # what is typed must not appear in the picture; and q ends it, as in every such program
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._console.control(Control.home(), Control.clear())  # tmux keeps a part of a picture that was resized
        self._live.stop()
        self._keys.__exit__()

    def _key(self, name: str) -> None:
        if name == "q":
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
