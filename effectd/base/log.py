"""Logs one readable line per event to stdout, which supervisord stores; a full or broken pipe never blocks the loop."""

import logging
import os
import sys
import time
from typing import ClassVar


class PipeHandler(logging.Handler):
    """Writes whole lines to a descriptor without blocking; counts what could not be written and reports it later."""

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
        except OSError:  # full, broken, or a full disk: effects matter more than log lines
            self._dropped += 1
        else:
            self._dropped = 0


class Flood(logging.Filter):
    """Lets at most `LIMIT` lines a second of one message through, and reports how many it suppressed."""

    LIMIT: ClassVar = {logging.INFO: 1000}  # one line per effect; for warnings and errors fewer are enough
    OTHERS = 10

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}  # message -> second, count in it

    def filter(self, record: logging.LogRecord) -> bool:
        key, second = (record.name, str(record.msg)[:200]), int(time.monotonic())
        since, count = self._seen.get(key, (second, 0))
        limit = self.LIMIT.get(record.levelno, self.OTHERS)
        if second != since:
            if count > limit:
                record.msg, record.args = f"({count - limit} more of the next line kept back) {record.getMessage()}", ()
            count = 0
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = (second, count + 1)
        return count < limit


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = f"{stamp}.{int(record.msecs):03d} {level}{escaped(record.getMessage())}"
        if record.exc_info:
            text += "\n" + "\n".join(escaped(line) for line in self.formatException(record.exc_info).split("\n"))
        return text


def escaped(text: str) -> str:
    """`text` on one line: a client's topic or field must not forge a log line or control the reader's terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def to_stdout() -> None:
    """Send the root logger to stdout. A pipe is made non-blocking; a terminal or file never blocks for long."""
    fd = sys.stdout.fileno()
    if not os.isatty(fd):
        os.set_blocking(fd, False)
    root = logging.getLogger()
    handler = PipeHandler(fd)
    handler.addFilter(Flood())
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False
