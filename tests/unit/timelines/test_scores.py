"""Each sample brings exactly its commands; a show goes only where its table leads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc import show as show_module
from dispatcher_proc.score import Score
from dispatcher_proc.show import Show
from effectd.config.reader import Config
from effectd.timeline.reading import read
from tests.unit.test_timeline_documents import FOLDER, document
from tests.unit.timelines.room import Room, built, timeline, wind

# --- golden vectors -----------------------------------------------------------------------------------------------


PLAYED = sorted(
    path for path in FOLDER.rglob("*.*") if path.suffix in (".xml", ".txt", ".sem", ".json", ".track", ".history")
)


def commands(path: Path, config: Config) -> str:
    """What each device gets, and when, from the first to the last."""
    room = Room(config)
    room.conductor.load("film", built(read(document(path)), config))
    room.conductor.play("film")
    room.after(4_000_000)
    lines = []
    for at, device, effect in room.sent:
        fields = (f"{effect.intensity:g} %", f"{effect.duration} ms", effect.fade and f"fade {effect.fade} ms")
        parameters = msgspec.json.encode(effect.parameters).decode() if effect.parameters else ""
        lines.append(" ".join(filter(None, [f"{at:>8} {device:<6}", *fields, parameters])))
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.name)
def test_a_sample_brings_exactly_these_commands_at_these_times(path: Path, config: Config) -> None:
    assert commands(path, config) == path.with_name(path.name + ".commands").read_text()


# --- the table ----------------------------------------------------------------------------------------------------


_ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\|.*\|$", show_module.__doc__ or "", re.MULTILINE)
]
TABLE = {
    (state, row[0]): set(cell.split(" / "))
    for row in _ROWS[2:]
    for state, cell in zip(_ROWS[0][1:], row[1:], strict=True)
}
EVENTS: dict[str, Callable[[Show, float, Score], Any]] = {
    "load": lambda show, _, score: show.load(score),
    "load, wrong": lambda show, _, __: show.load_refused(()),
    "play": lambda show, now, _: show.play(now),
    "pause": lambda show, now, _: show.pause(now),
    "resume": lambda show, now, _: show.resume(now),
    "seek": lambda show, now, _: show.seek(now, 700),
    "stop": lambda show, _, __: show.stop(),
    "time passes": lambda show, now, _: show.turn(now),
}


def ways(history: list[tuple[str, int]], config: Config) -> set[tuple[str, str, str]]:
    show, now, score = Show("film"), 0.0, built(timeline(wind(900, 100)), config)
    gone = set()
    for event, passing in history:
        before = show.status
        now += passing if event == "time passes" else 0
        EVENTS[event](show, now, score)
        assert show.status in TABLE[before, event], f"{before} --{event}--> {show.status}"
        gone.add((before, event, show.status))
    return gone


_histories = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 1500)), max_size=30)


@given(_histories)
def test_a_timeline_goes_only_where_the_table_leads(config: Config, history: list[tuple[str, int]]) -> None:
    ways(history, config)


def test_every_way_of_the_table_is_gone(config: Config) -> None:
    to = {
        "empty": [],
        "loaded": ["load"],
        "playing": ["load", "play"],
        "paused": ["load", "play", "pause"],
        "ended": ["load", "play", "time passes"],
    }
    gone = set()
    for way in to.values():
        for event in EVENTS:
            for passing in (10, 1500):
                gone |= ways([(each, 1500) for each in way] + [(event, passing)], config)
    assert {(state, event, to) for (state, event), found in TABLE.items() for to in found} <= gone
