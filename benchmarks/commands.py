"""How long a command of `effectd` takes from a warm start, in a home that runs: the best and the middle of some runs.

`python -m benchmarks.commands [--runs 9] [--home DIR]`; without a home one is made, started, and ended afterwards. On a
busy machine the best run and the CPU time say most. `up` is timed where it has nothing to do, where one device has
changed, and from nothing; the last two, and `down`, only in a home that was made for this.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = ("--help", "send wind 20 --duration 10", "health", "check", "stop", "up")


def timed(home: Path, command: str) -> tuple[float, float]:
    """Seconds on the wall, and of CPU: the command's own, what it starts is not waited for."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "effectd.cli", "--home", str(home), *command.split()], capture_output=True, check=True
    )
    took, after = time.perf_counter() - began, os.times()
    return took, after.children_user + after.children_system - before.children_user - before.children_system


def row(words: str, samples: list[tuple[float, float]]) -> None:
    walls, cpus = zip(*samples, strict=True)
    print(f"| {words} | {min(walls):.2f} | {statistics.median(walls):.2f} | {min(cpus):.2f} |", flush=True)


def measure(home: Path, runs: int) -> None:
    print("| command | best, s | middle, s | CPU, s |\n|---|---|---|---|")
    for command in COMMANDS:
        timed(home, command)  # warm
        row(f"`{command}`", [timed(home, command) for _ in range(runs)])


def measure_own(home: Path, runs: int) -> None:
    """What changes the home."""
    config = home / "config.yaml"
    text = config.read_text()
    changed = []
    for run in range(runs):
        config.write_text(text.replace("max_on_ms: 20000", f"max_on_ms: {19000 + run}"))
        changed.append(timed(home, "up"))
    row("`up`, one device has changed", changed)
    ends, starts = [], []
    for _ in range(runs):
        ends.append(timed(home, "down"))
        starts.append(timed(home, "up"))
    row("`down`", ends)
    row("`up`, from nothing", starts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    if given.home is not None:
        measure(given.home, given.runs)
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        home = Path(folder) / "h"
        for command in (f"init {home} --port auto", f"--home {home} up"):
            subprocess.run([sys.executable, "-m", "effectd.cli", *command.split()], stdout=sys.stderr, check=True)
        try:
            measure(home, given.runs)
            measure_own(home, given.runs)
        finally:
            subprocess.run([sys.executable, "-m", "effectd.cli", "--home", str(home), "down"], check=False)


if __name__ == "__main__":
    main()
