"""One human line an event to stdout, which supervisord keeps; a full or broken pipe never blocks the loop."""

import logging
import os
import sys
import time


class PipeHandler(logging.Handler):
    """Write whole lines to a descriptor that must not block; count what could not be written and say so later."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd, self._dropped, self._rest = fd, 0, b""
        self.setFormatter(_Line())

    def emit(self, record: logging.LogRecord) -> None:
        line = (self.format(record) + "\n").encode(errors="replace")
        if self._dropped:
            line = f"({self._dropped} log lines dropped: the log could not be written)\n".encode() + line
        try:
            if self._rest:  # the tail of a line of which a full pipe took only the beginning
                self._rest = self._rest[os.write(self._fd, self._rest) :]
            if self._rest:
                raise BlockingIOError
            self._rest = line[os.write(self._fd, line) :]
        except OSError:  # full, broken, or no space behind it: an effect is worth more than its line
            self._dropped += 1
        else:
            self._dropped = 0


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{stamp}.{int(record.msecs):03d} {level}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def to_stdout(level: int = logging.INFO) -> None:
    """Send the root logger to stdout. A pipe is made non-blocking; a terminal or file never blocks for long."""
    fd = sys.stdout.fileno()
    if not os.isatty(fd):
        os.set_blocking(fd, False)
    root = logging.getLogger()
    root.handlers[:] = [PipeHandler(fd)]
    root.setLevel(level)
    logging.raiseExceptions = False
