"""Who crashes again and again is braked; who worked is not."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from effectd.program.crashes import WORKED_S, Crashes
from effectd.program.process import Process


@pytest.fixture
def run() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_the_first_five_crashes_cost_nothing_then_it_doubles_up_to_30_s(run: Path) -> None:
    waits = [Crashes(run, "x").begin() for _ in range(14)]
    assert waits == [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_run_that_worked_is_no_crash_however_it_ends(run: Path) -> None:
    for _ in range(20):
        crashes = Crashes(run, "x")
        assert crashes.begin() == 0
        crashes.worked()


def test_a_kill_of_something_that_worked_never_waits_though_it_had_crashed_before(run: Path) -> None:
    for _ in range(9):
        Crashes(run, "x").begin()
    crashes = Crashes(run, "x")
    assert crashes.begin() > 0
    crashes.worked()
    assert Crashes(run, "x").begin() == 0


def test_crashes_of_more_than_a_minute_ago_do_not_count(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for _ in range(8):
        Crashes(run, "x").begin()
    now[0] += 61
    assert Crashes(run, "x").begin() == 0


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"crashes": 1, "running": 2}', b"\xff"])
def test_a_file_of_junk_is_a_first_run(run: Path, junk: bytes) -> None:
    (run / "x.starts").write_bytes(junk)
    assert Crashes(run, "x").begin() == 0


def test_a_folder_that_cannot_be_written_stops_nothing(run: Path) -> None:
    assert Crashes(run / "gone", "x").begin() == 0


def test_a_wall_clock_that_is_set_back_makes_no_crash_of_a_program_that_has_worked(home, monkeypatch):
    (home / "config.yaml").write_text("")
    process = Process("fan", home)
    process.gate.open(wait=False)
    process.crashes.begin()
    process.gate.say("ready")
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 3600)
    process.gate.changed -= WORKED_S  # ready for two seconds, by the clock that nobody sets
    process._look()
    assert json.loads((home / "run" / "fan.starts").read_text())["running"] is False
    process.gate.close(release=True)


def test_a_death_together_with_supervisord_is_no_crash(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for parent in range(100, 120):  # each is another supervisord
        monkeypatch.setattr(os, "getppid", lambda parent=parent: parent)
        assert Crashes(run, "x").begin() == 0
