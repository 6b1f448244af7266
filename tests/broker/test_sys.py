"""`$SYS`: figures by mosquitto's names, told to who asks, and to nobody by a wildcard."""

import time
from pathlib import Path

import pytest

from .conftest import _run
from .wire import PUBLISH, connected, publish, retained, subscribe


def test_the_figures_bear_the_names_that_mosquitto_gives_them(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        mine = retained(ours.port, "$SYS/#")
        for mosquitto in _run("mosquitto", tmp_path):
            theirs = retained(mosquitto.port, "$SYS/#")
        assert {name for name in mine if "/limits/" not in name} <= set(theirs)


def test_the_figures_count_what_has_happened(tmp_path: Path) -> None:
    for ours in _run("ours", tmp_path):
        with connected(ours.port) as sender, connected(ours.port) as receiver:
            before = retained(ours.port, "$SYS/#")
            receiver.subscribe("a")
            for _ in range(10):
                sender.send(publish("a", "12345", 0))
            for _ in range(10):
                receiver.message()
            after = retained(ours.port, "$SYS/#")

        def grown(name: str) -> int:
            return int(after[f"$SYS/broker/{name}"]) - int(before[f"$SYS/broker/{name}"])  # noqa: B023

        assert grown("publish/messages/received") == 10
        assert grown("publish/bytes/received") == 50
        assert grown("subscriptions/count") == 1
        assert grown("publish/messages/sent") >= 10
        assert grown("bytes/received") > 90
        assert after["$SYS/broker/clients/connected"] == "3"


@pytest.mark.parametrize("interval", [0.2, 0])
def test_the_figures_come_again_at_their_interval_and_not_at_all_where_it_is_0(tmp_path: Path, interval: float) -> None:
    for ours in _run("ours", tmp_path, f"--sys-interval={interval}"):
        with connected(ours.port) as everything, connected(ours.port) as reader:
            everything.subscribe("#")
            everything.subscribe("+/broker/uptime")
            reader.send(subscribe(("$SYS/broker/bytes/received", 0)))
            start, heard = time.monotonic(), 0
            while time.monotonic() - start < 1.2:
                everything.ping()
                try:
                    found = reader.receive(0.2)
                except TimeoutError:
                    continue
                assert found is not None
                heard += found.kind == PUBLISH
            assert heard >= 4 if interval else heard == 0
