"""What a `put` into the dispatcher's journal costs, by how much of it is alive.

.venv/bin/python -m benchmarks.journal [--alive 91700] [--bytes 350]
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

from benchmarks import figures
from dispatcher_proc.dispatcher import JOURNAL_BYTES
from effectd.base.journal import Journal

MEASURED = 1000  # puts


def timed(journal: Journal, first: int, value: bytes, forgotten: int) -> list[float]:
    """Microseconds of each of MEASURED puts; for each, the oldest that is alive is forgotten."""
    times = list[float]()
    for number in range(first, first + MEASURED):
        start = time.perf_counter()
        journal.put(f"f:{number:060}", value)
        times.append((time.perf_counter() - start) * 1e6)
        if forgotten:
            journal.forget(f"f:{number - forgotten:060}")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alive", type=int, default=91_700)
    parser.add_argument("--bytes", type=int, default=350, help="of a record, all in all")
    arguments = parser.parse_args()
    value = b"x" * (arguments.bytes - 71)
    logging.disable()
    rows = {}
    for alive in (100, arguments.alive // 10, arguments.alive // 2, arguments.alive, arguments.alive * 2):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            journal = Journal(Path(folder) / "journal", JOURNAL_BYTES)
            stored = 0
            while stored < alive and journal.put(f"f:{stored:060}", value):
                stored += 1
            full = stored < alive
            times = timed(journal, stored, value, 0 if full else alive)
            rows[f"{stored} records alive" + ", no more fits" * full] = figures.spread(times)
            journal.close()
    figures.show("A put (us)", rows)


if __name__ == "__main__":
    main()
