"""Inside supervisord: prevents a second one in a home, and one in a foreign `run/` (decision 0012)."""

import os
from pathlib import Path
from typing import Any

from supervisor.options import ServerOptions

from effectd.base.errors import ConfigError, NotYours
from effectd.base.lock import SUPERVISORD, HomeLock, holders
from effectd.config import run_folder

_locks: dict[Path, HomeLock] = {}  # for the life of the process


def guard() -> None:
    """Make supervisord take its home's lock before it opens its log, its first file; also at a reload.

    supervisor offers no place for this: a plugin is made only after the socket was bound. Without it a second one fails
    at the socket, and removes the first one's pid file as it ends (supervisor's issues 613 and 878).
    """
    original = ServerOptions.make_logger
    if getattr(original, "guarded", False):
        return

    def make_logger(options: Any) -> None:
        _take(options, Path(options.here).resolve())
        original(options)

    make_logger.guarded = True  # type: ignore[attr-defined]
    ServerOptions.make_logger = make_logger


def _take(options: Any, home: Path) -> None:
    try:
        run = run_folder.prepare(home)
        run.chmod(0o700)
    except NotYours as error:
        _refuse(options, str(error), os.EX_NOPERM)
    except ConfigError as error:
        _refuse(options, str(error), os.EX_CONFIG)
    except OSError as error:
        _refuse(options, f"{error.filename}: {error.strerror}", os.EX_CONFIG)
    if not _locks.setdefault(home, HomeLock(home)).take():
        pid = holders(home).get(SUPERVISORD)
        who = f"pid {pid}" if pid else "another user's, or in another container"
        _refuse(options, f"a supervisord ({who}) runs in {home} already: effectd up, effectd down", 2)


def _refuse(options: Any, why: str, code: int) -> None:
    options.stderr.write(f"Error: {why}\n")
    options.stderr.flush()
    os._exit(code)
