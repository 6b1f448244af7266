"""A timeline follows Art-Net timecode by real UDP, and a player that speaks mpv's protocol on its socket."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.home import Client, Home, free_port, wait_for
from tests.unit.test_clocks import packet
from tests.unit.test_timelines import wind

FILM = {"effects": [wind(0, 5000, 40), wind(5000, 5000, 80)]}


def status(client: Client) -> str:
    states = client.json("timelines/film/state")
    return states[-1]["status"] if states else ""


class Source:
    """Sends where it is 25 times a second, until told otherwise."""

    def __init__(self, port: int) -> None:
        self.frame, self.speed = 0, 1
        self._to = ("127.0.0.1", port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self._over.wait(0.04):
                self.frame += self.speed
                seconds, frames = divmod(self.frame, 25)
                sock.sendto(packet(1, 0, seconds, frames, 1), self._to)

    def __enter__(self) -> "Source":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_a_timeline_follows_art_net_timecode_stands_with_it_jumps_with_it_and_survives_its_end() -> None:
    port = free_port()
    clock = {"kind": "artnet", "timeline": "film", "host": "127.0.0.1", "port": port, "offset": "01:00:00:00"}
    with Home(timelines={"clock": clock}) as home:
        (home.path / "timelines").mkdir()
        (home.path / "timelines" / "film.json").write_text(json.dumps(FILM))
        home.start()
        home.wait_ready()
        client = home.client()
        with Source(port) as source:
            wait_for(lambda: client.state("wind")["intensity"] == 40, what="it plays")
            source.speed = 0
            wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="it stands")
            source.frame, source.speed = 150, 1
            wait_for(lambda: client.state("wind")["intensity"] == 80, what="it goes on, further on")
        wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="the source is gone")


@contextmanager
def player(path: str) -> Iterator[dict[str, float | bool]]:
    """What mpv says of a film on its JSON socket; the test moves it."""
    film: dict[str, float | bool] = {"time-pos": 1.0, "pause": False}
    over = threading.Event()

    def run() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            server.settimeout(0.1)
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    asked = connection.makefile()
                    names = [json.loads(asked.readline())["command"][2] for _ in range(2)]
                    assert names == ["time-pos", "pause"]
                    said: dict[str, float | bool] = {}
                    while not over.wait(0.04):
                        film["time-pos"] += 0.0 if film["pause"] else 0.04
                        for name in names:
                            if said.get(name) != film[name]:
                                said[name] = film[name]
                                event = {"event": "property-change", "id": 1, "name": name, "data": film[name]}
                                connection.sendall(json.dumps(event).encode() + b"\n")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield film
    finally:
        over.set()
        thread.join()


def test_a_timeline_follows_a_film_that_plays_pauses_seeks_and_ends() -> None:
    with Home() as home:
        path = str(home.path / "mpv.sock")
        home.config["timelines"] = {"clock": {"kind": "mpv", "timeline": "film", "socket": path}}
        home.write()
        (home.path / "timelines").mkdir()
        (home.path / "timelines" / "film.json").write_text(json.dumps(FILM))
        home.start()
        home.wait_ready()
        client = home.client()
        with player(path) as film:
            wait_for(lambda: client.state("wind")["intensity"] == 40, what="it plays")
            film["pause"] = True
            began = time.monotonic()
            wait_for(lambda: not client.state("wind")["on"], what="paused with it")
            assert time.monotonic() - began < 2
            film["time-pos"], film["pause"] = 6.0, False
            wait_for(lambda: client.state("wind")["intensity"] == 80, what="it goes on, further on")
        wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="the film is closed")
