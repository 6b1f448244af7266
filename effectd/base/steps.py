"""Work that is done a slice at a time, done at once."""

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")


def finished(steps: Generator[None, None, _T]) -> _T:
    """The value of the generator, without a pause between its slices."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _T = end.value
            return found
