"""The plan carried out: in which order supervisord is asked for what, and what is said of it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from effectd.base.errors import BrokerLost
from effectd.cli import in_force, places
from effectd.cli.places import Was
from effectd.config import part, reader
from effectd.readiness import glance
from effectd.supervision.plan import Left, Sections

FILE = """\
buses:
  stage: {kind: virtual}
devices:
  fan: {kind: virtual, effects: [wind]}
  mist: {kind: virtual, effects: [wind]}
  lamp: {bus: stage, effects: [wind]}
effects: {wind: {}}
"""
ALL = ("broker", "dispatcher", "fan", "mist", "stage", "old")


class Supervisord:
    """Remembers what it is asked for. `stopped`: those that do not run."""

    def __init__(self, sections: Sections | None = None, known: Collection[str] = ALL, stopped: str = "") -> None:
        self._sections, self._known, self._stopped = sections or Sections(), known, stopped
        self.asked: list[Any] = []

    def sections(self) -> Sections:
        return self._sections

    def programs(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"group": name, "statename": "STOPPED" if name == self._stopped else "RUNNING"}
            for name in self._known
        }

    def __getattr__(self, order: str) -> Any:
        return lambda *arguments: self.asked.append((order, *(a if isinstance(a, str) else list(a) for a in arguments)))


@pytest.fixture
def room(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which every program works by the file as it is; what is cleared is only told."""
    (home / "config.yaml").write_text(FILE)
    tree = reader.load(home)
    running = {name: part.of(tree, name) for name in tree.programs}
    running["old"] = running["fan"]
    monkeypatch.setattr(glance, "part", lambda _run, name: running.get(name))
    monkeypatch.setattr(in_force, "_await", lambda *_: None)
    monkeypatch.setattr(in_force, "_clear", lambda _tree, _left: None)
    return home


def edit(room: Path, old: str, new: str) -> None:
    text = (room / "config.yaml").read_text()
    assert old in text
    (room / "config.yaml").write_text(text.replace(old, new))


def bring(room: Path, supervisord: Supervisord, only: set[str] | None = None) -> tuple[dict[str, str], list[Any]]:
    done = in_force.bring(room, supervisord, only)  # type: ignore[arg-type]
    return done, [each for each in supervisord.asked if any(each[1:])]


def test_where_nothing_has_changed_nothing_is_asked_for(room):
    assert bring(room, Supervisord()) == ({}, [])


def test_what_ends_is_stopped_and_let_go_and_what_is_new_is_added_and_started(room):
    supervisord = Supervisord(Sections(["mist"], [], ["old"]), [name for name in ALL if name != "mist"])
    done, asked = bring(room, supervisord)
    assert asked == [("stop", ["old"]), ("remove", "old"), ("add", "mist"), ("start", ["mist"])]
    assert done == {"old": "ended: in neither file any more", "mist": "added"}


def test_what_has_changed_is_restarted_and_the_dispatcher_reads_again(room):
    edit(room, "fan: {kind: virtual, ", "fan: {kind: virtual, location: left, ")
    edit(room, "{kind: virtual}", "{kind: virtual, dry_run: true}")
    supervisord = Supervisord()
    done, asked = bring(room, supervisord)
    assert asked == [("stop", ["fan", "stage"]), ("start", ["fan", "stage"]), ("reread", "dispatcher")]
    assert [order for order, *_ in supervisord.asked if order.startswith("reread")] == ["reread_supervision", "reread"]
    assert done == {
        "fan": "restarted: location",
        "stage": "restarted: dry_run",
        "dispatcher": "reads again: devices.fan.location",
    }


def test_a_section_that_has_changed_is_taken_in_anew(room):
    done, asked = bring(room, Supervisord(Sections([], ["fan"], [])))
    assert asked == [("stop", ["fan"]), ("remove", "fan"), ("add", "fan"), ("start", ["fan"])]
    assert done == {"fan": "restarted: its section in supervisor.conf"}


def test_what_is_stopped_is_started(room):
    assert bring(room, Supervisord(stopped="fan")) == ({"fan": "started"}, [("start", ["fan"])])


def test_a_command_about_one_device_leaves_all_others(room):
    edit(room, "effects: [wind]}\n  mist", "effects: [wind], curve: 2}\n  mist")
    supervisord = Supervisord(Sections(["new"], ["mist"], ["old"]))
    assert bring(room, supervisord, {"lamp", "stage"}) == ({}, [])
    assert bring(room, Supervisord(), {"fan"})[0] == {"fan": "restarted: curve"}


def test_a_bus_that_is_wrong_does_not_keep_others_from_being_changed(room):
    edit(room, "stage: {kind: virtual}", "stage: {kind: virtual, speed: 5}")
    edit(room, "effects: [wind]}\n  mist", "effects: [wind], curve: 2}\n  mist")
    assert bring(room, Supervisord(), {"fan"})[0] == {"fan": "restarted: curve"}


HERE = Was("", {"embedded": True}, ("fan", "lamp"), ("broker", "fan", "stage"))
THERE = Was("old", {"embedded": False, "external": {"host": "there"}}, ("fan", "mist"), ("broker", "fan", "mist"))


def test_at_the_former_place_everything_is_cleared_and_at_the_present_one_what_is_gone():
    assert places.left(THERE, HERE) == Left(THERE.place, ("fan", "mist"), ("broker", "fan", "mist"))
    fewer = msgspec.structs.replace(THERE, devices=("fan",), programs=("broker", "fan"))
    assert places.left(THERE, fewer) == Left(THERE.place, ("mist",), ("mist",))
    assert places.left(THERE, THERE) is None
    assert places.left(HERE, THERE) is None  # the home's own broker has kept nothing


def test_what_could_not_be_cleared_is_remembered_until_it_can_be(room, monkeypatch):
    def lost(_tree: object, _left: Left) -> None:
        raise BrokerLost("no broker answers")

    places.remember(room, [THERE])
    with monkeypatch.context() as patched:
        patched.setattr(in_force, "_clear", lost)
        (line,) = in_force.forget_former(room)
        assert line.startswith("what is kept at there:1883 under old could not be cleared; the next up tries again: ")
    assert [was.root for was in places.known(room)] == ["old", ""]
    assert in_force.forget_former(room) == ["what was kept at there:1883 under old of fan, mist is cleared"]
    assert [was.root for was in places.known(room)] == [""]
    assert in_force.forget_former(room) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '[{"root": 5}]',
        '[{"root": "", "broker": {"embedded": false, "external": {"url": 1}}, "devices": ["x"], "programs": []}]',
    ],
)
def test_a_damaged_note_of_places_is_as_none(room, text):
    (room / "run" / "places").write_text(text)
    assert in_force.forget_former(room) == []
    assert len(places.known(room)) == 1
