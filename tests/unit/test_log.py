"""A log can hurt nobody: a full pipe, a flood."""

import logging
import os

import pytest

from effectd.base.log import Flood, PipeHandler


@pytest.fixture
def pipe():
    out, into = os.pipe()
    os.set_blocking(into, False)
    os.set_blocking(out, False)
    yield out, into
    os.close(out)
    os.close(into)


def logger(into: int, *filters: logging.Filter) -> logging.Logger:
    log = logging.Logger("x")
    handler = PipeHandler(into)
    for each in filters:
        handler.addFilter(each)
    log.addHandler(handler)
    return log


def test_a_full_pipe_blocks_nothing_and_what_was_dropped_is_counted(pipe):
    out, into = pipe
    log = logger(into)
    for number in range(5000):
        log.info("line %d %s", number, "x" * 100)
    before = b""
    while True:
        try:
            before += os.read(out, 1 << 20)
        except BlockingIOError:
            break
    log.info("first")
    log.info("after")
    after = os.read(out, 1 << 20)
    assert b"log lines dropped" in after
    assert after.rstrip().endswith(b"after")
    lines = (before + after).splitlines()
    assert all(b"line" in line or b"after" in line or b"first" in line for line in lines), "a torn line"


def test_a_closed_pipe_raises_nothing():
    out, into = os.pipe()
    os.close(out)
    log = logger(into)
    log.error("nobody hears this")
    os.close(into)


def test_a_flood_of_one_warning_is_thinned_out_and_counted_and_others_pass(pipe, monkeypatch):
    out, into = pipe
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    log = logger(into, Flood())
    for number in range(500):
        log.warning("the same %d", number)
    log.warning("another")
    now[0] += 1
    log.warning("the same %d", 500)
    text = os.read(out, 1 << 20).decode()
    assert text.count("the same") == 11
    assert "another" in text
    assert "490 more of the next line kept back" in text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("effects/wi\nnd", r"effects/wi\nnd"),
        ("\x1b[2Jeffects/x", r"\x1b[2Jeffects/x"),
        ("a\r\x00\x7f\x9b", r"a\r\x00\x7f\x9b"),
        ("\u202egnp", r"\u202egnp"),
        ("\ud800", r"\ud800"),
        ("Lüfter 漢 60 %", "Lüfter 漢 60 %"),
    ],
)
def test_a_name_from_outside_forges_no_line_and_steers_no_terminal(pipe, said, written):
    out, into = pipe
    logger(into).info("refused on %s", said)
    line = os.read(out, 65536).decode()
    assert line.endswith(f"refused on {written}\n")
    assert line.count("\n") == 1


def test_a_traceback_keeps_its_lines_and_only_those(pipe):
    out, into = pipe
    try:
        raise ValueError("bad \x1b[2J word")
    except ValueError:
        logger(into).exception("failed")
    text = os.read(out, 65536).decode()
    assert "Traceback" in text
    assert "ValueError: bad \\x1b[2J word" in text
    assert "\x1b" not in text
