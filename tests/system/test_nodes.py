"""A broker with several nodes: the broker program chooses one, everybody is there, and nobody goes back by himself.

tests/chaos kills the nodes under load.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.system.home import Client, Home, wait_for
from tests.system.test_external import Mosquitto, at_nodes, broker


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Home, list[Mosquitto]]]:
    """A home on two mosquittos that know nothing of each other; both live at the begin and the end of each test."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(broker()) for _ in range(2)]
        home = stack.enter_context(Home(broker=at_nodes(*nodes)))
        home.start_ready()
        yield home, nodes


def address(node: Mosquitto) -> str:
    return f"127.0.0.1:{node.port}"


def in_use(home: Home, nodes: list[Mosquitto]) -> tuple[Mosquitto, Mosquitto]:
    """The node at which the home is, and the other one."""
    home.wait_ready()
    line = home.line("broker")
    assert line is not None
    here = [node for node in nodes if address(node) == line["address"]]
    assert len(here) == 1, line
    return here[0], nodes[1 - nodes.index(here[0])]


def moved(home: Home, node: Mosquitto) -> None:
    wait_for(lambda: (home.line("broker") or {}).get("address") == address(node), 30, "the other node")
    home.wait_ready()


def test_when_the_node_in_use_dies_all_go_on_at_the_other_with_their_retained_state_and_stay_there(
    pair: tuple[Home, list[Mosquitto]],
) -> None:
    home, nodes = pair
    here, there = in_use(home, nodes)
    before = Client(here.port)
    before.publish("effects/light", {"id": "before", "intensity": 40, "duration": 0})
    before.publish("holds/anna", json.dumps({"reason": "mind the fan", "target": "wind"}))
    assert before.receipt("before")["status"] == "done"
    wait_for(lambda: before.on("system/holds")[-1:] not in ([], [b"[]"]), what="the hold")
    before.close()
    pids = home.pids()
    here.kill()
    moved(home, there)
    assert home.pids() == pids, "nobody ends because a node does"
    client = Client(there.port)
    wait_for(lambda: client.on("devices/wind/availability")[-1:] == [b"online"], what="its availability there")
    wait_for(lambda: (client.state("light") or {}).get("on"), what="what is on, there")
    wait_for(lambda: client.json("system/wind/state") and client.json("system/broker/state"), what="the programs")
    assert client.json("system/broker/state")[-1]["address"] == address(there)
    wait_for(lambda: b"mind the fan" in b"".join(client.on("system/holds")), what="the hold, there")
    client.publish("effects/wind", {"id": "held", "intensity": 40})
    assert "held by anna" in client.receipt("held")["reason"]
    client.publish("holds/anna", "")
    here.start()
    home.kill("broker")  # its successor begins where it was
    wait_for(lambda: home.pid("broker") != pids["broker"], what="another broker program")
    assert in_use(home, nodes)[0] is there
    client.publish("effects/wind", {"id": "after", "intensity": 40, "duration": 50})
    assert client.receipt("after")["status"] == "done"
    client.publish("devices/light/stop", "")
    client.close()


def test_a_node_that_stands_still_is_left(pair: tuple[Home, list[Mosquitto]]) -> None:
    home, nodes = pair
    here, there = in_use(home, nodes)
    here.send(signal.SIGSTOP)
    try:
        moved(home, there)
    finally:
        here.send(signal.SIGCONT)
    client = Client(there.port)
    client.publish("effects/wind", {"id": "over", "intensity": 40, "duration": 50})
    assert client.receipt("over")["status"] == "done"
    client.close()


def test_the_command_line_goes_where_the_home_is_and_follows_it(pair: tuple[Home, list[Mosquitto]]) -> None:
    home, nodes = pair
    here, there = in_use(home, nodes)
    command = [sys.executable, "-m", "effectd.cli", "--home", str(home.path), "watch", "--json"]
    with (home.path / "watched").open("w+b") as out, subprocess.Popen(command, stdout=out, cwd=home.path) as watching:
        try:

            def ids() -> list[str]:
                text = (home.path / "watched").read_text()
                return [json.loads(line)["topic"] for line in text.splitlines(keepends=True) if line.endswith("\n")]

            wait_for(ids, 40, what="what is retained")
            here.kill()
            moved(home, there)
            here.start()
            sent = home.effectd("send", "wind", "20", "--duration", "50ms", "--id", "seen")
            assert sent.returncode == 0, sent.stdout + sent.stderr
            wait_for(lambda: "receipts/seen" in ids(), 40, what="the receipt watched at the other node")
            assert home.effectd("stop").returncode == 0
        finally:
            os.kill(watching.pid, signal.SIGTERM)


def test_a_driver_that_is_a_client_of_the_homes_broker_goes_with_it() -> None:
    plug = {"kind": "mqtt", "effects": ["wind"], "options": {"topic": "cmnd/plug", "timeout_ms": 1000}}
    with ExitStack() as stack:
        nodes = [stack.enter_context(broker()) for _ in range(2)]
        home = stack.enter_context(Home({"wind": plug}, broker=at_nodes(*nodes)))
        home.start_ready()
        here, there = in_use(home, nodes)
        here.kill()
        moved(home, there)
        client = Client(there.port)
        tries = itertools.count(1)

        def done() -> bool:  # its own connection is looked at once a second, and an effect in between fails
            effect_id = f"plug-{next(tries)}"
            client.publish("effects/wind", {"id": effect_id, "intensity": 40, "duration": 0})
            return bool(client.receipt(effect_id)["status"] == "done")

        wait_for(done, what="the plug at the other node")
        assert client.on("cmnd/plug")
        client.close()
