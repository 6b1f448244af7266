"""What survives the dispatcher of its timelines: positions, documents, files of the home; and what must not."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from effectd.testing import DispatcherBench
from tests.unit.test_dispatcher_timelines import CONFIG, FILM, Bench


class Early(Bench):
    """Connected, and nothing is loaded yet."""

    def ready(self, *devices: str, run: str = "g1", broker: str = "b1") -> None:
        """Time stands still."""

    def __init__(self, folder: Path, now: float) -> None:
        DispatcherBench.__init__(self, folder, CONFIG, now)
        self.link.open()
        self._answered = 0


def test_files_of_the_home_are_there_by_their_names_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "timelines").mkdir()
    (tmp_path / "timelines" / "storm.json").write_text(json.dumps(FILM))
    (tmp_path / "timelines" / "wind.txt").write_text("00:00:01,HIGH\n00:00:03,OFF\n")
    (tmp_path / "timelines" / "broken.xml").write_text("<SEM>")
    (tmp_path / "timelines" / "no name!.json").write_text(json.dumps(FILM))
    bench = Bench(tmp_path)
    assert [bench.state(name)["status"] for name in ("storm", "wind", "broken")] == ["loaded", "loaded", "refused"]
    bench.message("timelines/wind/play", b"")
    bench.after(4)
    assert bench.sets() == [("fan", "0", 100, 0), ("fan", "1", 0, 0)]
    bench.close()


def test_after_a_death_it_goes_on_where_it_would_be_and_nothing_fires_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", b"")
    bench.message("timelines/quiet/load", FILM)
    bench.message("timelines/quiet/play", b"")
    bench.message("timelines/quiet/pause", b"")
    bench.after(1)
    assert bench.sets().count(("lamp", "1", 40, 9000)) == 1
    run = next(state for state in bench.on("receipts/") if state["id"].startswith("film"))["id"].split(".")[1]
    at = bench.loop.now
    bench.die()
    again = Bench(tmp_path, at + 1.2)
    assert (again.state()["status"], again.state("quiet")["status"]) == ("playing", "paused")
    assert 2190 <= again.state()["position_ms"] <= 2210
    assert again.sets() == [("fan", "2", 25, 300)]  # missed while it was dead; the lamp's was fired, and is on
    assert [receipt["id"].split(".")[1] for receipt in again.on("receipts/") if receipt["id"].endswith(".2")] in (
        [],
        [run],
    )
    again.after(8)
    assert again.state()["status"] == "ended"
    assert len(again.sets()) == 1
    again.message("timelines/film/play", b"")
    again.after(0.1)
    assert {each["id"].split(".")[1] for each in again.on("receipts/")} - {run} != set()
    again.close()


@pytest.mark.parametrize("topic", ["stop-all", "timelines/stop", "timelines/film/stop", "devices/fan/fence"])
def test_a_stop_that_comes_while_it_is_loaded_again_after_a_death_is_obeyed_also_after_another_death(
    tmp_path: Path, topic: str
) -> None:
    long = {"effects": [{"effect_type": "wind", "timestamp": n * 20, "duration": 10} for n in range(3000)]}
    bench = Bench(tmp_path)
    bench.message("timelines/film/load", long)
    bench.message("timelines/film/play", b"")
    bench.after(0.2)
    bench.die()
    early = Early(tmp_path, bench.loop.now + 0.1)
    early.arrives(topic, b"all-3ff")
    early.die()  # before it was loaded
    again = Bench(tmp_path, bench.loop.now + 0.2)
    again.after(1)
    assert again.state()["status"] == "loaded"
    assert again.sets() == []
    assert again.letters() == []
    again.message("timelines/film/play", b"")
    again.after(0.1)
    assert again.state()["status"] == "playing"
    again.close()


def test_what_cannot_be_read_again_after_a_death_does_not_go_on_when_somebody_brings_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.message("timelines/film/load", FILM)
    bench.message("timelines/film/play", b"")
    bench.after(0.1)
    bench.die()
    damaged(tmp_path / "run" / "timelines" / "film.timeline")
    again = Bench(tmp_path, bench.loop.now + 0.2)
    assert again.state()["status"] == "refused"
    again.message("timelines/film/load", FILM)
    again.after(1)
    assert again.state()["status"] == "loaded"
    assert again.sets() == []
    again.close()


def removed(path: Path) -> None:
    path.unlink()


def damaged(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"?" * len(data))


def replaced(path: Path) -> None:
    path.with_name("other").write_bytes(b"another")
    path.with_name("other").replace(path)


@pytest.mark.parametrize("harm", [removed, damaged, replaced])
def test_a_kept_document_that_somebody_harms_is_written_anew_and_survives_a_death(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    for _ in range(2):  # what was loaded here, and what an earlier run has kept
        bench = Bench(tmp_path)
        if not bench.on("timelines/film/state"):
            bench.message("timelines/film/load", FILM)
        harm(tmp_path / "run" / "timelines" / "film.timeline")
        bench.after(1)
        assert bench.state()["status"] == "loaded"
        bench.die()
    bench = Bench(tmp_path)
    assert (bench.state()["title"], bench.state()["effects"]) == ("A film", 3)
    bench.close()


def test_a_file_that_was_changed_since_a_load_wins_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "timelines").mkdir()
    path = tmp_path / "timelines" / "film.json"
    path.write_text(json.dumps(FILM))
    bench = Bench(tmp_path)
    bench.message("timelines/film/load", FILM | {"title": "By MQTT"})
    bench.die()
    bench = Bench(tmp_path)
    assert bench.state()["title"] == "By MQTT"
    bench.die()
    path.write_text(json.dumps(FILM | {"title": "Edited"}))
    os.utime(path, (time.time() + 5, time.time() + 5))
    bench = Bench(tmp_path)
    assert bench.state()["title"] == "Edited"
    bench.close()
