"""The journal: what was put is found again, whatever was torn off."""

import errno
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effectd.base import journal as journal_module
from effectd.base import journal_file
from effectd.base.journal import CHECK_EVERY_S, Journal
from effectd.testing import FakeLoop

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


# --- a kill, and what a put costs ------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from effectd.base.journal import Journal

path, size, alive, value = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), b"v" * int(sys.argv[4])
journal, number = Journal(path, size), 0
journal.put("first", b"1")
while True:
    if number >= alive:
        journal.forget(f"k{number - alive}")
        print(f"-{number - alive}", flush=True)
    if journal.put(f"k{number}", value):
        print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize(("alive", "value"), [(40, 400), (110, 400), (110, 1500)])
def test_a_kill_at_any_moment_loses_nothing_that_was_called_safe(path: Path, alive: int, value: int) -> None:
    """110 x 400 bytes are two thirds of a file, 110 x 1500 more than two hold: most puts are refused then."""
    rng = random.Random(alive)
    for _ in range(8):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(1 << 16), str(alive), str(value)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        end = time.monotonic() + rng.uniform(0.02, 0.12)
        while time.monotonic() < end:
            said.append(writer.stdout.readline())
        writer.kill()
        said += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        words = [word.strip() for word in said if word.endswith("\n")]
        safe = {word for word in words if word[0] != "-"} - {word[1:] for word in words if word[0] == "-"}
        found = reopened(path, 1 << 16)
        assert "first" in found
        assert [number for number in safe if f"k{number}" not in found] == []


def test_a_put_costs_the_same_however_much_is_alive_and_also_when_nothing_more_fits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path, 1 << 18)
    written, looked = [0], [0]
    pwrite, length = os.pwrite, journal_file.length

    def counted_pwrite(fd: int, data: bytes, at: int) -> int:
        written[0] += len(data)
        return pwrite(fd, data, at)

    def counted_length(key: str, value: bytes) -> int:
        looked[0] += 1
        return length(key, value)

    monkeypatch.setattr(os, "pwrite", counted_pwrite)
    monkeypatch.setattr(journal_module, "length", counted_length)
    monkeypatch.setattr(journal_file, "length", counted_length)
    most_written = most_looked = refused = 0
    for number in range(6000):
        written[0] = looked[0] = 0
        refused += not journal.put(f"k{number}", b"x" * 200)
        most_written, most_looked = max(most_written, written[0]), max(most_looked, looked[0])
        if refused % 100 == 99:  # some room, so that it goes on with nearly all of it alive
            refused += 1
            for key in list(journal._now.alive)[:50] + list(journal._old.alive)[:50]:
                journal.forget(key)
    journal.close()
    assert refused > 1000
    assert journal._now.number > 3
    assert most_written < 6 * length("k1000", b"x" * 200)
    assert most_looked < 20


# --- what happens to its files ---------------------------------------------------------------------------------------


def deleted(file: Path) -> None:
    file.unlink()


def replaced(file: Path) -> None:
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").rename(file)


def cut_off(file: Path) -> None:
    os.truncate(file, 0)


def beheaded(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(os.urandom(32))


@pytest.mark.parametrize("strike", [deleted, replaced, cut_off, beheaded])
@pytest.mark.parametrize("names", [["j"], ["j.old"], ["j", "j.old"]])
def test_a_file_that_is_struck_while_the_process_lives_is_written_anew_within_a_second(
    path: Path, strike: Callable[[Path], None], names: list[str]
) -> None:
    loop, journal = FakeLoop(), Journal(path, SIZE)
    journal.watch(loop, lambda _trouble: None)
    for number in range(60):  # both files are in use
        assert journal.put(f"k{number}", b"x" * 80)
        journal.forget(f"k{number - 10}")
    for name in names:
        strike(path.with_name(name))
    loop.advance(CHECK_EVERY_S)
    assert journal.put("after", b"1")
    journal.close()
    again = Journal(path, SIZE)
    again.close()
    assert {f"k{number}" for number in range(50, 60)} | {"after"} <= again.found.keys()
    assert (again.lost, again.trouble) == (False, "")
    assert sorted(file.name for file in path.parent.iterdir()) == ["j", "j.old"]


def test_while_its_folder_is_gone_nothing_is_called_safe_and_it_says_so_until_it_is_back(path: Path) -> None:
    told = list[str]()
    loop, journal = FakeLoop(), Journal(path, SIZE)
    journal.watch(loop, told.append)
    assert journal.put("a", b"1")
    shutil.rmtree(path.parent)
    loop.advance(CHECK_EVERY_S)
    assert not journal.put("b", b"2")
    assert told == ["run/j cannot be written: No such file or directory"]
    path.parent.mkdir()
    loop.advance(CHECK_EVERY_S)
    assert told[1:] == [""]
    assert journal.put("c", b"3")
    journal.close()
    assert reopened(path) == {"a": b"1", "c": b"3"}


def test_a_full_disk_is_told_and_what_was_not_written_is_not_called_safe(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = list[str]()
    loop, journal = FakeLoop(), Journal(path, SIZE)
    journal.watch(loop, told.append)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        disk.setattr(os, "posix_fallocate", full)
        for _ in range(5):
            assert not journal.put("a", b"1")
            loop.advance(CHECK_EVERY_S)
    assert told == ["run/ is full: No space left on device"]
    assert [record.message for record in caplog.records] == told
    loop.advance(CHECK_EVERY_S)
    assert told[1:] == [""]
    assert journal.put("a", b"2")
    journal.close()
    assert reopened(path) == {"a": b"2"}


def test_a_write_that_the_disk_takes_only_in_part_is_not_called_safe(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, pwrite = Journal(path, SIZE), os.pwrite
    assert journal.put("a", b"1")
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:-1], at))
        assert not journal.put("b", b"2")
    assert journal.put("c", b"3")
    journal.close()
    assert reopened(path) == {"a": b"1", "c": b"3"}


@pytest.mark.parametrize(
    ("at", "found", "says"),
    [
        (4, [], "run/j has a damaged header; what was noted in it is lost"),
        (33, [], "run/j is damaged at byte 32; what was noted behind that, up to byte"),
        (73, ["k0"], "run/j is damaged at byte 63; what was noted behind that, up to byte"),
    ],
)
def test_damage_is_told_at_the_next_start_for_a_while_and_what_stands_before_it_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch, at: int, found: list[str], says: str
) -> None:
    journal = Journal(path, SIZE)
    for number in range(3):
        assert journal.put(f"k{number}", b"x" * 20)
    journal.check()
    journal.close()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff\x00\xff")
    monkeypatch.setattr(journal_module, "LOST_SHOWN_S", 0.0)
    told, loop = list[str](), FakeLoop()
    again = Journal(path, SIZE)
    assert (again.lost, list(again.found)) == (True, found)
    assert again.trouble.startswith(says)
    again.watch(loop, told.append)
    assert again.put("after", b"1")
    loop.advance(CHECK_EVERY_S)
    assert told[0].startswith(says)
    assert told[1:] == [""]
    again.close()
    third = Journal(path, SIZE)
    third.close()
    assert (third.found.keys(), third.lost) == ({*found, "after"}, False)


def test_one_of_two_files_that_is_missing_is_told_and_a_home_that_never_ran_is_not(path: Path) -> None:
    journal = Journal(path, SIZE)
    assert (journal.new, journal.lost, journal.trouble) == (True, False, "")
    journal.close()
    for name in ("j", "j.old"):
        path.with_name(name).unlink()
        journal = Journal(path, SIZE)
        journal.close()
        assert (journal.new, journal.lost) == (False, True)
        assert journal.trouble == f"run/{name} is missing; what was noted in it is lost"


def test_something_else_by_its_name_is_told_and_ends_no_process(path: Path) -> None:
    path.mkdir()
    journal = Journal(path, SIZE)
    assert journal.trouble.startswith("run/j cannot be opened: Is a directory")
    journal.check()
    assert not journal.put("a", b"1")
    path.rmdir()
    journal.check()
    assert journal.put("a", b"2")
    journal.close()
    assert reopened(path) == {"a": b"2"}


def test_a_journal_of_the_first_layout_is_taken_over(path: Path) -> None:
    for name, number, keys in (("j", 3, ("a", "b")), ("j.old", 2, ("a", "c"))):
        data = struct.pack("<8sQI", b"effectd1", number, 77)
        for key in keys:
            body = key.encode() + b"\0" + name.encode()
            data += struct.pack("<II", zlib.crc32(body, 77), len(body)) + body
        path.with_name(name).write_bytes(data.ljust(SIZE // 2, b"\0"))
    journal = Journal(path, SIZE)
    assert (journal.found, journal.lost) == ({"a": b"j", "b": b"j", "c": b"j.old"}, False)
    for number in range(200):
        assert journal.put(f"k{number}", b"x" * 50)
        journal.forget(f"k{number}")
        journal.check()
    journal.close()
    found = reopened(path)
    assert {key: found[key] for key in "abc"} == {"a": b"j", "b": b"j", "c": b"j.old"}
    assert {file.read_bytes()[:8] for file in path.parent.iterdir()} == {b"effectd2"}


def test_a_journal_is_crowded_before_it_is_full(path):
    journal = Journal(path, 1 << 16)
    answers = []
    for number in range(200):
        before = journal.crowded
        answers.append((before, journal.put(f"k{number}", bytes(1000))))
        if not answers[-1][1]:
            break
    assert (False, True) in answers
    assert (True, True) in answers
    assert answers[-1] == (True, False)
    journal.forget("k0")
    for number in range(1, 40):
        journal.forget(f"k{number}")
    assert not journal.crowded
    journal.close()
