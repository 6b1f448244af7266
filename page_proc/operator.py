"""What only an operator may do: restart a program, read its log. supervisord is called on threads: it may be slow."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from effectd.base.near import did_you_mean
from effectd.config import programs as names
from effectd.config.reader import Config
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from page_proc.programs import Programs
from page_proc.replies import Refused

LOG_BYTES = 256 << 10
LINES, MOST_LINES = 200, 5000
END_S = 0.3  # from the answer to the page's own restart to its end

log = logging.getLogger(__name__)


class Operator:
    """`stopping` ends the page: supervisord starts it again."""

    def __init__(self, programs: Programs, stopping: asyncio.Event) -> None:
        self._programs, self._stopping = programs, stopping
        self._restarting: set[str] = set()

    async def restart(self, tree: Config, name: str) -> dict[str, Any]:
        """Raises Refused."""
        self._known(name)
        if name in self._restarting:
            raise Refused(409, f"{name} is being restarted already")
        if name == names.PAGE:
            asyncio.get_running_loop().call_later(END_S, self._stopping.set)
        else:
            self._restarting.add(name)
            try:
                await asyncio.to_thread(_restart, tree.home, name)
            except (NotRunning, NoAnswer) as error:
                raise Refused(503, f"supervisord: {error}") from None
            finally:
                self._restarting.discard(name)
        return {"status": "restarted", "program": name}

    async def log(self, tree: Config, name: str, lines: int) -> str:
        """The last lines. Raises Refused."""
        self._known(name)
        await self._programs.refresh()
        path = self._programs.log_file(name) or tree.home / "run" / "log" / f"{name}.log"
        try:
            return await asyncio.to_thread(_tail, path, min(lines, MOST_LINES))
        except OSError as error:
            raise Refused(404, f"there is no log of {name} yet: {error.strerror}") from None

    def _known(self, name: str) -> None:
        known = self._programs.rows
        if name not in known:
            raise Refused(404, f"no program {name[:40]!r}; known: {', '.join(known)}{did_you_mean(name, known)}")


def _restart(home: Path, name: str) -> None:
    supervisor = Supervisor(home)
    supervisor.stop([name])
    supervisor.start([name])


def _tail(path: Path, lines: int) -> str:
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - LOG_BYTES)
        file.seek(start)
        found = file.read(LOG_BYTES).decode(errors="replace").split("\n")
    return "\n".join(found[1 if start else 0 :][-lines - 1 :])
