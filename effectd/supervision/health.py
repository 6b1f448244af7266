"""Health of a home: combines the programs' gates with supervisord's view; the same answer for every caller."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil

from effectd.base.columns import columns
from effectd.base.loop import Loop
from effectd.config import programs, reader
from effectd.readiness.gate_watcher import GateView, GateWatcher
from effectd.supervision.control import NoAnswer, NotRunning, Supervisor
from effectd.supervision.stale import Stale

# a gate's owner sends its line at once; one silent for a second is as good as gone
_FIRST_LINES_S = 1.0
_COMING = ("STARTING", "BACKOFF")
_YOUNG_S = 5.0
_CPU_S = 0.05
_KEYS = 4  # of those that have changed, shown to a person
Supervised = dict[str, dict[str, Any]] | str  # supervisord's own view, or why there is none
ALONE = "supervisord is not running: effectd up"
LEFT_OVER = "left over: config.yaml does not name it any more"


class Row(msgspec.Struct, kw_only=True):
    """One program. `state`: a gate's word, or `gone`, or `stopped`; `since` in Unix ms, 0 = unknown.

    `stale`: the keys of config.yaml that have changed since it read them.
    """

    state: str
    since: int = 0
    reason: str = ""
    pid: int | None = None
    generation: str | None = None
    broker_generation: str | None = None
    stale: list[str] = []

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def left_over(self) -> bool:
        """Whether it runs although it is no longer in config.yaml; no command waits for it."""
        return self.reason.startswith(LEFT_OVER)


class Health:
    """A look at every program of the configuration; `with Health(home) as health: health.look()`."""

    def __init__(self, home: Path, names: list[str] | None = None) -> None:
        self._supervisor = Supervisor(home)
        self._loop = Loop()
        self._watcher = GateWatcher(self._loop, home / "run")
        self._wrong: dict[str, str] = {}  # devices whose section is wrong: their programs exit at once, with 78
        self._stale: Stale | None = None
        self._all = names is None
        if names is None:
            tree = reader.load(home)
            self._stale = Stale(tree)
            self._wrong = {error.device: str(error) for error in tree.errors if error.device}
            names = [*tree.programs, *self._wrong]
        self._left_over: set[str] = set()
        self.alone = False  # no supervisord was there at the last look
        self._changed = True
        self._watches = {name: self._watcher.watch(name, self._change) for name in names}

    def __enter__(self) -> "Health":
        return self

    def __exit__(self, *_: Any) -> None:
        self._watcher.close()
        self._loop.close()

    @property
    def names(self) -> list[str]:
        """The programs that it checks."""
        return list(self._watches)

    def look(self) -> dict[str, Row]:
        """Every program now, after reading one line from each existing gate."""
        self._loop.until(lambda: all(w.line or not w.sock for w in self._watches.values()), _FIRST_LINES_S)
        return self._rows()

    def wait(
        self,
        seconds: float,
        on_change: Callable[[dict[str, Row]], None] = lambda _: None,
        *,
        hopeless: Callable[[dict[str, Row]], bool] = lambda _: False,
    ) -> dict[str, Row]:
        """Until all are ready or it is hopeless, for at most `seconds`; `on_change` is called at each change."""
        rows = self.look()
        on_change(rows)
        end = time.monotonic() + seconds
        while not all_ready(rows) and not hopeless(rows) and time.monotonic() < end:
            self._changed = False
            self._loop.until(lambda: self._changed, min(0.5, end - time.monotonic()))
            fresh = self._rows()
            if fresh != rows:
                rows = fresh
                on_change(rows)
        return rows

    def restarts(self) -> dict[str, int]:
        return self._supervisor.restarts()

    def _find_left_over(self, supervised: set[str]) -> None:
        """Programs of ours that supervisord runs and that config.yaml does not name: those that have a gate."""
        for name in supervised - set(self._watches):
            watch = self._watcher.watch(name, self._change)
            if watch.sock is None:  # a program of the user's own
                self._watcher.unwatch(name)
            else:
                self._watches[name] = watch
                self._left_over.add(name)
                self._loop.until(lambda watch=watch: watch.line or not watch.sock, _FIRST_LINES_S)  # type: ignore[misc]

    def _change(self, _watch: GateView) -> None:
        self._changed = True

    def _rows(self) -> dict[str, Row]:
        supervised = view_of(self._supervisor)
        self.alone = supervised == ALONE
        broker = self._watches[programs.BROKER].line if programs.BROKER in self._watches else None
        run = broker.generation if broker else None
        if self._all and not isinstance(supervised, str):
            self._find_left_over(set(supervised))
        rows = {name: row(watch, supervised, run) for name, watch in self._watches.items()}
        for name, watch in list(self._watches.items()):
            if self._stale is not None:
                rows[name].stale = self._stale.keys(name, watch.line)
            if name in self._left_over:
                if watch.line is None:
                    del rows[name]
                else:
                    rows[name].stale, rows[name].reason = [f"devices.{name}"], f"{LEFT_OVER}: effectd up ends it"
        for name, error in self._wrong.items():
            if rows[name].state == "gone":
                rows[name].reason = error
        return rows


def view_of(supervisor: Supervisor) -> Supervised:
    """What supervisord says of its programs, or why it says nothing."""
    try:
        return supervisor.programs()
    except NotRunning:
        return ALONE
    except NoAnswer as silence:
        return str(silence)


def all_ready(rows: dict[str, Row]) -> bool:
    return bool(rows) and all(row.ready or row.left_over for row in rows.values())


def as_json(rows: dict[str, Row]) -> bytes:
    """The answer of `effectd health --json` (section 4 of the contract)."""
    return msgspec.json.encode({"ready": all_ready(rows), "programs": rows})


def table(rows: dict[str, Row], restarts: dict[str, int]) -> str:
    """The answer of `supervisorctl health`: CPU over the last 0.05 s, memory as PSS."""
    processes = {name: process for name, row in rows.items() if row.pid and (process := process_of(row.pid))}
    began, before = time.monotonic(), {name: _cpu_s(process.pid) for name, process in processes.items()}
    memory = {name: _memory(process) for name, process in processes.items()}
    if processes:
        time.sleep(max(0.0, began + _CPU_S - time.monotonic()))
    took = time.monotonic() - began
    said = [row.reason for row in rows.values()]
    common = said[0] if len(said) > 1 and len(set(said)) == 1 else ""  # such as: nothing runs here
    lines = [("PROGRAM", "STATE", "SINCE", "PID", "CPU", "MEMORY", "RESTARTS", "")]
    for name, row in rows.items():
        now, then = _cpu_s(row.pid) if row.pid else None, before.get(name)
        lines.append(
            (
                name,
                row.state,
                _ago(row.since),
                str(row.pid or "-"),
                "-" if now is None or then is None else f"{max(0.0, now - then) / took * 100:.0f} %",
                memory.get(name, "-"),
                str(restarts.get(name, 0)),
                "; ".join(each for each in (row.reason, in_words(row)) if each and each != common),
            )
        )
    return "\n".join([*columns(lines), *filter(None, [common])])


def row(watch: GateView, supervised: Supervised, broker: str | None) -> Row:
    """One program now."""
    line = watch.line
    if line is not None and not watch.stale:
        found = Row(
            state=line.state,
            since=line.at,
            reason=line.reason,
            pid=line.pid,
            generation=line.generation,
            broker_generation=line.broker_generation,
        )
        if found.ready and programs.BROKER in programs.of(watch.name).waits_for and found.broker_generation != broker:
            found.state, found.reason = "waiting", "not connected to the broker's new run yet"
        return found
    if isinstance(supervised, str):
        return Row(state="gone", reason=supervised)
    info = supervised.get(watch.name)
    if info is None:
        return Row(state="gone", reason="supervisord does not know it yet: effectd up")
    if info["statename"] == "STOPPED":
        return Row(state="stopped", since=info["stop"] * 1000, reason=f"supervisorctl start {watch.name}")
    if not watch.stale and (info["statename"] in _COMING or _young(info)):
        reason = f"its start failed, it is tried again: {_why(watch, info)}" if info["statename"] == "BACKOFF" else ""
        return Row(state="starting", since=info["start"] * 1000, reason=reason, pid=info["pid"] or None)
    reason = _why(watch, info)
    if watch.sock:
        reason = "does not answer"
    elif info["statename"] == "RUNNING":
        reason = f"run/{watch.name}.gate is missing; it is not made yet, or will be restored"
    return Row(state="gone", reason=f"{info['statename']}: {reason}", pid=info["pid"] or None)


def _young(info: dict[str, Any]) -> bool:
    """Whether it was started so recently that its gate need not exist yet."""
    return bool(info["statename"] == "RUNNING" and info["now"] - info["start"] <= _YOUNG_S)


def _why(watch: GateView, info: dict[str, Any]) -> str:
    return info["spawnerr"] or f"see run/log/{watch.name}.log"


def in_words(row: Row) -> str:
    """Its stale keys for a person, and what to do; "" if there are none."""
    if not row.stale or row.left_over:
        return ""
    return f"stale: {few(row.stale)}: effectd up"


def few(keys: list[str]) -> str:
    """The first of the keys that have changed, and how many more there are."""
    more = len(keys) - _KEYS
    return ", ".join(keys[:_KEYS]) + (f" and {more} more" if more > 0 else "")


def process_of(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _ask(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except psutil.Error:
        return None


def _cpu_s(pid: int) -> float | None:
    """What all its threads have run so far, to the nanosecond: psutil's counts in ticks of 10 ms, too coarse here."""
    try:
        ran = [int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except (OSError, LookupError):  # it has just ended
        return None
    return sum(ran) / 1e9 if ran else None  # a kernel that does not count it


def _memory(process: psutil.Process) -> str:
    info = _ask(process.memory_full_info) or _ask(process.memory_info)
    return f"{getattr(info, 'pss', info.rss) / 1e6:.0f} MB" if info else "-"


def _ago(since: int) -> str:
    if not since:
        return "-"
    seconds = max(0, time.time() - since / 1000)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def make_health(controller: Any, **config: Any) -> Any:
    """The factory that supervisor.conf names, called inside supervisorctl."""
    from effectd.supervision.ctlplugin import HealthPlugin  # it imports this module

    return HealthPlugin(controller, **config)
