"""kill -9 of each program -> all ready, and the next effect executed; beside exec -> ready of that program alone.

.venv/bin/python -m benchmarks.recovery [--rounds 20] [--json FILE]
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import figures
from effectd.base.loop import Loop
from effectd.readiness.gate_watcher import GateWatcher
from tests.system.home import Home, alive, wait_for

ARGUMENTS = {"broker": ["broker_proc"], "dispatcher": ["dispatcher_proc"], "wind": ["drivers", "wind"]}


class Gates:
    """Watches every gate of a home, to the fraction of a millisecond."""

    def __init__(self, home: Home) -> None:
        self._loop = Loop()
        self._watcher = GateWatcher(self._loop, home.path / "run")
        names = ("broker", "dispatcher", *home.config["devices"])
        self.watches = {name: self._watcher.watch(name, lambda _: None) for name in names}

    def until(self, condition: Any, limit: float = 20.0) -> None:
        end = self._loop.call_later(limit, lambda: None)
        while not condition():
            self._loop.turn()
            assert time.monotonic() < end.when, {name: watch.blocker for name, watch in self.watches.items()}

    def all_ready(self) -> bool:
        broker = self.watches["broker"].line
        return broker is not None and all(
            watch.ready and watch.line and watch.line.broker_generation == broker.generation
            for watch in self.watches.values()
        )

    def close(self) -> None:
        self._watcher.close()


def worked(home: Home, program: str) -> bool:
    """Whether a kill now is one of something that worked; an earlier one would count as a crash and be braked."""
    return '"running": false' in (home.path / "run" / f"{program}.starts").read_text()


def killed(home: Home, gates: Gates, program: str, rounds: int) -> dict[str, list[float]]:
    """ms from kill -9 to: gone, all ready, next effect executed."""
    gone, ready, executed = list[float](), list[float](), list[float]()
    client = home.client("receipts/#")
    for number in range(rounds):
        wait_for(lambda: worked(home, program), what=f"{program} to have worked for 2 s")
        watch, pid = gates.watches[program], home.pid(program)
        gates.until(lambda pid=pid, watch=watch: watch.line and watch.line.pid == pid and gates.all_ready())
        start = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        gates.until(lambda pid=pid, watch=watch: watch.line is None or watch.line.pid != pid)
        gone.append((time.monotonic() - start) * 1000)
        gates.until(gates.all_ready)
        ready.append((time.monotonic() - start) * 1000)
        if program != "broker":
            effect = f"{program}-{number}"
            client.publish("effects/wind", {"id": effect, "intensity": 10, "duration": 20})
            assert client.receipt(effect)["status"] == "done"
            executed.append((time.monotonic() - start) * 1000)
        else:  # the client itself has to reconnect first, at its own pace: a fresh one is the fair judge
            fresh = home.client("receipts/#")
            fresh.publish("effects/wind", {"id": f"b-{number}", "intensity": 10, "duration": 20})
            assert fresh.receipt(f"b-{number}")["status"] == "done"
            executed.append((time.monotonic() - start) * 1000)
            home.clients.remove(fresh)
            fresh.close()
    return {"gone": gone, "all ready": ready, "next effect executed": executed}


def hung(home: Home, gates: Gates, program: str, rounds: int) -> dict[str, list[float]]:
    """ms from SIGSTOP to: not believed ready any more, all ready again."""
    doubted, ready = list[float](), list[float]()
    for _ in range(rounds):
        wait_for(lambda: worked(home, program), what=f"{program} to have worked for 2 s")
        watch, pid = gates.watches[program], home.pid(program)
        gates.until(lambda pid=pid, watch=watch: watch.line and watch.line.pid == pid and gates.all_ready())
        start = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        gates.until(lambda watch=watch: not watch.ready)
        doubted.append((time.monotonic() - start) * 1000)
        gates.until(lambda pid=pid, watch=watch: watch.line and watch.line.pid != pid and gates.all_ready())
        ready.append((time.monotonic() - start) * 1000)
        wait_for(lambda: home.line("watchdog")["state"] == "ready", 60, "the watchdog's budget")
        time.sleep(20)  # its budget refills one kill each 20 s
    return {"not ready": doubted, "all ready": ready}


def headless(rounds: int) -> list[float]:
    """ms from kill -9 of supervisord to: every program of it gone (a zombie counts as gone)."""
    samples = []
    for _ in range(rounds):
        with Home() as home:
            home.start_ready()
            pids = home.pids()
            start = time.monotonic()
            os.kill(pids["supervisord"], signal.SIGKILL)
            wait_for(lambda pids=pids: not any(alive(pid) for pid in pids.values()), what="all gone")
            samples.append((time.monotonic() - start) * 1000)
    return samples


def alone(home: Home, gates: Gates, program: str, rounds: int) -> list[float]:
    """ms from exec to that program's own `ready`, started by hand in place of the supervised one."""
    samples = []
    home.ctl("stop", program)
    for _ in range(rounds):
        gates.until(lambda: gates.watches[program].line is None)
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *ARGUMENTS[program], "--home", str(home.path)],
            stdout=subprocess.DEVNULL,
            cwd=home.path,
        )
        try:
            gates.until(lambda: gates.watches[program].ready)
            samples.append((time.monotonic() - start) * 1000)
        finally:
            process.terminate()  # asked to end: a kill so soon would count as a crash, and brake the next
            process.wait()
    home.ctl("start", program)
    gates.until(gates.all_ready)
    return samples


def up(rounds: int) -> tuple[list[float], dict[str, dict[str, Any]]]:
    """ms from exec of supervisord to all ready, and PSS (MB) of each process of the last round."""
    samples, sizes = [], dict[str, dict[str, Any]]()
    for _ in range(rounds):
        with Home() as home:
            gates = Gates(home)
            start = time.monotonic()
            home.start()
            gates.until(gates.all_ready)
            samples.append((time.monotonic() - start) * 1000)
            sizes = {
                name: {"PSS MB": round(psutil.Process(pid).memory_full_info().pss / 1e6, 1)}
                for name, pid in home.pids().items()
            }
            gates.close()
    return samples, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--hung", type=int, default=0, help="rounds of SIGSTOP of broker and wind, 25 s each")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    with Home() as home:
        home.start_ready()
        gates = Gates(home)
        for program in ARGUMENTS:
            own = alone(home, gates, program, arguments.rounds)
            for what, samples in killed(home, gates, program, arguments.rounds).items():
                rows[f"kill -9 {program} -> {what}"] = figures.spread(samples)
            rows[f"exec {program} -> ready, alone"] = figures.spread(own)
        for program in ("broker", "wind") if arguments.hung else ():
            for what, samples in hung(home, gates, program, arguments.hung).items():
                rows[f"SIGSTOP {program} -> {what}"] = figures.spread(samples)
        gates.close()
    rows["kill -9 supervisord -> all gone"] = figures.spread(headless(max(3, arguments.rounds // 4)))
    started, sizes = up(max(3, arguments.rounds // 4))
    rows["exec supervisord -> all 6 ready"] = figures.spread(started)
    figures.show("Recovery (ms)", rows)
    figures.show("Memory", sizes)
    figures.save(arguments.json and str(arguments.json), {"recovery": rows, "memory": sizes})


if __name__ == "__main__":
    main()
