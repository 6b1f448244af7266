"""The embedded broker, all its limits on, beside mosquitto (set_tcp_nodelay true) and beside bare amqtt, in one run.

    .venv/bin/python -m benchmarks.broker [--rounds 3] [--seconds 2] [--packets 1000000] [--before CHECKOUT]

128 bytes a message, the slowest receiver at most 100 behind. In each round every broker is asked the same, one after
the other, so that a machine that changes its speed changes it for all; shown are the medians of the rounds, least and
greatest beside them, and the ratio of the medians. The load comes from a process of its own (benchmarks/load.py), whose
share of a core is told: it must not be what is measured.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks import figures
from benchmarks.brokers import AMQTT, BEFORE, MOSQUITTO, OURS, WITH_USERS, Started, started
from benchmarks.load import cpu_of, enter
from tests.broker import mutations
from tests.system.home import REPOSITORY

OVER_SOCKET = "ours, run/broker.sock"
ONLY_311 = (AMQTT, BEFORE)  # they do not speak MQTT 5
IDLE_S = 5.0
CROWD = 1000  # clients, with a subscription each

RATES = {  # messages/s in
    "QoS 0, 1 -> 1": ["--receivers", "1"],
    "QoS 1, 1 -> 1": ["--receivers", "1", "--qos", "1"],
    "QoS 0, 1 -> 10": ["--receivers", "10"],
    "QoS 1, 1 -> 10": ["--receivers", "10", "--qos", "1"],
    "QoS 0, 1 -> 100": ["--receivers", "100"],
    "QoS 1, 1 -> 100": ["--receivers", "100", "--qos", "1"],
}
HALF_ON_5 = ", half on 5"
MIXED = {f"{row}{HALF_ON_5}": [*RATES[row], "--five", "5"] for row in ("QoS 0, 1 -> 10", "QoS 1, 1 -> 10")}
LATENCIES = {f"QoS {qos}, {rate}/s": ["--rate", str(rate), "--qos", str(qos)] for qos in (0, 1) for rate in (200, 1000)}

Samples = dict[str, dict[str, list[dict[str, float]]]]  # what is asked -> broker -> one answer a round


def ask(what: str, address: str, pid: int, seconds: float, arguments: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", what, address, "--pid", str(pid), "--seconds", str(seconds)]
    done = subprocess.run([*command, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True, timeout=120)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def under_load(kinds: list[str], before: Path | None, rounds: int, seconds: float) -> tuple[Samples, Samples]:
    """Rates and latencies of each broker, all of them up at once."""
    rates: Samples = {}
    latencies: Samples = {}
    with ExitStack() as stack:
        brokers: dict[str, tuple[Started, str]] = {}
        for kind in kinds:
            broker = stack.enter_context(started(kind, before))
            brokers[kind] = broker, broker.address
            if kind == OURS and broker.socket.exists():
                brokers[OVER_SOCKET] = broker, str(broker.socket)
        for number in range(rounds):
            for rows, what, into in ((RATES | MIXED, "throughput", rates), (LATENCIES, "latency", latencies)):
                for row, arguments in rows.items():
                    for kind, (broker, address) in brokers.items():
                        if kind in ONLY_311 and row in MIXED:
                            continue
                        found = ask(what, address, broker.pid, seconds, arguments)
                        into.setdefault(row, {}).setdefault(kind, []).append(found)
                    print(f"round {number + 1}: {row}", file=sys.stderr)
    return rates, latencies


def alone(kind: str, before: Path | None) -> dict[str, float]:
    """Of a broker with nothing to do: ms from exec to its first CONNACK, idle CPU in % of a core, RSS in MB."""
    with started(kind, before) as broker:
        process = psutil.Process(broker.pid)
        time.sleep(1)  # until what it does at its start is done
        before = cpu_of(broker.pid)
        time.sleep(IDLE_S)
        idle, rss = (cpu_of(broker.pid) - before) / IDLE_S, process.memory_info().rss
        five = kind not in ONLY_311
        crowd = [enter(broker.address, five=five and each % 2 == 1, topic=f"crowd/{each}") for each in range(CROWD)]
        try:
            crowded = process.memory_info().rss
        finally:
            for each in crowd:
                each.close()
        return {
            "exec -> CONNACK, ms": broker.after * 1000,
            "idle CPU, % of a core": idle * 100,
            "RSS idle, MB": rss / 1e6,
            f"RSS at {CROWD} clients, MB": crowded / 1e6,
        }


def mutated(packets: int) -> dict[str, Any]:
    """What 10^6 mutated packets do to ours; raises AssertionError where they do harm."""
    with started(OURS) as broker:
        before = psutil.Process(broker.pid).memory_info().rss
        found = mutations.run(broker.port, packets, 1)
        assert "Traceback" not in broker.log(), broker.log()[-4000:]
        after = psutil.Process(broker.pid).memory_info().rss
        return {**found, "RSS before, after, MB": f"{before / 1e6:.0f}, {after / 1e6:.0f}"}


def table(samples: Samples, key: str, digits: int) -> dict[str, dict[str, str]]:
    """Medians with their least and greatest; ours as a ratio to each of the others."""
    rows: dict[str, dict[str, str]] = {}
    for row, by_kind in samples.items():
        medians = {kind: statistics.median(one[key] for one in found) for kind, found in by_kind.items()}
        rows[row] = {
            kind: f"{medians[kind]:,.{digits}f} ({min(one[key] for one in found):,.{digits}f} to "
            f"{max(one[key] for one in found):,.{digits}f})"
            for kind, found in by_kind.items()
        }
        for kind in (MOSQUITTO, AMQTT, BEFORE):
            if medians.get(kind):
                rows[row][f"ours / {kind}"] = f"{medians[OURS] / medians[kind]:.2f}"
        if plain := samples.get(row.removesuffix(HALF_ON_5)) if row.endswith(HALF_ON_5) else None:
            rows[row]["ours / none on 5"] = f"{medians[OURS] / statistics.median(one[key] for one in plain[OURS]):.2f}"
        if WITH_USERS in medians:
            rows[row]["with users / without"] = f"{medians[WITH_USERS] / medians[OURS]:.2f}"
        if OVER_SOCKET in medians:
            rows[row]["socket / TCP"] = f"{medians[OVER_SOCKET] / medians[OURS]:.2f}"
    return rows


def for_its_cpu(rates: Samples) -> Samples:
    """What a broker does with a second of its own: it says the same however busy the machine is with other work."""
    return {
        row: {
            kind: [{"rate": one["rate"] / max(one["broker_cpu"], 0.01)} for one in found]
            for kind, found in by_kind.items()
        }
        for row, by_kind in rates.items()
    }


def shares(samples: Samples) -> dict[str, dict[str, str]]:
    """Of a core: the load process's; the broker's."""

    def median(found: list[dict[str, float]]) -> str:
        return "; ".join(f"{statistics.median(one[key] for one in found):.2f}" for key in ("cpu", "broker_cpu"))

    return {row: {kind: median(found) for kind, found in by_kind.items()} for row, by_kind in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--packets", type=int, default=1_000_000, help="mutated ones; 0 = none")
    parser.add_argument("--before", type=Path, help="an older checkout of ours: measured as well")
    parser.add_argument("--json", type=Path)
    it = parser.parse_args()
    kinds = [OURS, WITH_USERS, MOSQUITTO, AMQTT, *([BEFORE] if it.before else [])]
    rates, latencies = under_load(kinds, it.before, it.rounds, it.seconds)
    figures.show("Messages/s in", table(rates, "rate", 0))
    figures.show("Messages in, for each second of the broker's own CPU time", table(for_its_cpu(rates), "rate", 0))
    figures.show("One way, us, p50", table(latencies, "p50", 0))
    figures.show("One way, us, p99", table(latencies, "p99", 0))
    figures.show("Share of a core: the load's; the broker's", shares(rates | latencies))
    rest: Samples = {}
    for _ in range(it.rounds):
        for kind in kinds:
            for row, value in alone(kind, it.before).items():
                rest.setdefault(row, {}).setdefault(kind, []).append({"value": value})
    figures.show("Alone", table(rest, "value", 1))
    fuzz = mutated(it.packets) if it.packets else {}
    if fuzz:
        figures.show("Mutated packets", {name: {"": value} for name, value in fuzz.items()})
    samples = {"rates": rates, "latencies": latencies, "alone": rest, "mutations": fuzz}
    figures.save(it.json and str(it.json), samples)


if __name__ == "__main__":
    main()
