"""What a look at a home or at a broker has found: a line each, and the exit code of them all."""

from collections.abc import Iterable
from typing import NamedTuple

OK, NOTE, WRONG = "ok", "note", "wrong"


class Line(NamedTuple):
    word: str
    about: str
    text: str = ""


def code(lines: Iterable[Line]) -> int:
    """1 if one of them says `wrong`."""
    return int(any(line.word == WRONG for line in lines))
