"""A flood of effects at three times what the machine carries: who is silent, what a good effect waits, what is kept.

    .venv/bin/python -m benchmarks.flood [--seconds 30] [--kinds valid refused malformed] [--clients 1 10]
        [--rate N] [--mosquitto] [--json FILE]

Without --rate it first measures what this home carries (64 effects open at any time) and floods with three times that.
The flood is QoS 0 on wind, light and vibration. Meanwhile somebody else publishes an effect on scent each 0.2 s (QoS 1)
and awaits its receipt; what is said of the flood is heard by one more client.
"""

import argparse
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks import figures
from benchmarks.chain import OPEN, Publisher
from benchmarks.hose import TYPES, Flood, valid
from effectd.messages.answers import FINAL
from tests.system.home import REPOSITORY, Client, Home, wait_for
from tests.system.test_external import broker, on

SETTLED_S = 15  # after the flood, for the last receipts


class Silence(threading.Thread):
    """The longest silence of each gate, and the greatest RSS of each program (MB)."""

    def __init__(self, home: Home, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.longest: dict[str, float] = {}
        self.rss: dict[str, float] = {}
        self._home, self._pids = home, pids
        self._over = threading.Event()

    def run(self) -> None:
        gates: dict[str, socket.socket | None] = dict.fromkeys(n for n in self._pids if n != "supervisord")
        last = dict.fromkeys(gates, time.monotonic())
        while not self._over.is_set():
            for name, gate in gates.items():
                if gate is None:
                    gates[name] = self._open(name)
            heard = select.select([gate for gate in gates.values() if gate], [], [], 0.05)[0]
            now = time.monotonic()
            for name, gate in gates.items():
                if gate in heard and gate is not None:
                    try:
                        if not gate.recv(65536):
                            raise OSError
                        last[name] = now
                    except OSError:
                        gate.close()
                        gates[name] = None
                self.longest[name] = max(self.longest.get(name, 0.0), now - last[name])
                try:
                    rss = psutil.Process(self._pids[name]).memory_info().rss / 1e6
                    self.rss[name] = max(self.rss.get(name, 0.0), rss)
                except psutil.Error:
                    pass
        for gate in gates.values():
            if gate is not None:
                gate.close()

    def _open(self, name: str) -> socket.socket | None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self._home.path / "run" / f"{name}.gate"))
        except OSError:
            sock.close()
            return None
        return sock

    def end(self) -> None:
        self._over.set()
        self.join()


class Good(Client):
    """Somebody else's effects: how long each waits for its final receipt, and what that says."""

    def __init__(self, port: int, device: str = "scent") -> None:
        super().__init__(port, "nothing")
        self.device = device
        self.said: Counter[str] = Counter()
        self.first: list[float] = []  # seconds to the first receipt of each: `accepted`, or the final one

    def one(self, limit: float = 20.0) -> float:
        """Seconds to the final receipt; published again each 0.5 s, as the contract advises."""
        name = f"good-{time.monotonic_ns()}"
        topic = f"receipts/{name}"
        self._client.subscribe(topic, 1)
        start, again, first = time.monotonic(), 0.0, None
        while (spent := time.monotonic() - start) < limit:
            receipts = self.json(topic)
            if receipts and first is None:
                first = spent
                self.first.append(first)
            finals = [r for r in receipts if r["status"] != "accepted"]
            if finals:
                self.said[finals[0]["status"]] += 1
                break
            if spent >= again:
                again += 0.5
                self.publish(f"effects/{self.device}", {"id": name, "intensity": 5, "duration": 10, "ttl_ms": 10000})
            time.sleep(0.002)
        else:
            self.said["nothing"] += 1
        self._client.unsubscribe(topic)
        return time.monotonic() - start


def asked_again(port: int, names: list[str]) -> int:
    """How many of these have no final receipt even when asked: a broker may drop messages to a listener this slow."""
    if not names:
        return 0
    client = Client(port, *(f"receipts/{name}" for name in names))
    for name in names:
        number = int(name.rpartition("-")[2])
        client.publish(f"effects/{TYPES[number % 7 % 3]}", valid(name, number))
    missing = set(names)
    end = time.monotonic() + 10
    while missing and time.monotonic() < end:
        missing -= {r["id"] for _, p in list(client.heard) if (r := json.loads(p))["status"] in FINAL}
        time.sleep(0.05)
    client.close()
    return len(missing)


def capacity(port: int, seconds: float = 4.0) -> float:
    """Receipts a second while 64 effects are open, over the three devices of the flood."""
    publisher = Publisher(port)
    start, number = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        if not publisher.slots.acquire(timeout=5):
            break
        fields = {"id": f"c-{time.monotonic_ns()}", "intensity": number % 100, "duration": 20}
        publisher._client.publish(f"effects/{TYPES[number % 3]}", json.dumps(fields), 1)
        number += 1
    wait_for(lambda: publisher.receipted >= number - OPEN, 30, "the receipts")
    speed = publisher.receipted / (time.monotonic() - start)
    publisher.close()
    return speed


class Outcome(NamedTuple):
    """Of one flood. Seconds and MB; `waits` of the good effects for their ends, `first` for any receipt.

    `unended`: accepted and without a final receipt.
    """

    sent: int
    silence: float
    killed: list[str]
    waits: list[float]
    first: list[float]
    good: dict[str, int]
    normal: float
    rss: dict[str, float]
    unended: int
    said: dict[str, int]


def flood(home: Home, port: int, wanted: Flood) -> Outcome:
    """Pour, watch, and wait until all is as before."""
    out = home.path / f"ear-{wanted.tag}"
    pids = home.pids()
    me = [sys.executable, "-m", "benchmarks.hose"]
    with subprocess.Popen([*me, "hear", str(port), wanted.tag, str(out)], stdin=subprocess.PIPE, cwd=REPOSITORY) as ear:
        good = Good(port)
        before = statistics.median(good.one() for _ in range(5))
        silence = Silence(home, pids)
        silence.start()
        with subprocess.Popen(
            [*me, "pour", str(port), json.dumps(wanted._asdict())], stdout=subprocess.PIPE, cwd=REPOSITORY, text=True
        ) as hose:
            waits: list[float] = []
            good.first.clear()
            while hose.poll() is None:
                waits.append(good.one())
                time.sleep(0.2)
            assert hose.stdout is not None
            sent, first = int(hose.stdout.read() or 0), list(good.first)
        over = time.monotonic()
        after = good.one()
        while after > max(3 * before, 0.05) and time.monotonic() < over + 60:
            after = good.one()
        normal = time.monotonic() - over
        silence.end()
        time.sleep(min(SETTLED_S, wanted.seconds))
        ear.communicate()
    heard = json.loads(out.read_text())
    unended = asked_again(port, heard["unheard"])
    now = home.pids()
    killed = [name for name, pid in pids.items() if now.get(name) != pid]
    good.close()
    return Outcome(
        sent=sent,
        silence=max(silence.longest.values()),
        killed=killed,
        waits=waits,
        first=first or waits,
        good=dict(good.said),
        normal=normal,
        rss=silence.rss,
        unended=unended,
        said=heard["said"],
    )


def row(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """An outcome as a row of the table."""
    return {
        "sent/s": round(outcome.sent / seconds),
        "longest silence of a gate, s": f"{outcome.silence:.2f}",
        "killed": ", ".join(outcome.killed) or "none",
        "good effect receipted, s: median; worst": f"{statistics.median(outcome.first):.3f}; {max(outcome.first):.3f}",
        "ended": f"{statistics.median(outcome.waits):.3f}; {max(outcome.waits):.3f}",
        "good effects": outcome.good,
        "normal after, s": f"{outcome.normal:.2f}",
        "RSS MB: dispatcher; broker; wind": "; ".join(
            f"{outcome.rss.get(name, 0):.0f}" for name in ("dispatcher", "broker", "wind")
        ),
        "accepted without an end": outcome.unended,
        "said": outcome.said,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--kinds", nargs="+", default=["valid", "refused", "malformed", "mixed"])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--mosquitto", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        port = stack.enter_context(broker()).port if arguments.mosquitto else 0
        home = stack.enter_context(Home(broker=on(port)) if port else Home())
        home.start_ready()
        port = port or home.port
        rate = arguments.rate or 3 * capacity(port)
        for kind in arguments.kinds:
            for clients in arguments.clients:
                name = f"{kind}, {clients} client{'s' * (clients > 1)}"
                outcome = flood(home, port, Flood.of(kind, clients, rate, arguments.seconds))
                rows[name] = row(outcome, arguments.seconds)
                print(name, rows[name], file=sys.stderr, flush=True)
                home.wait_ready()
    title = f"Flood of {rate:.0f} effects/s on {'mosquitto' if arguments.mosquitto else 'the embedded broker'}"
    figures.show(title, rows)
    figures.save(arguments.json and str(arguments.json), {"rate": rate, "rows": rows})


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
