"""How long a command of `effectd` takes from a warm start, in a home that runs: the middle, and the spread.

`python -m benchmarks.commands [--runs 11] [--before CHECKOUT]`: with another checkout, which has its own `.venv`, each
run of the one is followed by one of the other. `up` is timed where it has nothing to do, and from nothing.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

COMMANDS = ("--help", "send wind 20 --duration 10", "health", "check", "stop", "up")
OWN = ("down", "up")  # in turn; they end and start the home
Times = tuple[float, float]


class Home:
    def __init__(self, checkout: Path, python: str, path: Path) -> None:
        self._call = [python, "-m", "effectd.cli"]
        self._checkout, self._path = checkout, path
        self.timed(f"init {path} --port auto", at_home=False)
        self.timed("up")

    def timed(self, command: str, *, at_home: bool = True) -> Times:
        """Seconds on the wall, and of CPU: the command's own, what it starts is not waited for."""
        where = ["--home", str(self._path)] if at_home else []
        before, began = os.times(), time.perf_counter()
        subprocess.run([*self._call, *where, *command.split()], cwd=self._checkout, capture_output=True, check=True)
        took, after = time.perf_counter() - began, os.times()
        return took, after.children_user + after.children_system - before.children_user - before.children_system


@contextlib.contextmanager
def homes(checkouts: list[tuple[Path, str]]) -> Iterator[list[Home]]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, contextlib.ExitStack() as down:
        made = []
        for number, (checkout, python) in enumerate(checkouts):
            made.append(Home(checkout, python, Path(folder) / f"h{number}"))
            down.callback(made[-1].timed, "down")
        yield made


def row(words: str, samples: list[list[Times]]) -> None:
    cells = []
    for each in samples:
        walls, cpus = zip(*each, strict=True)
        cells.append(f"{statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}) | {min(cpus):.2f}")
    print(f"| {words} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--before", type=Path)
    given = parser.parse_args()
    checkouts = [(Path(__file__).parents[1], sys.executable)]
    if given.before:
        checkouts.insert(0, (given.before, str(given.before / ".venv" / "bin" / "python")))
    with homes(checkouts) as rooms:
        print("| command |" + " middle (best to worst), s | CPU, s |" * len(rooms))
        print("|---|" + "---|---|" * len(rooms))
        for command in COMMANDS:
            for home in rooms:
                home.timed(command)  # warm
            turns = [[home.timed(command) for home in rooms] for _ in range(given.runs)]
            row(f"`{command}`", [list(samples) for samples in zip(*turns, strict=True)])
        both = [[[home.timed(command) for command in OWN] for home in rooms] for _ in range(max(3, given.runs // 2))]
        for number, words in enumerate(("`down`", "`up`, from nothing")):
            row(words, [[turn[room][number] for turn in both] for room in range(len(rooms))])


if __name__ == "__main__":
    main()
