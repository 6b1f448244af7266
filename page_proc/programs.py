"""The programs of the home as in `effectd health`: gates are read at once, supervisord is queried on a thread."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from effectd.base.loop import Cancellable
from effectd.base.nice import be_nice
from effectd.config import programs
from effectd.config.reader import Config
from effectd.readiness.gate_watcher import GateView, GateWatcher
from effectd.readiness.line import Line
from effectd.supervision import health
from effectd.supervision.control import Supervisor
from effectd.supervision.health import Row, Supervised, process_of
from effectd.supervision.stale import Stale

LOOK_S = 2.0  # while a page is connected
SOON_S = 0.1  # after a change
FRESH_S = 1.0
NICE = 10  # of the thread that asks: the loop comes first
PATIENCE_S = 1.5  # how long an answer waits for supervisord

log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """The result of a look. `weights`: PSS in bytes and percent of a CPU, by pid."""

    supervised: Supervised
    restarts: dict[str, int]
    stale: dict[str, list[str]]
    weights: dict[int, tuple[int | None, float | None]]


NOTHING = Seen("not asked yet", {}, {}, {})


class Programs:
    """`rows` is what is known now; `refresh` waits for a fresh look. `changed` is called at each change of either."""

    def __init__(self, config: Config, watcher: GateWatcher, changed: Callable[[], object]) -> None:
        self._watcher, self._changed = watcher, changed
        self._loop = asyncio.get_running_loop()
        self._views: dict[str, GateView] = {}
        self._seen, self._seen_at = NOTHING, 0.0
        self._pool = ThreadPoolExecutor(1, "programs", initializer=be_nice, initargs=(NICE,))
        self._looking: asyncio.Task[None] | None = None
        self._timer: Cancellable | None = None
        self._processes: dict[int, psutil.Process] = {}
        self.watched: Callable[[], bool] = lambda: False  # whether a page is connected
        self.configure(config)

    def configure(self, config: Config) -> None:
        self._config = config
        names = [*config.programs, *(error.device for error in config.errors if error.device)]
        for name in [name for name in self._views if name not in names]:
            self._watcher.unwatch(name)
        self._views = {name: self._views.get(name) or self._watcher.watch(name, self._said) for name in names}
        self._soon()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def rows(self) -> dict[str, Row]:
        broker = self._views[programs.BROKER].line
        run, wrong = broker.generation if broker else None, self._wrong
        rows = {name: health.row(view, self._seen.supervised, run) for name, view in self._views.items()}
        for name, found in rows.items():
            found.stale = self._seen.stale.get(name, [])
            if name in wrong and found.state == "gone":
                found.reason = wrong[name]
        return rows

    @property
    def supervised(self) -> bool:
        return not isinstance(self._seen.supervised, str)

    def shown(self) -> dict[str, dict[str, Any]]:
        """For the page: with memory, CPU, restarts, and the devices that it drives."""
        shown = {}
        for name, found in self.rows.items():
            memory, cpu = self._seen.weights.get(found.pid or 0, (None, None))
            shown[name] = {
                **{"state": found.state, "since": found.since, "reason": found.reason, "pid": found.pid},
                **{"stale": found.stale, "ready": found.ready, "restarts": self._seen.restarts.get(name, 0)},
                **{"memory_bytes": memory, "cpu_percent": cpu, "devices": self._config.devices_of(name)},
            }
        return shown

    def log_file(self, name: str) -> Path | None:
        """Where supervisord writes the program's log; None: not known."""
        info = self._seen.supervised.get(name, {}) if isinstance(self._seen.supervised, dict) else {}
        return Path(info["stdout_logfile"]) if info.get("stdout_logfile") else None

    async def refresh(self) -> None:
        """Look again, unless that was just done; wait for it, but not for a hung supervisord."""
        if self._loop.time() - self._seen_at > FRESH_S:
            await asyncio.wait([self._look()], timeout=PATIENCE_S)

    def ask(self) -> None:
        """A page has connected."""
        self._soon()

    @property
    def _wrong(self) -> dict[str, str]:
        return {error.device: str(error) for error in self._config.errors if error.device}

    def _said(self, _view: GateView) -> None:
        self._changed()
        self._soon()

    def _soon(self, after_s: float = SOON_S) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, self._due)

    def _due(self) -> None:
        if self.watched():
            self._look()
            self._soon(LOOK_S)

    def _look(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = self._loop.create_task(self._ask_all())
        return self._looking

    async def _ask_all(self) -> None:
        lines = {name: view.line for name, view in self._views.items()}
        try:
            seen = await self._loop.run_in_executor(self._pool, self._see, self._config, lines)
        except Exception:  # a failed look is repeated; until then the page shows the last one
            log.exception("the programs could not be queried")
            return
        self._seen_at = self._loop.time()
        if seen != self._seen:
            self._seen = seen
            self._changed()

    def _see(self, config: Config, lines: dict[str, Line | None]) -> Seen:
        """On the thread."""
        supervisor = Supervisor(config.home)
        supervised = health.view_of(supervisor)
        restarts = supervisor.restarts() if not isinstance(supervised, str) else {}
        compared = Stale(config)
        stale = {name: keys for name, line in lines.items() if (keys := compared.keys(name, line))}
        pids = {line.pid for line in lines.values() if line is not None}
        self._processes = {pid: self._processes.get(pid) or found for pid in pids if (found := process_of(pid))}
        return Seen(supervised, restarts, stale, {pid: _weight(found) for pid, found in self._processes.items()})


def cpu_seconds(pid: int | None) -> float | None:
    """How long the process has been on a CPU since its start."""
    process = process_of(pid) if pid else None
    try:
        return sum(process.cpu_times()[:2]) if process is not None else None
    except psutil.Error:
        return None


def _weight(process: psutil.Process) -> tuple[int | None, float | None]:
    try:
        return process.memory_full_info().pss, process.cpu_percent()
    except psutil.Error:
        return None, None
