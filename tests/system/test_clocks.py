"""A timeline follows Art-Net timecode by real UDP, and a film in mpv."""

import json
import socket
import subprocess
import threading
import wave
from pathlib import Path

from tests.needs import need
from tests.system.home import Client, Home, free_port, wait_for
from tests.unit.test_clocks import packet
from tests.unit.timelines.room import wind

FILM = {"effects": [wind(0, 12_000, 40), wind(12_000, 40_000, 80)]}


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
            source.frame, source.speed = 400, 1
            wait_for(lambda: client.state("wind")["intensity"] == 80, what="it goes on, further on")
        wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="the source is gone")


def test_a_timeline_follows_a_film_in_mpv_that_plays_pauses_seeks_and_ends(tmp_path: Path) -> None:
    need("mpv", "mpv")
    with wave.open(str(tmp_path / "film.wav"), "wb") as film:
        film.setnchannels(1)
        film.setsampwidth(2)
        film.setframerate(8000)
        film.writeframes(b"\0" * 16_000 * 30)
    with Home() as home:
        path = str(home.path / "mpv.sock")
        home.config["timelines"] = {"clock": {"kind": "mpv", "timeline": "film", "socket": path}}
        home.write()
        (home.path / "timelines").mkdir()
        (home.path / "timelines" / "film.json").write_text(json.dumps(FILM))
        home.start()
        home.wait_ready()
        client = home.client()
        player = subprocess.Popen(
            ["mpv", "--no-config", "--vo=null", "--ao=null", f"--input-ipc-server={path}", str(tmp_path / "film.wav")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: client.state("wind")["intensity"] == 40, what="it plays")
            order(path, "set_property", "pause", True)
            wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="paused with it")
            order(path, "seek", 16, "absolute")
            order(path, "set_property", "pause", False)
            wait_for(lambda: client.state("wind")["intensity"] == 80, what="it goes on, further on")
        finally:
            player.terminate()
            player.wait(10)
        wait_for(lambda: status(client) == "paused" and not client.state("wind")["on"], what="mpv is gone")


def order(path: str, *command: object) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.sendall(json.dumps({"command": command}).encode() + b"\n")
        sock.recv(4096)
