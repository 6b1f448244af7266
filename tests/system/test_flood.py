"""A flood of valid, refused and malformed effects: nobody is killed, others are served, nothing accepted is lost."""

import os
import statistics
from contextlib import ExitStack

import pytest

from benchmarks.flood import Outcome, capacity, flood
from benchmarks.hose import Flood
from tests.system.home import Home
from tests.system.test_external import broker, on

SECONDS = 6
TIMES = 3  # what the machine carries


def flooded(external: bool, clients: int) -> Outcome:
    with ExitStack() as stack:
        port = stack.enter_context(broker()).port if external else 0
        home = stack.enter_context(Home(broker=on(port)) if external else Home())
        home.start_ready()
        port = port or home.port
        rate = TIMES * capacity(port, 2)
        outcome = flood(home, port, Flood.of("mixed", clients, rate, SECONDS))
        home.wait_ready()
        return outcome


@pytest.mark.parametrize("clients", [1, 10], ids=["one-client", "ten-clients"])
@pytest.mark.parametrize("external", [False, True], ids=["embedded", "mosquitto"])
def test_a_flood_kills_nobody_keeps_others_waiting_at_most_2_s_and_loses_nothing(external: bool, clients: int) -> None:
    outcome = flooded(external, clients)
    slack = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) / 2)  # others work on this machine, too
    assert outcome.killed == []
    assert outcome.silence < 1.0 * slack
    assert statistics.median(outcome.waits) < 1.0 * slack
    assert max(outcome.waits) < 2.0 * slack
    assert outcome.normal < 1.0 * slack
    assert outcome.rss["dispatcher"] < 150
    assert outcome.unended == 0
    # of what was refused by overload, a dead letter at most once a second
    assert outcome.said.get("dead-letters/overload", 0) <= SECONDS + 5
