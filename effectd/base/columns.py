"""Rows of words as lines of a table."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each column as wide as its longest word; the last one ends each line as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return ["  ".join(f"{word:<{w}}" for word, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows]
