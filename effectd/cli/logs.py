"""`effectd logs`: shows the logs of this home's programs, whether supervisord runs or not."""

import configparser
import contextlib
import os
import time
from io import BufferedReader
from pathlib import Path
from typing import Any

import typer

from effectd.base.near import did_you_mean
from effectd.cli import style
from effectd.cli.check import SupervisorFile
from effectd.cli.program_name import program_of
from effectd.config import run_folder
from effectd.config.reader import SUPERVISOR_FILE

LINES, LINES_EACH = 100, 10  # of one program; of each of several
_TAIL_BYTES = 64 << 10
_LOOK_S = 0.1


def run(home: Path, name: str | None, *, follow: bool) -> int:
    """0; also at Ctrl-C. Raises NotYours."""
    run_folder.check(home)
    logs = files(home)
    name = None if name is None else program_of(home, name)
    if name is not None and name not in logs:
        raise typer.BadParameter(f"no program {name!r}; known: {', '.join(logs)}{did_you_mean(name, logs)}")
    chosen = {name: logs[name]} if name is not None else logs
    width = max(map(len, chosen), default=0)
    with contextlib.ExitStack() as stack:
        tails = [
            stack.enter_context(Tail(path, f"{each:<{width}}  " if name is None else ""))
            for each, path in chosen.items()
        ]
        try:
            _show(tails, LINES if name is not None else LINES_EACH, follow=follow)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError:  # the reader is gone: effectd logs -f | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _show(tails: list["Tail"], last: int, *, follow: bool) -> None:
    for tail in tails:
        for line in tail.last(last):
            typer.echo(line)
    while follow:
        new = [line for tail in tails for line in tail.more()]
        for line in new:
            typer.echo(line)
        if not new:
            time.sleep(_LOOK_S)


def files(home: Path) -> dict[str, Path]:
    """Each program of supervisor.conf with its log; supervisord's own comes first."""
    conf = SupervisorFile(home / SUPERVISOR_FILE)
    found = {"supervisord": _expanded(conf.parser, "supervisord", "logfile", home, "supervisord")}
    for name in conf.programs:
        found[name] = _expanded(conf.parser, f"program:{name}", "stdout_logfile", home, name)
    return found


def _expanded(parser: configparser.RawConfigParser, section: str, key: str, home: Path, name: str) -> Path:
    """The path as supervisor reads it."""
    text = parser.get(section, key, fallback=f"%(here)s/run/log/{name}.log")
    for word, value in (("here", str(home)), ("program_name", name), ("process_num", "0")):
        text = text.replace(f"%({word})s", value)
    return home / text


class Tail:
    """One log by its name: the rotated file is read to its end, then its successor from its start."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._path, self._prefix, self._rest = path, prefix, b""
        self._file = self._open()

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: Any) -> None:
        self._close()

    def last(self, lines: int) -> list[str]:
        """Its last lines; from then on `more` has what is new."""
        if self._file is None:
            return []
        start = max(0, self._file.seek(0, os.SEEK_END) - _TAIL_BYTES)
        self._file.seek(start)
        found = self._lines()
        return found[1 if start else 0 :][-lines:]

    def more(self) -> list[str]:
        """What has been written since."""
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        found = self._lines()
        if not found and self._replaced():
            found = self._lines()  # what came between the two looks
            self._close()
        return found

    def _lines(self) -> list[str]:
        assert self._file is not None
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [self._prefix + style.clean(line.decode(errors="replace"), 100_000) for line in whole]

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _replaced(self) -> bool:
        assert self._file is not None
        try:
            now, ours = self._path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return False  # between the two renames of a rotation
        if (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino):
            return True
        return now.st_size < self._file.tell()  # `supervisorctl clear`

    def _open(self) -> BufferedReader | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None
