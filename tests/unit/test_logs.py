"""`effectd logs`: each line once, in order, also while supervisor rotates or clears the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.cli import logs
from effectd.cli.logs import Tail


@pytest.fixture
def tail(path: Path) -> Iterator[Tail]:
    with Tail(path, "") as tail:
        yield tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wind.log"


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_the_last_lines_come_first_and_then_what_is_new(path):
    write(path, "".join(f"{n}\n" for n in range(200)))
    with Tail(path, "wind  ") as tail:
        assert tail.last(2) == ["wind  198", "wind  199"]
        assert tail.more() == []
        write(path, "200\n20")
        assert tail.more() == ["wind  200"]
        write(path, "1\n")
        assert tail.more() == ["wind  201"]


def test_a_rotated_log_is_read_to_its_end_and_then_its_successor(path, tail):
    write(path, "1\n")
    assert tail.more() == ["1"]
    write(path, "2\n")
    path.rename(path.with_suffix(".1"))
    write(path, "3\n")
    assert [line for _ in range(4) for line in tail.more()] == ["2", "3"]


def test_a_log_that_comes_later_or_is_cleared_is_found(path, tail):
    assert tail.last(5) == tail.more() == []
    write(path, "1\n2\n")
    assert tail.more() == ["1", "2"]
    path.write_text("")
    write(path, "3\n")
    assert [line for _ in range(3) for line in tail.more()] == ["3"]


def test_what_could_steer_a_terminal_is_not_shown(path):
    write(path, "a\x1b[2Jb\n")
    with Tail(path, "") as tail:
        assert tail.last(1) == ["a?[2Jb"]


def test_each_program_has_the_log_that_its_section_names(home):
    (home / "supervisor.conf").write_text(
        "[supervisord]\nlogfile=%(here)s/all.log\n[program:a]\ncommand=a\nstdout_logfile=%(here)s/x/%(program_name)s\n"
        "[program:b]\ncommand=b\n"
    )
    assert logs.files(home) == {
        "supervisord": home / "all.log",
        "a": home / "x" / "a",
        "b": home / "run" / "log" / "b.log",
    }


@given(st.lists(st.sampled_from(["write", "rotate", "look"]), max_size=30))
def test_whatever_the_order_of_writing_rotating_and_looking_each_line_comes_once(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("log") / "wind.log"
    path.touch()
    with Tail(path, "") as tail:
        _play(tail, path, steps)


def _play(tail: Tail, path: Path, steps: list[str]) -> None:
    written, heard, rotated = list[str](), list[str](), 0
    for step in steps:
        if step == "write":
            written.append(str(len(written)))
            write(path, written[-1] + "\n")
        elif step == "rotate":
            for _ in range(3):  # a look finds one rotation at a time
                heard += tail.more()
            rotated += 1
            path.rename(path.with_suffix(f".{rotated}"))
            path.touch()
        else:
            heard += tail.more()
    for _ in range(3):
        heard += tail.more()
    assert heard == written
