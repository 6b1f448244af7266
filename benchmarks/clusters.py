"""Kill the node in use under load, again and again: `python -m benchmarks.clusters [--times N] [KIND ...]`.

Two mosquittos that know nothing of each other, three nodes of NATS with JetStream, two without in front of three with,
three of RabbitMQ. How long until effects end again, and what the checker of the chaos suite says of the whole history
(docs/brokers.md has the table).
"""

import argparse
import random
import shutil
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks import figures
from benchmarks.nodes import MosquittoNode, NatsFront, NatsNode, Node, RabbitNode, started, there
from tests.chaos import storm
from tests.chaos.fault import Fault
from tests.chaos.misc_faults import NodeDies, OtherNodeDies

KINDS: dict[str, tuple[type[Node], int]] = {
    "mosquitto": (MosquittoNode, 2),
    "nats": (NatsNode, 3),
    "nats-front": (NatsFront, 2),
    "rabbitmq": (RabbitNode, 3),
}
RATE = 40  # effects a second
SECONDS, LIMIT_S = 1800.0, 120.0  # at most: of all, and until one death is got over


def measure(kind: str, times: int, seed: int) -> dict[str, Any]:
    node, count = KINDS[kind]

    def faults(_programs: list[str], _chance: random.Random) -> Iterator[Fault]:
        for _ in range(times):
            yield NodeDies(LIMIT_S)
            yield OtherNodeDies(LIMIT_S)

    with started(node, count) as nodes:
        outcome = storm.run(seed, SECONDS, RATE, faults, nodes=nodes, pause_s=1.0, ttl_ms=(5000, 5000))
    print(outcome)
    defects = sum(len(found) for found in outcome.verdict.defects.values())
    if not defects and not outcome.complaints:
        shutil.rmtree(outcome.path)
    gone_on = sorted(outcome.gone_on) or [float("nan")]
    return {
        "nodes": count,
        "killed in use": len(outcome.gone_on),
        "going on after, median": f"{statistics.median(gone_on):.1f} s",
        "at most": f"{gone_on[-1]:.1f} s",
        "effects": outcome.verdict.effects,
        "lost, driven twice, late, endless": defects,
        "complaints": len(outcome.complaints),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    given = parser.parse_args()
    found = {}
    for kind in given.kinds:
        if there(KINDS[kind][0]):
            found[kind] = measure(kind, given.times, given.seed)
        else:
            print(f"{kind} is not installed")
    figures.show("The node in use killed under load", found)
    figures.save(given.json, found)


if __name__ == "__main__":
    main()
