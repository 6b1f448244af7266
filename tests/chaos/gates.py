"""Who is ready, as the harness sees it: the gates of a home, watched and not polled."""

from collections.abc import Callable
from typing import Any

from effectd.base.loop import Loop
from effectd.readiness.gate_watcher import GateWatcher
from tests.system.home import Home

_loop = Loop()  # one for all runs of this process: it has no end of its own


class Gates:
    """Nothing moves but inside `wait`."""

    def __init__(self, home: Home) -> None:
        self._loop = _loop
        self._watcher = GateWatcher(self._loop, home.path / "run")
        page = ("page",) if home.config.get("page") else ()
        names = ("broker", "dispatcher", *home.drivers, *page)
        self._watches = {name: self._watcher.watch(name, lambda _watch: None) for name in names}

    def close(self) -> None:
        self._watcher.close()

    def wait(self, condition: Callable[[], Any], limit: float, what: str) -> None:
        """Until `condition` holds; fails after `limit` seconds."""
        for _ in range(3):  # whoever has died or spoken since the last look: that is known before the first answer
            self._loop.turn(wait=False)
        end = self._loop.call_later(limit, lambda: None)
        tick = [self._loop.call_later(0.0, lambda: None)]
        while not condition():
            assert self._loop.time() < end.when, f"not within {limit:g} s: {what}; {self}"
            if tick[0].when <= self._loop.time():  # a condition may look at more than gates
                tick[0] = self._loop.call_later(0.05, lambda: None)
            self._loop.turn()
        end.cancel()

    def wait_ready(self, limit: float) -> None:
        self.wait(lambda: self.ready, limit, "all ready")

    @property
    def ready(self) -> bool:
        lines = [watch.line for watch in self._watches.values() if watch.ready]
        return len(lines) == len(self._watches) and len({line.broker_generation for line in lines if line}) == 1

    def is_ready(self, program: str) -> bool:
        return self._watches[program].ready

    def pid(self, program: str) -> int | None:
        line = self._watches[program].line
        return line.pid if line else None

    def pids(self) -> dict[str, int | None]:
        return {name: self.pid(name) for name in self._watches}

    def reason(self, program: str) -> str:
        line = self._watches[program].line
        return line.reason if line else ""

    def __str__(self) -> str:
        return "; ".join(watch.blocker for watch in self._watches.values() if watch.blocker) or "all ready"
