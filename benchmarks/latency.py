"""Published -> actuated, over all processes, at several rates.

.venv/bin/python -m benchmarks.latency [--rates 20 100 500] [--seconds 5] [--json FILE]
"""

import argparse
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import figures
from tests.system.home import REPOSITORY, Home

DEVICES = ("light", "wind", "vibration", "scent")


class Witnessed:
    """Hears the datagrams of benchmarks/witness.py: effect id -> monotonic ns of its actuation."""

    def __init__(self, path: Path) -> None:
        self.at: dict[str, int] = {}
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sock.bind(str(path))
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        while True:
            at, _, effect = self._sock.recv(256).decode().partition(" ")
            self.at.setdefault(effect, int(at))


def witnessed_home() -> Home:
    """A home whose four devices tell a socket when they are driven."""
    home = Home()
    for name in DEVICES:
        home.config["devices"][name] = {
            "kind": "benchmarks.witness",
            "effects": [name],
            "limits": {"max_rate_hz": 1000},
            "options": {"path": str(home.path / "witness")},
        }
    home.write()
    return home


def measure(home: Home, witness: Witnessed, rate: int, seconds: float, *, wait: bool = True) -> dict[str, Any]:
    """ms from publish() to actuation at `rate` effects a second over four devices; what was not actuated is counted.

    `wait=False`: only for the devices that have the witness; what another one does with its share is not awaited.
    """
    client = home.client("receipts/#")
    published: dict[str, int] = {}
    start = time.monotonic()
    for number in range(int(rate * seconds)):
        while (early := start + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        name = f"{rate}-{number}"
        published[name] = time.monotonic_ns()
        device = DEVICES[number % len(DEVICES)]
        client.publish(f"effects/{device}", json.dumps({"id": name, "intensity": 50, "duration": 50}))
    awaited = [name for number, name in enumerate(published) if wait or DEVICES[number % len(DEVICES)] != "scent"]
    statuses = [client.receipt(name)["status"] for name in awaited]
    samples = [(witness.at[name] - at) / 1e6 for name, at in published.items() if name in witness.at]
    home.clients.remove(client)
    client.close()
    return {
        "p50": round(figures.percentile(samples, 0.5), 2),
        "p95": round(figures.percentile(samples, 0.95), 2),
        "p99": round(figures.percentile(samples, 0.99), 2),
        "max": round(max(samples), 2),
        "effects": len(published),
        "done": statuses.count("done"),
        "superseded": statuses.count("superseded"),
        "other": len(statuses) - statuses.count("done") - statuses.count("superseded"),
    }


def find_witness() -> None:
    """Let the drivers' processes import benchmarks.witness."""
    os.environ["PYTHONPATH"] = str(REPOSITORY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    find_witness()
    with witnessed_home() as home:
        witness = Witnessed(home.path / "witness")
        home.start_ready()
        measure(home, witness, 100, 1)  # warm
        rows = {f"{rate} effects/s": measure(home, witness, rate, arguments.seconds) for rate in arguments.rates}
    figures.show("Published -> actuated (ms)", rows)
    figures.save(arguments.json and str(arguments.json), {"latency": rows})


if __name__ == "__main__":
    main()
