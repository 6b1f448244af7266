"""A hold stands until its name is released, whatever dies, and every program of a home comes to know the same."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages import holds as messages
from effectd.program import holds as module
from effectd.program.holds import FILE, Holds
from effectd.testing import FakeLoop

# --- the message ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason", "target"),
    [
        (b"door open", "door open", None),
        (b'"door open"', "door open", None),
        (b'{"reason": "door open"}', "door open", None),
        (b'{"reason": "x", "target": "row-a"}', "x", ("row-a",)),
        (b'{"reason": "x", "target": ["fan", "row-a"]}', "x", ("fan", "row-a")),
        (b"{}", "", None),
        (b"1", "1", None),
        (b" ", "", None),
        (b"two\nlines\x00", "two lines", None),
        # what cannot be read holds everything
        (b'{"reason": "x", "target": 7}', "x", None),
        (b'{"reason": "x", "target": []}', "x", None),
        (b'{"target": ["fan", 7]}', "", None),
        (b"[[[[", "[[[[", None),
        (b"\xff\xfe", "\ufffd\ufffd", None),
    ],
)
def test_whatever_comes_on_a_hold_s_topic_holds(payload, reason, target):
    hold = messages.decode("door", payload, 5)
    assert hold == messages.Hold(name="door", reason=reason, target=target, since=5)


def test_an_empty_payload_releases():
    assert messages.decode("door", b"", 5) is None


def test_a_hold_says_who_and_why():
    door, anna = (messages.decode(*args, 5) for args in (("door", b"open"), ("anna", b'{"target": "row-a"}')))
    assert door is not None
    assert anna is not None
    assert messages.why([door, anna], "fan", ("row-a",)) == "held by door: open; held by anna"
    assert messages.why([door, anna], "fan", ()) == "held by door: open"
    assert messages.why([anna], "fan", ()) == ""
    assert messages.why([anna], "row-a", ()) == "held by anna"


# --- kept -------------------------------------------------------------------------------------------------------------


class Home:
    """Programs that share a folder and a clock; each may die, and forgets what it did not note."""

    def __init__(self, run: Path) -> None:
        self.run, self.loop, self.names = run, FakeLoop(), itertools.count()

    def born(self) -> Holds:
        kept = Holds(self.run, f"p{next(self.names)}", self.loop)
        kept.watch(lambda: None, lambda _trouble: None)
        return kept


@pytest.fixture
def house(home: Path) -> Home:
    return Home(home / "run")


def test_a_hold_is_on_disk_before_it_is_acted_upon(house):
    kept = house.born()
    found: list[Any] = []
    kept.watch(lambda: found.append(json.loads((house.run / FILE).read_bytes())), lambda _: None)
    kept.hear("door", b"open")
    assert [note["hold"]["name"] for note in found[0]] == ["door"]


def test_one_that_was_dead_meanwhile_learns_of_a_hold_and_of_its_release(house):
    lives = house.born()
    lives.hear("door", b"open")
    other = house.born()
    assert other.why("fan", ()) == "held by door: open"
    other.close()
    lives.hear("door", b"")
    assert house.born().standing == {}


def test_one_that_heard_nothing_takes_it_over_within_a_quarter_of_a_second(house):
    hears, deaf = house.born(), house.born()
    house.loop.advance(1)
    hears.hear("door", b"open")
    house.loop.advance(0.26)
    assert deaf.why("fan", ()) == "held by door: open"
    house.loop.advance(1)
    hears.hear("door", b"")
    house.loop.advance(0.26)
    assert deaf.standing == {}


@pytest.mark.parametrize("harm", ["remove", "garble", "folder", "older"])
def test_a_file_that_is_lost_damaged_or_old_releases_nothing_and_comes_back(house, harm):
    kept = house.born()
    kept.hear("anna", b"before")
    path = house.run / FILE
    older = path.read_bytes()
    house.loop.advance(1)
    kept.hear("anna", b"")
    kept.hear("door", b"open")
    match harm:
        case "remove":
            path.unlink()
        case "garble":
            path.write_bytes(os.urandom(50))
        case "folder":
            path.unlink()
            path.mkdir()
        case "older":
            path.write_bytes(older)
    house.loop.advance(0.3)
    assert list(kept.standing) == ["door"]
    assert list(house.born().standing) == ["door"]


def test_where_it_cannot_be_written_it_holds_all_the_same_and_says_so(house):
    kept, troubles = house.born(), list[str]()
    kept.watch(lambda: None, troubles.append)
    os.chmod(house.run, 0o500)
    if os.geteuid() == 0:  # root may write everywhere: no folder is there at all
        house.run.rename(house.run.with_name("gone"))
    kept.hear("door", b"open")
    assert kept.why("fan", ()) == "held by door: open"
    assert "cannot be written" in troubles[-1]
    (house.run if house.run.exists() else house.run.with_name("gone")).chmod(0o700)
    if not house.run.exists():
        house.run.with_name("gone").rename(house.run)
    house.loop.advance(0.3)
    assert troubles[-1] == ""
    assert list(house.born().standing) == ["door"]


def test_a_reboot_releases_nothing_and_what_is_released_after_it_stays_so(house, monkeypatch):
    kept = house.born()
    kept.hear("door", b"open")
    monkeypatch.setattr(module, "boot_id", lambda: "another boot")
    house.loop.clear()
    house.loop.now = 1.0  # the monotonic clock begins anew
    after = house.born()
    assert list(after.standing) == ["door"]
    after.hear("door", b"")
    house.loop.advance(0.3)
    assert house.born().standing == {}


def test_the_same_hold_said_again_changes_nothing(house):
    kept = house.born()
    kept.hear("door", b"open")
    changes: list[int] = []
    kept.watch(lambda: changes.append(1), lambda _: None)
    before = (house.run / FILE).stat().st_mtime_ns
    kept.hear("door", b'{"reason": "open"}')
    assert changes == []
    assert (house.run / FILE).stat().st_mtime_ns == before


def test_names_and_numbers_are_bounded(house):
    kept = house.born()
    kept.hear("x" * 300, b"open")
    kept.hear("", b"open")
    for number in range(700):
        kept.hear(f"n{number}", b"open")
    assert len(kept.standing) == 500
    for number in range(500):
        kept.hear(f"n{number}", b"")
    assert len(json.loads((house.run / FILE).read_bytes())) == 100


def test_what_another_program_has_heard_and_noted_before_is_acted_upon_at_once(house):
    first, second = house.born(), house.born()
    for payload, standing in ((b"open", ["door"]), (b"", [])):
        house.loop.advance(1)
        for kept in (first, second):
            kept.hear("door", payload)
            assert list(kept.standing) == standing


event = st.one_of(
    st.tuples(st.just("hear"), st.integers(0, 2), st.sampled_from("ab"), st.sampled_from([b"x", b"y", b""])),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3])),
    st.tuples(st.just("lose")),
)


@given(st.lists(event, max_size=30))
def test_all_programs_come_to_the_last_that_any_of_them_heard(history):
    import tempfile

    with tempfile.TemporaryDirectory(prefix="u", dir="/tmp") as folder:
        house = Home(Path(folder))
        programs = [house.born() for _ in range(3)]
        expected: dict[str, str] = {}
        for what, *details in history:
            match what, details:
                case "hear", [who, name, payload]:
                    house.loop.advance(0.002)
                    programs[who].hear(name, payload)
                    expected.pop(name, None)
                    if payload:
                        expected[name] = payload.decode()
                case "kill", [who]:
                    programs[who].close()
                    programs[who] = house.born()
                case "wait", [seconds]:
                    house.loop.advance(seconds)
                case "lose", []:
                    (house.run / FILE).unlink(missing_ok=True)
                    house.loop.advance(0.3)
        house.loop.advance(0.6)
        for program in programs:
            assert {name: hold.reason for name, hold in program.standing.items()} == expected
