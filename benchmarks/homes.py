"""One, two and four homes on one mosquitto: `python -m benchmarks.homes [--seconds S]`; docs/scale.md has the result.

Each home plays so many effects a second. What is measured is processor time, which is the same on a busy machine; the
model is that each program of a home needs so much of it in a second, and so much for an effect. Then each home plays as
many as it can (six without a receipt at any time), beside what the model promises of this machine's cores.
"""

import argparse
import contextlib
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import psutil

from benchmarks import figures
from benchmarks.nodes import MosquittoNode, started
from tests.system.home import Client, Home
from tests.system.test_external import on

HOMES, RATES = (1, 2, 4), (10, 40)
KINDS = ("mosquitto", "dispatcher", "driver", "broker program")
SETTLE_S, MEASURED_S = 2.0, 0.2  # the kernel counts in ticks of 10 ms
OPEN = 6  # effects of a home without a receipt, at saturation: more on its three devices would end as superseded


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


class Full(NamedTuple):
    """Saturation: `receipted` in `seconds`, of which `done`; `used`: as above; `publishers`: what these took."""

    homes: int
    seconds: float
    receipted: int
    done: int
    used: dict[str, float]
    publishers: float


class Filler:
    """Keeps so many effects of one home open, and counts their ends; each end brings the next effect."""

    def __init__(self, port: int, root: str, seconds: float) -> None:
        self._root, self._number, self.receipted, self.done = root, 0, 0, 0
        self._ended = threading.Event()
        self._client = Client(port, f"{root}/receipts/#", window=0)
        self._until = time.monotonic() + seconds
        self._client._client.on_message = self._receipt
        for _ in range(OPEN):
            self._next()

    def wait(self) -> None:
        assert self._ended.wait(120), f"{self._root}: effects without an end"
        self._client.close()

    def _next(self) -> None:
        kind = ("wind", "light", "vibration")[self._number % 3]
        fields = {"id": f"full-{self._number}", "intensity": 40, "duration": 20, "ttl_ms": 60_000, "priority": 5}
        self._number += 1
        self._client.publish(f"{self._root}/effects/{kind}", fields)

    def _receipt(self, _client: Any, _data: Any, message: Any) -> None:
        if b'"status":"accepted"' in message.payload:
            return
        self.receipted += 1
        self.done += b'"status":"done"' in message.payload
        if time.monotonic() < self._until:
            self._next()
        elif self.receipted == self._number:
            self._ended.set()


def fill(port: int, root: str, seconds: float) -> tuple[int, int, float, float]:
    """In a process of its own: how many were receipted and done, in how many seconds, for how much of a processor."""
    began, own = time.monotonic(), time.process_time()
    filler = Filler(port, root, seconds)
    filler.wait()
    return filler.receipted, filler.done, time.monotonic() - began, time.process_time() - own


def saturate(port: int, processes: dict[str, list[psutil.Process]], count: int, seconds: float) -> Full:
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        list(pool.map(time.sleep, [SETTLE_S / 4] * count))  # all are there, with what they import
        before = spent(processes)
        given = [(port, f"room{n}", seconds) for n in range(count)]
        found = list(pool.map(fill, *zip(*given, strict=True)))
        used = {kind: after - before[kind] for kind, after in spent(processes).items()}
    receipted, done, took, own = (list(each) for each in zip(*found, strict=True))
    return Full(count, max(took), sum(receipted), sum(done), used, sum(own))


def promised(rows: list[Row], full: Full) -> float:
    """Effects a second by the model: what this machine's cores give beside who publishes, or full dispatchers."""
    models = {kind: fit(rows, kind) for kind in KINDS}
    at_rest = full.homes * sum(idle for idle, _ in models.values())
    idle, each = models["dispatcher"]
    return min((spare(full) - at_rest) / sum(each for _, each in models.values()), full.homes * (1 - idle) / each)


def promised_by(first: Full, full: Full) -> float:
    """By what an effect costs where one home plays as many as it can: programs that always have work wake up less."""
    each = {kind: used / first.receipted for kind, used in first.used.items()}
    return min(spare(full) / sum(each.values()), full.homes / each["dispatcher"])


def spare(full: Full) -> float:
    """Cores that those who publish left."""
    return (os.cpu_count() or 1) - full.publishers / full.seconds


def measure(count: int, rates: tuple[float, ...], seconds: float) -> tuple[list[Row], Full]:
    rows = []
    with contextlib.ExitStack() as stack:
        (node,) = stack.enter_context(started(MosquittoNode))
        assert node.process is not None
        homes = [stack.enter_context(Home(broker=on(node.port), topic_root=f"room{n}")) for n in range(count)]
        for home in homes:
            for device in home.config["devices"].values():  # else it would be their drivers that hold it up
                device.setdefault("limits", {})["max_rate_hz"] = 1000
            home.write()
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
        for client in clients:  # what they hear costs this process time
            client.close()
        full = saturate(node.port, processes, count, seconds)
        print(full, flush=True)
    return rows, full


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


def saturated(rows: list[Row], first: Full, full: Full) -> dict[str, Any]:
    rate, by_model, by_first = full.receipted / full.seconds, promised(rows, full), promised_by(first, full)
    return {
        "effects/s": f"{rate:.0f}",
        "a home": f"{rate / full.homes:.0f}",
        "done": f"{100 * full.done / full.receipted:.0f} %",
        "by the model": f"{by_model:.0f}",
        "which errs by": f"{100 * (by_model / rate - 1):+.0f} %",
        "by one full home": f"{by_first:.0f}",
        "which errs so": f"{100 * (by_first / rate - 1):+.0f} %",
        **{f"{kind}, ms an effect": f"{1000 * full.used[kind] / full.receipted:.2f}" for kind in KINDS},
        "publishers, of a core": f"{100 * full.publishers / full.seconds:.0f} %",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json")
    given = parser.parse_args()
    measured = [measure(count, RATES, given.seconds) for count in HOMES]
    rows = [row for found, _ in measured for row in found]
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
    filled = {f"{full.homes} homes": saturated(rows, measured[0][1], full) for _, full in measured}
    figures.show("As many effects as they can, each with its receipt", filled)
    figures.save(given.json, {"rows": [row._asdict() for row in rows], "model": model, "full": filled})


if __name__ == "__main__":
    main()
