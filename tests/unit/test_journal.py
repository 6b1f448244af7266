"""The journal: what was put is found again, whatever was torn off."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effectd.journal import Journal

SIZE = 4096


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder) / "j"


def reopened(path: Path, size: int = SIZE) -> dict[str, bytes]:
    journal = Journal(path, size)
    journal.close()
    return journal.found


def test_what_was_put_is_found_after_a_death_in_the_order_in_which_it_was_put(path: Path) -> None:
    journal = Journal(path, SIZE)
    for number in (3, 1, 2):
        assert journal.put(f"k{number}", b"v%d" % number)
    assert journal.put("k1", b"newer\0\n")
    found = reopened(path)
    assert list(found.items()) == [("k3", b"v3"), ("k2", b"v2"), ("k1", b"newer\0\n")]
    journal.close()


def test_both_files_have_their_space_from_the_start(path: Path) -> None:
    Journal(path, SIZE).close()
    for file in (path, path.with_name("j.old")):
        assert file.stat().st_blocks * 512 >= SIZE


def test_the_space_is_bounded_and_what_is_alive_is_carried_on_for_ever(path: Path) -> None:
    journal = Journal(path, SIZE)
    assert journal.put("alive", b"from the beginning")
    for number in range(2000):
        assert journal.put(f"k{number}", b"x" * 50)
        journal.forget(f"k{number}")
    journal.close()
    assert reopened(path)["alive"] == b"from the beginning"
    assert path.stat().st_size == path.with_name("j.old").stat().st_size == SIZE


def test_more_than_fits_is_told_as_not_safe_and_harms_nothing(path: Path) -> None:
    journal = Journal(path, SIZE)
    assert not journal.put("large", b"x" * SIZE)
    stored = [journal.put(f"k{number}", b"x" * 400) for number in range(30)]
    assert True in stored
    assert False in stored
    journal.close()
    found = reopened(path)
    assert [f"k{number}" in found for number in range(30)] == stored


@given(cut=st.integers(0, SIZE), garbage=st.binary(max_size=64))
@settings(max_examples=150, deadline=None)
def test_a_torn_or_garbled_end_costs_only_what_was_torn(cut: int, garbage: bytes) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "j"
        journal = Journal(path, SIZE)
        ends = []
        for number in range(20):
            assert journal.put(f"k{number}", b"v" * number)
            ends.append(journal._now.end)
        journal.close()
        fd = os.open(path, os.O_RDWR)
        os.pwrite(fd, b"\xff" * (SIZE - cut), cut)
        os.pwrite(fd, garbage, cut)
        os.close(fd)
        found = reopened(path)
        whole = [f"k{number}" for number, end in enumerate(ends) if end <= cut]
        assert list(found)[: len(whole)] == whole
        assert len(found) <= len(whole) + 1
        again = Journal(path, SIZE)
        assert again.put("after", b"1")
        again.close()
        assert reopened(path)["after"] == b"1"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=300), st.booleans()), max_size=120))
@settings(max_examples=100, deadline=None)
def test_after_any_history_everything_alive_and_safe_is_found_with_its_last_value(
    history: list[tuple[str, bytes, bool]],
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "j"
        journal, alive = Journal(path, SIZE), dict[str, bytes]()
        for key, value, forget in history:
            if journal.put(key, value):
                alive[key] = value
            if forget:
                journal.forget(key)
                alive.pop(key, None)
        journal.close()
        found = reopened(path)
        assert {key: found[key] for key in alive} == alive


def test_a_file_that_is_something_else_is_no_journal(path: Path) -> None:
    path.write_bytes(os.urandom(SIZE))
    assert reopened(path) == {}
    journal = Journal(path, SIZE)
    assert journal.put("a", b"b")
    journal.close()
    assert reopened(path) == {"a": b"b"}
