"""Timelines by MQTT: orders, states, dead letters, and what is taken up after the dispatcher's death."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher_proc.loader import TURN_S
from effectd.testing import DispatcherBench

CONFIG = """
devices:
  fan: {kind: virtual, effects: [wind]}
  lamp: {kind: virtual, effects: [light], zones: [row-a]}
effects: {wind: {labels: {low: 25}}, light: {}}
"""
FILM = {
    "title": "A film",
    "effects": [
        {"effect_type": "wind", "timestamp": 0, "duration": 500},
        {"effect_type": "light", "timestamp": 300, "duration": 9000, "intensity": 40},
        {"effect_type": "wind", "timestamp": 2000, "duration": 500, "intensity": "low"},
    ],
}


class Bench(DispatcherBench):
    def __init__(self, folder: Path, now: float = 1000.0, config: str = CONFIG) -> None:
        super().__init__(folder, config, now)
        self.link.open()
        self.ready()
        self.loop.advance(0)
        self._answered = 0

    def after(self, seconds: float) -> None:
        """Time passes; the drivers acknowledge what they get."""
        for _ in range(round(seconds * 100)):
            self.loop.advance(0.01)
            self.answer()

    def answer(self) -> None:
        new = self.link.published[self._answered :]
        self._answered += len(new)
        for topic, payload, _, _ in new:
            if topic.endswith("/set"):
                self.ack(topic.split("/")[1], json.loads(payload)["id"])

    def sets(self) -> list[tuple[str, str, float, int]]:
        """Device, the end of the id, intensity, duration."""
        found = [(topic, json.loads(payload)) for topic, payload, _, _ in self.link.published if topic.endswith("/set")]
        return [(t.split("/")[1], each["id"].split(".")[-1], each["intensity"], each["duration"]) for t, each in found]

    def state(self, name: str = "film") -> dict[str, Any]:
        return self.on(f"timelines/{name}/state")[-1]

    def die(self) -> None:
        """The process is gone; what it has noted stays."""
        self.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_document_is_loaded_played_and_each_of_its_effects_gets_a_receipt(bench: Bench) -> None:
    bench.message("timelines/film/load", FILM)
    state = bench.state()
    assert {key: state[key] for key in ("status", "position_ms", "duration_ms", "title", "loop", "effects")} == {
        "status": "loaded",
        "position_ms": 0,
        "duration_ms": 9300,
        "title": "A film",
        "loop": False,
        "effects": 3,
    }
    bench.message("timelines/film/play", b"")
    bench.after(10)
    assert bench.sets() == [("fan", "0", 100, 500), ("lamp", "1", 40, 9000), ("fan", "2", 25, 500)]
    receipts = bench.on("receipts/")
    assert [receipt["status"] for receipt in receipts] == ["done"] * 3
    name, run, _ = receipts[0]["id"].split(".")
    assert name == "film"
    assert run.isalnum()
    positions = [state["position_ms"] for state in bench.on("timelines/film/state")]
    assert positions == sorted(positions)
    assert len(positions) == 21  # loaded, play, each half second, ended
    assert bench.state()["status"] == "ended"
    assert all(retain for topic, _, _, retain in bench.link.published if topic.endswith("/state") and "film" in topic)


def test_pause_resume_seek_and_stop_are_obeyed(bench: Bench) -> None:
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", {"from_ms": 1000, "loop": True})
    assert bench.state()["loop"] is True
    bench.after(0.5)
    assert bench.sets() == [("lamp", "1", 40, 8300)]
    bench.message("timelines/film/pause", b"")
    bench.after(5)
    assert (bench.state()["status"], bench.state()["position_ms"]) == ("paused", 1500)
    assert bench.sets()[-1] == ("lamp", "off", 0, 0)
    bench.message("timelines/film/resume", b"{}")
    assert bench.sets()[-1] == ("lamp", "1", 40, 7800)
    bench.message("timelines/film/seek", {"position_ms": 2300})
    bench.answer()
    assert sorted(bench.sets()[-2:]) == [("fan", "2", 25, 200), ("lamp", "1", 40, 7000)]
    bench.message("timelines/film/stop", b"")
    assert (bench.state()["status"], bench.state()["position_ms"]) == ("loaded", 0)
    assert sorted(bench.sets()[-2:]) == [("fan", "off", 0, 0), ("lamp", "off", 0, 0)]


@pytest.mark.parametrize(("word", "length"), [("pause", 5000), ("stop", 5000), ("stop", 200)])
def test_an_effect_that_waits_for_its_driver_beyond_its_time_is_ended_by_a_pause_or_stop(
    bench: Bench, word: str, length: int
) -> None:
    """It is 60 ms long and may begin 500 ms late, as its driver is being restarted; the timeline may have ended."""
    short = {"effects": [{"effect_type": "wind", "timestamp": 0, "duration": 60}], "duration": length}
    bench.message("timelines/film/load", short)
    bench.gate("fan", None)
    bench.message("timelines/film/play", b"")
    bench.after(0.3)
    assert bench.sets() == []
    bench.message(f"timelines/film/{word}", b"")
    bench.ready("fan")
    bench.loop.advance(0)
    assert bench.sets()[1:] == [("fan", "off", 0, 0)]  # the driver gets both at once, and takes the newer one


def test_stop_all_and_a_stop_of_all_timelines_stop_each(bench: Bench) -> None:
    for topic in ("stop-all", "timelines/stop"):
        for name in ("film", "cue"):
            bench.message(f"timelines/{name}/load", FILM)
            bench.message(f"timelines/{name}/play", b"")
        bench.after(0.2)
        bench.message(topic, b"")
        assert {bench.state(name)["status"] for name in ("film", "cue")} == {"loaded"}
        count = len(bench.sets())
        bench.after(3)
        assert all(each[1] == "off" for each in bench.sets()[count:])


def test_a_stop_of_everything_that_came_while_the_dispatcher_was_dead_stops_it_too(bench: Bench) -> None:
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", b"")
    bench.message("devices/lamp/fence", b"3fe")  # a stop of one device
    assert bench.state()["status"] == "playing"
    bench.message("devices/fan/fence", b"all-3ff")
    assert bench.state()["status"] == "loaded"


def test_a_hold_of_all_pauses_and_nothing_plays_while_it_stands(bench: Bench) -> None:
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", b"")
    bench.after(0.4)
    bench.message("holds/door", {"reason": "open", "target": ["fan"]})
    assert bench.state()["status"] == "playing"
    bench.message("holds/door", b"open")
    assert bench.state()["status"] == "paused"
    bench.message("timelines/film/resume", b"")
    assert bench.state()["status"] == "paused"
    assert "everything is held" in bench.letters()[-1][2]
    bench.message("holds/door", b"")
    bench.message("timelines/film/resume", b"")
    bench.after(0.1)
    assert bench.state()["status"] == "playing"
    assert bench.sets()[-1][:3] == ("lamp", "1", 40)


def test_a_play_that_follows_its_load_at_once_waits_for_it_and_a_stop_takes_it_back(bench: Bench) -> None:
    large = {"effects": [{"effect_type": "wind", "timestamp": n} for n in range(5000)]}
    bench.arrives("timelines/film/load", large)
    bench.arrives("timelines/film/play", b"")
    bench.loop.advance(0)
    assert bench.state()["status"] == "playing"
    bench.arrives("timelines/cue/load", large)
    bench.arrives("timelines/cue/play", b"")
    bench.arrives("timelines/stop", b"")
    bench.loop.advance(0)
    assert bench.state("cue")["status"] == "loaded"


def test_a_refused_document_changes_nothing_and_says_where_it_is_wrong(bench: Bench) -> None:
    bench.message("timelines/film/load", b'{"effects": [\n {"effect_type": "wind", "intensty": 1}]}')
    state = bench.state()
    assert state["status"] == "refused"
    assert (state["problems"][0]["line"], state["problems"][0]["column"]) == (2, 2)
    assert set(state["problems"][0]) == {"line", "column", "element", "problem", "assumed"}
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", b"")
    bench.message("timelines/film/load", b"<SEM>")
    state = bench.state()
    assert (state["status"], state["title"]) == ("playing", "A film")
    assert "no XML" in state["problems"][0]["problem"]
    bench.message("timelines/film/load", FILM | {"title": "Another"})
    assert (bench.state()["title"], bench.state()["next"]["title"]) == ("A film", "Another")


def test_a_type_that_no_device_takes_is_a_problem_told_once(bench: Bench) -> None:
    bench.message("timelines/film/load", {"effects": [{"effect_type": "fog"}] * 500})
    (problem,) = bench.state()["problems"]
    assert problem["problem"] == "no device of this home does fog: 500 effects"
    bench.message("timelines/film/load", {"effects": [{"effect_type": "wind", "duration": 100_000}] * 2})
    (problem,) = bench.state()["problems"]
    assert problem["assumed"] == "60000 ms"


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "said"),
    [
        ("timelines/film/load", FILM, True, "retained"),
        ("timelines/film/play", b"", True, "retained"),
        ("timelines/Film/load", FILM, False, "topic: a timeline's name"),
        ("timelines/other/play", b"", False, "there is no timeline other; loaded are film"),
        ("timelines/film/play", b'{"from": 3}', False, "unknown field `from`"),
        ("timelines/film/play", b'{"from_ms": -3}', False, "from_ms"),
        ("timelines/film/seek", b"", False, "position_ms"),
        ("timelines/film/seek", b"\xff", False, "it is an object with position_ms"),
    ],
)
def test_an_order_that_cannot_be_obeyed_is_a_dead_letter(
    bench: Bench, topic: str, payload: Any, retained: bool, said: str
) -> None:
    bench.message("timelines/film/load", FILM)
    bench.message(topic, payload, retained=retained)
    ((word, _, detail),) = bench.letters()
    assert word == "refused"
    assert said in detail
    assert bench.state()["status"] == "loaded"


def test_a_live_effect_waits_less_than_ten_ms_while_a_large_document_is_read(bench: Bench) -> None:
    """A turn of the loop is two ms of slices and the rest of the last one; then whatever came is looked at."""
    effect = '{"effect_type": "wind", "timestamp": N, "duration": 10, "location": "left", "parameters": {"a": [1, 2]}}'
    data = ('{"effects": [' + ",".join(effect.replace("N", str(n)) for n in range(36_000)) + "]}").encode()
    bench.arrives("timelines/film/load", data)
    loader = bench.dispatcher._timelines._loader
    slices = []
    while loader._jobs:
        began = time.thread_time()
        loader._step()
        slices.append(time.thread_time() - began)
    assert bench.state()["effects"] == 36_000
    assert sorted(slices)[len(slices) * 98 // 100] + TURN_S < 0.010
