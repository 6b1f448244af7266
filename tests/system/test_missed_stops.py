"""A stop that comes while a device is cut off from the broker: it is off when it is back, whoever died meanwhile.

Here and on another machine; the device's connection is taken from it, and it stands still until the stop is over.
"""

import itertools
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from effectd.config import reader
from tests.system.home import Client, Home, alive, wait_for
from tests.system.test_external import broker, on

HERE: dict[str, Any] = dict.fromkeys(("light", "vibration", "scent")) | {"fan": {"kind": "remote", "effects": ["wind"]}}
THERE: dict[str, Any] = dict.fromkeys(("light", "wind", "vibration", "scent")) | {
    "fan": {"kind": "virtual", "effects": ["wind"]}
}
LEVELS = itertools.count(30)  # each test its own, so that the logs tell


class Room(NamedTuple):
    here: Home
    there: Home
    port: int
    client: Client

    def home_of(self, device: str) -> Home:
        return self.there if device == "fan" else self.here

    def send(self, name: str, device: str, **fields: Any) -> None:
        self.client.publish("effects/wind", {"id": name, "target": device, "ttl_ms": 30_000, **fields})

    def online(self, device: str) -> bool:
        return self.client.on(f"devices/{device}/availability")[-1:] == [b"online"]

    def stops_heard(self) -> int:
        return self.here.log("dispatcher").count("stop of everything")


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    with ExitStack() as stack:
        other = stack.enter_context(broker())
        here = stack.enter_context(Home(HERE, broker=on(other.port)))
        there = stack.enter_context(Home(THERE, broker=on(other.port), dispatcher=False))
        here.start()
        there.start()
        here.wait_ready()
        there.wait_ready()
        client = Client(other.port)
        stack.callback(client.close)
        yield Room(here, there, other.port, client)


@pytest.mark.parametrize("killed", [False, True], ids=["", "the dispatcher dies"])
@pytest.mark.parametrize("device", ["wind", "fan"])
def test_a_stop_that_a_device_cut_off_could_not_hear_is_said_to_it_when_it_is_back(
    room: Room, device: str, killed: bool
) -> None:
    here, home, client = room.here, room.home_of(device), room.client
    name = f"{device}{'-killed' if killed else ''}"
    on_level, before_level, after_level = (next(LEVELS) for _ in range(3))
    wait_for(lambda: room.online(device), what="online")
    here.wait_ready()
    room.send(f"on-{name}", device, intensity=on_level, duration=0)
    assert client.receipt(f"on-{name}")["status"] == "done"
    wait_for(lambda: client.state(device)["on"], what="on")
    stops = room.stops_heard()
    home.kill(device, signal.SIGSTOP)
    thief = Client(room.port, "nothing", client_id=reader.load(home.path).client_id(device))
    wait_for(lambda: not room.online(device), what="its last will")
    room.send(f"before-{name}", device, intensity=before_level, duration=50)
    client.publish("stop-all", "")
    wait_for(lambda: room.stops_heard() > stops, what="the stop heard by the dispatcher")
    if killed:
        dispatcher = here.kill("dispatcher")
        wait_for(lambda: not alive(dispatcher), what="its end")
    else:  # what comes behind the stop
        room.send(f"after-{name}", device, intensity=after_level, duration=50)
    thief.close()
    home.kill(device, signal.SIGCONT)
    assert client.receipt(f"before-{name}", 40)["status"] == "stopped"
    wait_for(lambda: not client.state(device)["on"], 20, "off")
    if not killed:
        assert client.receipt(f"after-{name}", 40)["status"] == "done"
    log = home.log(device)
    on, *after = log.partition(f"wind {on_level} %")[2].partition(f"wind {after_level} %")
    assert "off" in on, "before anything that came behind the stop"
    assert after[0] or killed
    assert f"wind {before_level} %" not in log
    assert log.count(f"wind {on_level} %") == 1
    room.send(f"then-{name}", device, intensity=1, duration=50)
    assert client.receipt(f"then-{name}", 40)["status"] == "done"
