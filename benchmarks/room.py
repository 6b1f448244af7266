"""A room of 20 devices: start, memory, idle CPU; what a slow neighbour costs; what the journal costs.

.venv/bin/python -m benchmarks.room [--json FILE]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import figures
from benchmarks.latency import Witnessed, find_witness, measure, witnessed_home
from benchmarks.recovery import Gates
from effectd.base.journal import Journal
from tests.system.home import Home


def pss(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().pss) / 1e6


def bare_paho() -> float:
    """PSS (MB) of a Python that has imported paho and nothing else, beside others of its kind."""
    code = "import paho.mqtt.client, sys; print('in', flush=True); sys.stdin.read()"
    crowd = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(20)
    ]
    try:
        for process in crowd:
            assert process.stdout is not None
            process.stdout.readline()
        return sum(pss(process.pid) for process in crowd) / len(crowd)
    finally:
        for process in crowd:
            process.communicate()


def twenty() -> dict[str, Any]:
    devices: dict[str, Any] = dict.fromkeys(("light", "wind", "vibration", "scent"))
    devices |= {f"fan-{number:02}": {"kind": "virtual", "effects": ["wind"]} for number in range(20)}
    with Home(devices) as home:
        gates = Gates(home)
        start = time.monotonic()
        home.start()
        gates.until(gates.all_ready, 60)
        ready = time.monotonic() - start
        gates.close()
        pids = home.pids()
        drivers = [pid for name, pid in pids.items() if name.startswith("fan-")]
        processes = [psutil.Process(pid) for pid in pids.values()]
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        time.sleep(10)
        used = sum(sum(process.cpu_times()[:2]) for process in processes) - before
        sizes = [pss(pid) for pid in drivers]
        return {
            "up -> 22 programs ready, s": round(ready, 2),
            "PSS a driver, MB (median)": round(figures.percentile(sizes, 0.5), 1),
            "PSS of a bare paho import, MB": round(bare_paho(), 1),
            "PSS of everything, MB": round(sum(pss(pid) for pid in pids.values())),
            "idle CPU of everything, % of a core": round(used * 10, 1),
        }


def neighbours() -> dict[str, dict[str, Any]]:
    """p50 and p99 of three devices alone, and beside one that takes 500 ms an effect, and one that hangs."""
    find_witness()
    rows = {}
    for name, options in (
        ("alone", {"apply_ms": 0}),
        ("beside a slow one", {"apply_ms": 500}),
        ("beside a hung one", {"apply_ms": 60000}),
    ):
        home = witnessed_home()
        home.config["devices"]["scent"] = {
            "kind": "virtual",
            "effects": ["scent"],
            "options": options,
            "limits": {"max_apply_ms": 60000},
        }
        home.write()
        with home:
            witness = Witnessed(home.path / "witness")
            home.start_ready()
            measure(home, witness, 100, 1, wait=False)  # warm
            rows[name] = measure(home, witness, 200, 5, wait=False)
    return rows


def journal() -> dict[str, Any]:
    """us per effect for what the dispatcher and the driver write."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        book = Journal(Path(folder) / "j", 16 << 20)
        value = b"x" * 320
        count = 20_000
        start = time.perf_counter()
        for number in range(count):
            book.put(f"a:e-{number}", value)
            book.put(f"s:wind:e-{number}", b"")
            book.put(f"f:e-{number}", value)
            book.forget(f"a:e-{number}")
            book.forget(f"s:wind:e-{number}")
            if number > 2000:
                book.forget(f"f:e-{number - 2000}")
        spent = time.perf_counter() - start
        book.close()
    return {"journal of the dispatcher, us an effect (3 records)": round(spent / count * 1e6, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    room = twenty() | journal()
    near = neighbours()
    figures.show("A room of 20 devices", {name: {"": value} for name, value in room.items()})
    figures.show("Published -> actuated (ms) of three devices, by their neighbour", near)
    figures.save(arguments.json and str(arguments.json), {"room": room, "neighbours": near})


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
