"""The terminal while the room is drawn on it: its keys."""

import os
import pty
import subprocess
import sys

_SCREEN = """
import os, select, sys, termios
from effectd.base.loop import Loop
from effectd.cli.watch.screen import Screen

with Screen(Loop()) as screen:
    print("typed?", file=sys.stderr, flush=True)
    select.select([0], [], [])
    if sys.argv[1] == "flush":  # as Ctrl-C does, after the loop was told of a key
        termios.tcflush(0, termios.TCIFLUSH)
    screen._keys._read()
    print(screen.ended, os.get_blocking(0), file=sys.stderr, flush=True)
"""


def _after_key(key: bytes, what: str) -> str:
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", _SCREEN, what], stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            try:
                assert process.stderr.readline() == "typed?\n"
                os.write(master, key)
                return process.communicate(timeout=10)[1].strip()
            finally:
                process.kill()
    finally:
        os.close(master)
        os.close(slave)


def test_a_key_that_ctrl_c_has_swept_away_is_not_waited_for():
    assert _after_key(b"x", "flush") == "False True"


def test_q_ends_and_the_shells_terminal_stays_blocking():
    assert _after_key(b"q", "keep") == "True True"
