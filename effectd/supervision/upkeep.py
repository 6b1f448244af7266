"""Inside supervisord: restores its files in `run/` within a second or two when they are removed or replaced.

Those are its socket, its pid file, its own log and the programs' logs: what a cleaner of temporary files removes.
supervisor itself makes them once, and is out of reach without its socket (its issue 1710 asks for more).
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from effectd.base.in_place import clear, identity, write


class Upkeep:
    """`look` is called about once a second; nothing that goes wrong in it ends supervisord."""

    def __init__(self, supervisord: Any, home: Path) -> None:
        self._supervisord, self._home, self._options = supervisord, home, supervisord.options
        self._sockets = {path: identity(path) for path, _, _ in self._servers()}
        self._reported: dict[str, str] = {}  # by what is wanted: why it was not possible

    def look(self) -> None:
        for folder in (self._home / "run", self._home / "run" / "log"):
            self._try(str(folder), lambda folder=folder: folder.mkdir(mode=0o700, exist_ok=True))
        for path, server, config in self._servers():
            if identity(path) != self._sockets[path]:
                self._try(path, lambda p=path, s=server, c=config: self._bind(p, s, c))
        if self._options.unlink_pidfile:  # it was written at the start
            self._try(self._options.pidfile, self._write_pid)
        for handler in self._handlers():
            self._try(handler.baseFilename, lambda handler=handler: _reopen(handler))

    def _servers(self) -> list[tuple[str, Any, Any]]:
        return [(c["file"], server, c) for c, server in self._options.httpservers if c["family"] == socket.AF_UNIX]

    def _bind(self, path: str, server: Any, config: Any) -> None:
        """A new socket under the descriptor of the old one: supervisord's map and all connections stay as they are."""
        fresh = f"{path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as new:
            new.bind(fresh)
            os.chmod(fresh, config["chmod"])
            if config["chown"] != (-1, -1):
                os.chown(fresh, *config["chown"])
            new.listen(1024)
            new.setblocking(False)
            clear(Path(path))
            os.rename(fresh, path)
            os.dup2(new.fileno(), server.socket.fileno(), inheritable=False)
        self._sockets[path] = identity(path)
        self._options.logger.warn(f"{path} was removed or replaced; it is bound again")

    def _write_pid(self) -> None:
        path, data = Path(self._options.pidfile), b"%d\n" % os.getpid()
        with contextlib.suppress(OSError):
            if not path.is_symlink() and path.read_bytes() == data:
                return
        write(path, data)

    def _handlers(self) -> Iterator[Any]:
        """Each handler of supervisor's that writes a file."""
        loggers = [self._options.logger]
        for group in self._supervisord.process_groups.values():
            for process in group.processes.values():
                for dispatcher in process.dispatchers.values():
                    loggers += [getattr(dispatcher, name, None) for name in ("normallog", "capturelog")]
        for logger in loggers:
            for handler in logger.handlers if logger is not None else ():
                if hasattr(handler, "baseFilename"):
                    yield handler

    def _try(self, what: str, step: Any) -> None:
        try:
            step()
        except (OSError, ValueError) as error:
            if self._reported.get(what) != str(error):
                self._reported[what] = str(error)
                self._options.logger.critical(f"{what} cannot be put back: {error}")
        else:
            self._reported.pop(what, None)


def _reopen(handler: Any) -> None:
    """Open the new file first: if that fails, the old one stays in use."""
    ours = os.fstat(handler.stream.fileno())
    if not stat.S_ISREG(ours.st_mode) or identity(handler.baseFilename) == (ours.st_dev, ours.st_ino):
        return
    if Path(handler.baseFilename).is_symlink() and Path(handler.baseFilename).exists():
        return  # an arrangement of the user's
    old, handler.stream = handler.stream, open(handler.baseFilename, "ab")  # noqa: SIM115 - the handler closes it
    old.close()
