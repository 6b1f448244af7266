"""A timeline that follows a film's clock, Art-Net timecode or mpv: how far from the film's time its effects are felt.

.venv/bin/python -m benchmarks.timeline_clock [--seconds 60] [--json FILE]

Both sources are real programs: a sender of 25 frames a second in a process of its own, and mpv with a film of 25 frames
a second. Where the film was is known by the sender's clock, and by when mpv told its frames: the promptest count.
"""

import argparse
import json
import multiprocessing
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.latency import Witnessed, find_witness
from tests.system.home import Home, answers, free_port, wait_for
from tests.unit.test_clocks import packet

FPS = 25
FRAME_MS = 1000 / FPS
EVERY_MS = 97  # between two effects: they fall anywhere within a frame
FIRST_MS = 1000


def timecode(port: int, begun: Any, seconds: float) -> None:
    """Frame after frame; when the first one was due goes into `begun` (s of the monotonic clock)."""
    begin = time.monotonic()
    begun.put(begin)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for frame in range(round(seconds * FPS)):
            time.sleep(max(0.0, begin + frame / FPS - time.monotonic()))
            minutes, rest = divmod(frame, 60 * FPS)
            sock.sendto(packet(0, minutes, *divmod(rest, FPS), 1), ("127.0.0.1", port))


class Frames:
    """When mpv told each of its frames (s of the monotonic clock, s of the film)."""

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[float, float]] = []
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(str(path))
        self._sock.sendall(b'{"command": ["observe_property", 1, "time-pos"]}\n')
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        with self._sock.makefile("rb") as lines:
            for line in lines:
                now, event = time.monotonic(), json.loads(line)
                if event.get("event") == "property-change" and isinstance(event.get("data"), int | float):
                    self.told.append((now, event["data"]))

    @property
    def begin(self) -> float:
        """When the film was at 0: what took longest to be told says nothing."""
        since = sorted(at - position for at, position in self.told if position > 0.5)
        return since[len(since) // 100]


@contextmanager
def mpv(path: Path, seconds: float) -> Iterator[Frames]:
    film = f"av://lavfi:testsrc=duration={seconds}:rate={FPS}:size=64x64"
    options = ["--no-config", "--really-quiet", "--vo=null", "--ao=null", f"--input-ipc-server={path}"]
    player = subprocess.Popen(["mpv", *options, film], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(path), what="mpv")
        yield Frames(path)
        player.wait(seconds + 30)
    finally:
        player.kill()
        player.wait()


def measure(kind: str, seconds: float) -> dict[str, Any]:
    """ms from the moment when the film was at an effect's time to its actuation."""
    times = range(FIRST_MS, round(seconds * 1000) - FIRST_MS, EVERY_MS)
    effects = [{"effect_type": "wind", "timestamp": at, "duration": 40, "intensity": 50} for at in times]
    with Home() as home:
        port, player = free_port(), home.path / "mpv.sock"
        clocks = {
            "artnet": {"kind": "artnet", "timeline": "film", "host": "127.0.0.1", "port": port},
            "mpv": {"kind": "mpv", "timeline": "film", "socket": str(player)},
        }
        home.config["timelines"] = {"clock": clocks[kind]}
        limits, path = {"max_rate_hz": 1000}, str(home.path / "witness")
        wind = {"kind": "benchmarks.witness", "effects": ["wind"], "limits": limits, "options": {"path": path}}
        home.config["devices"]["wind"] = wind
        home.write()
        (home.path / "timelines").mkdir()
        (home.path / "timelines" / "film.json").write_text(json.dumps({"effects": effects}))
        witness = Witnessed(Path(path))
        home.start_ready()
        client = home.client("timelines/film/state")
        wait_for(lambda: client.json("timelines/film/state")[-1]["status"] == "loaded", what="loaded")
        if kind == "artnet":
            spawn = multiprocessing.get_context("spawn")
            begun = spawn.Queue()
            sender = spawn.Process(target=timecode, args=(port, begun, seconds))
            sender.start()
            begin = begun.get()
            sender.join()
        else:
            with mpv(player, seconds) as frames:
                pass
            begin = frames.begin
    felt: dict[int, float] = {}
    for effect_id, at in witness.at.items():
        number = int(effect_id.split(".")[2].split("-")[0]) if effect_id.startswith("film.") else -1
        if number >= 0:
            felt.setdefault(number, at / 1e6 - begin * 1000 - times[number])
    runs = {effect_id.split(".")[1] for effect_id in witness.at if effect_id.startswith("film.")}
    late = list(felt.values())
    return figures.spread(late) | {
        "of": len(times),
        "frames, p99": round(figures.percentile([abs(each) for each in late], 0.99) / FRAME_MS, 2),
        "jumps": len(runs) - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json")
    asked = parser.parse_args()
    find_witness()
    named = {"artnet": f"Art-Net timecode, {FPS} frames/s", "mpv": f"mpv, {FPS} frames/s"}
    rows = {name: measure(kind, asked.seconds) for kind, name in named.items()}
    print(figures.machine())
    figures.show("Felt after the film's time (ms; aim: p99 of one frame)", rows)
    figures.save(asked.json, {"timeline_clock": rows})


if __name__ == "__main__":
    main()
