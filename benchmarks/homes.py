"""One, two and four homes on one mosquitto: `python -m benchmarks.homes [--seconds S]`; docs/scale.md has the result.

Each home plays so many effects a second. What is measured is processor time, which is the same on a busy machine; the
model is that each program of a home needs so much of it in a second, and so much for an effect.
"""

import argparse
import contextlib
import threading
import time
from typing import Any, NamedTuple

import psutil

from benchmarks import figures
from benchmarks.nodes import MosquittoNode, started
from tests.system.home import Client, Home
from tests.system.test_external import on

HOMES, RATES = (1, 2, 4), (10, 40)
KINDS = ("mosquitto", "dispatcher", "driver", "broker program")
SETTLE_S, MEASURED_S = 2.0, 0.2  # the kernel counts in ticks of 10 ms


class Row(NamedTuple):
    """`used`: seconds of processor time of each kind in `seconds`, for `effects` that were done in `homes` homes."""

    homes: int
    seconds: float
    effects: int
    used: dict[str, float]


def kinds(home: Home) -> dict[str, list[psutil.Process]]:
    pids = home.pids()
    drivers = [psutil.Process(pids[name]) for name in home.drivers]
    one = {name: [psutil.Process(pids[name])] for name in ("dispatcher", "broker")}
    return {"dispatcher": one["dispatcher"], "broker program": one["broker"], "driver": drivers}


def spent(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    return {kind: sum(sum(each.cpu_times()[:2]) for each in found) for kind, found in processes.items()}


def play(client: Client, root: str, rate: float, seconds: float) -> None:
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        kind = ("wind", "light", "vibration")[number % 3]
        effect = {"id": f"e{rate:g}-{number}", "intensity": 40, "duration": 20, "ttl_ms": 60_000, "priority": 5}
        client.publish(f"{root}/effects/{kind}", effect)


def measure(count: int, rates: tuple[float, ...], seconds: float) -> list[Row]:
    rows = []
    with contextlib.ExitStack() as stack:
        (node,) = stack.enter_context(started(MosquittoNode))
        assert node.process is not None
        homes = [stack.enter_context(Home(broker=on(node.port), topic_root=f"room{n}")) for n in range(count)]
        for home in homes:
            home.start()
        for home in homes:
            home.wait_ready(60)
        clients = [Client(node.port, f"room{n}/receipts/#", window=0) for n in range(count)]
        for client in clients:
            stack.callback(client.close)
        processes: dict[str, list[psutil.Process]] = {"mosquitto": [psutil.Process(node.process.pid)]}
        for home in homes:
            for kind, found in kinds(home).items():
                processes.setdefault(kind, []).extend(found)
        time.sleep(SETTLE_S)
        for rate in (0, *rates):
            for client in clients:
                client.heard.clear()
            before, began = spent(processes), time.monotonic()
            players = [
                threading.Thread(target=play, args=(client, f"room{n}", rate, seconds))
                for n, client in enumerate(clients)
                if rate
            ]
            for player in players:
                player.start()
            for player in players:
                player.join()
            time.sleep(SETTLE_S if rate else seconds)
            took = time.monotonic() - began
            used = {kind: after - before[kind] for kind, after in spent(processes).items()}
            done = sum(b'"status":"done"' in payload for client in clients for _, payload in client.heard)
            rows.append(Row(count, took, done, used))
            print(rows[-1], flush=True)
    return rows


def fit(rows: list[Row], kind: str) -> tuple[float, float]:
    """Least squares of used = idle * homes * seconds + each * effects."""
    points = [(row.homes * row.seconds, float(row.effects), row.used[kind]) for row in rows]
    xx, xy, yy = (sum(p[a] * p[b] for p in points) for a, b in ((0, 0), (0, 1), (1, 1)))
    xz, yz = sum(p[0] * p[2] for p in points), sum(p[1] * p[2] for p in points)
    determinant = xx * yy - xy * xy
    return (xz * yy - yz * xy) / determinant, (yz * xx - xz * xy) / determinant


def modelled(rows: list[Row], kind: str) -> dict[str, Any]:
    """The two numbers, and how far the model is off where there was enough to measure."""
    idle, each = fit(rows, kind)
    off = [
        abs(idle * row.homes * row.seconds + each * row.effects - row.used[kind]) / row.used[kind]
        for row in rows
        if row.used[kind] >= MEASURED_S
    ]
    return {
        "at rest, of a core, a home": f"{100 * idle:.2f} %",
        "an effect": f"{1000 * each:.2f} ms",
        "errs by at most": f"{100 * max(off):.0f} %" if off else "",
        "one core is full at": f"{(1 - idle) / each:.0f} effects/s" if each > 1e-5 else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json")
    given = parser.parse_args()
    rows = [row for count in HOMES for row in measure(count, RATES, given.seconds)]
    carried = {
        f"{row.homes} homes, {row.effects / (row.seconds - SETTLE_S):.0f} effects/s": {
            kind: f"{100 * row.used[kind] / row.seconds:.1f} %" for kind in KINDS
        }
        for row in rows
        if row.effects
    }
    model = {kind: modelled(rows, kind) for kind in KINDS}
    figures.show("One, two and four homes on one mosquitto: processor time, of one core", carried)
    figures.show("The model", model)
    figures.save(given.json, {"rows": [row._asdict() for row in rows], "model": model})


if __name__ == "__main__":
    main()
