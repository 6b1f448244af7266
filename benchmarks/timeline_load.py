"""A document of 40,000 effects, or of 4 MiB, is loaded beside live effects: how long it takes, and what they wait.

.venv/bin/python -m benchmarks.timeline_load [--rounds 5]
"""

import argparse
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import bulk, figures
from effectd.program.stream import no_delay
from tests.system.home import Home, wait_for

EFFECTS = 40_000
BYTES = 4 << 20
WAY = 10  # live effects, by which the document has come
SEM = (
    '<SEM xmlns="urn:mpeg:mpeg-v:2010:01-SEDL-NS" xmlns:sev="urn:mpeg:mpeg-v:2010:01-SEV-NS"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:si="urn:mpeg:mpeg21:2003:01-DIA-XSI-NS"'
    ' si:timeScale="1000">'
)


def our_json(number: int) -> str:
    return f'{{"effect_type": "wind", "timestamp": {number * 50}, "duration": 40, "intensity": 55.5}}'


def mpeg_v(number: int) -> str:
    times = f'si:pts="{number * 50}" duration="60" intensity-value="{number % 100}" intensity-range="0 100"'
    return f'<Effect xsi:type="sev:WindType" activate="true" {times}/>'


def whole(before: str, one: Callable[[int], str], between: str, after: str) -> tuple[bytes, int]:
    """The document, and how many effects it has: as many as may be."""
    parts, size = [], len(before) + len(after)
    while len(parts) < EFFECTS and size + 200 < BYTES:
        parts.append(one(len(parts)))
        size += len(parts[-1]) + len(between)
    return (before + between.join(parts) + after).encode(), len(parts)


class Live:
    """Live effects, one after another, and how long the dispatcher takes from each to its `set` (ms)."""

    def __init__(self, port: int) -> None:
        self._number = 0
        self._heard = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("devices/vibration/set", 1)
        self._client.on_subscribe = self._client.on_message = lambda *_: self._heard.set()
        self._client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._heard.wait(10)

    def one(self) -> float:
        self._number += 1
        self._heard.clear()
        began = time.perf_counter()
        self._client.publish("effects/vibration", f'{{"id": "live{self._number}", "duration": 1, "intensity": 1}}', 1)
        assert self._heard.wait(10), "no set"
        took = (time.perf_counter() - began) * 1000
        time.sleep(0.002)  # not a stream: each is to find the dispatcher as it is then
        return took

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def measure(home: Home, kind: str, document: bytes, effects: int, rounds: int) -> dict[str, dict[str, Any]]:
    client = home.client("timelines/+/state")
    dispatcher = psutil.Process(home.pid("dispatcher"))
    live = Live(home.port)
    path = home.path / "document"
    path.write_bytes(document)
    took, cpu, loading = list[float](), list[float](), list[float]()
    slowest, passing = list[float](), list[float]()  # of the first of each round
    with bulk.publisher(home.port) as publisher:
        idle = [live.one() for _ in range(200)]
        before = dispatcher.memory_info().rss
        for each in range(rounds):
            topic = f"timelines/{kind}{each}"
            began, used = time.perf_counter(), dispatcher.cpu_times()
            publisher.send(f"{topic}/load", path)
            one = len(loading)
            while not any(state["effects"] == effects for state in client.json(f"{topic}/state")):
                loading.append(live.one())
            slowest.append(max(loading[one : one + WAY]))
            took.append((time.perf_counter() - began) * 1000)
            cpu.append((dispatcher.cpu_times().user - used.user) * 1000)
        grown = (dispatcher.memory_info().rss - before) / rounds / (1 << 20)
        for each in range(rounds):
            publisher.send(f"timelines/{kind}{each}/stop", path)  # the same bytes, of which nothing has to be read
            passing.append(max(live.one() for _ in range(WAY)))
    wait_for(lambda: client.json("timelines/" + kind + "0/state")[-1]["status"] == "loaded")
    live.close()
    client.close()
    name = f"{kind}, {effects} effects, {len(document) / (1 << 20):.1f} MiB"
    return {
        f"{name}: until it is loaded": figures.spread(took),
        f"{name}: processor time of the dispatcher, live effects included": figures.spread(cpu),
        f"{name}: a live effect meanwhile, to its `set`": figures.spread(loading),
        f"{name}: the slowest of the first {WAY} of each load": figures.spread(slowest),
        f"{name}: the slowest of {WAY} while as many bytes pass that nobody reads": figures.spread(passing),
        f"{name}: a live effect before, to its `set`": figures.spread(idle),
        f"{name}: MiB more in the dispatcher": {"median": round(grown, 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    documents = {
        "json": whole('{"effects": [', our_json, ",\n", "]}"),
        "sem": whole(SEM, mpeg_v, "\n", "</SEM>"),
    }
    devices = {
        "wind": {"kind": "virtual", "effects": ["wind"]},
        "vibration": {"kind": "virtual", "effects": ["vibration"], "limits": {"max_rate_hz": 1000}},
    }
    rows: dict[str, dict[str, Any]] = {}
    for kind, (document, effects) in documents.items():
        with Home(devices) as home:  # each kind in a fresh dispatcher, for the memory
            home.start_ready()
            rows |= measure(home, kind, document, effects, asked.rounds)
    print(figures.machine())
    figures.show("Loading a timeline (ms, and MiB)", rows)


if __name__ == "__main__":
    main()
