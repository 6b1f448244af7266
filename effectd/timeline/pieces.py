"""The list `effects` of a large JSON document in pieces, so that no decoder has to take all of it at one go.

Where a piece may end is guessed, at what looks like the next effect's beginning, and proved by decoding: what begins at
an element and is a list of values when brackets are put around it ends between two elements, in no string and in none
of them. Where no guess proves right, the rest stays in one piece.
"""

import re
from collections.abc import Generator

import msgspec
from msgspec import Struct

from effectd.timeline.document import EFFECTS, too_many

BYTES = 32 << 10  # some 400 effects, 0.1 ms
_GUESSES = 4  # for the end of a piece
_LIST = re.compile(rb'"effects"[ \t\r\n]*:[ \t\r\n]*\[')
_LIKE_IT = re.compile(rb'"(?:[efcts]|\\u00[0-9a-fA-F]{2}){7}"')  # however it is written
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*("[\w-]{1,40}")')

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_values = msgspec.json.Decoder(list[msgspec.Raw])
_WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Pieces(Struct):
    """`cut`: where each piece begins and ends in the document; `rest`: the document without them, still whole JSON.

    `first`: where in the document the first element of the rest begins, None where that is not known.
    """

    cut: list[tuple[int, int]]
    rest: bytes
    first: int | None


def pieces(data: bytes) -> Generator[None, None, Pieces]:
    """Look for one piece at each `next`. Raises TimelineRefused where there are more effects than there may be."""
    begin = _begin(data)
    key = _FIRST_KEY.match(data, begin) if begin is not None else None
    if begin is None or key is None:
        return Pieces([], data, None)
    next_one = re.compile(rb"\}[ \t\r\n]*(,)[ \t\r\n]*\{[ \t\r\n]*" + re.escape(key[1]))
    cut: list[tuple[int, int]] = []
    at, count = begin, 0
    while (found := _piece(data, at, next_one)) is not None:
        end, effects = found
        cut.append((at, end))
        at, count = end + 1, count + effects
        if count > EFFECTS:
            raise too_many()
        yield
    rest = data[:begin] + data[at:]
    keys = [msgspec.json.decode(each) for each in _LIKE_IT.findall(rest)]
    if not cut or keys.count("effects") > 1:  # of a repeated key the last one counts
        return Pieces([], data, None)
    return Pieces(cut, rest, at)


def values(data: bytes) -> list[msgspec.Raw]:
    """The elements of a piece."""
    return _values.decode(b"[" + data + b"]")


def _begin(data: bytes) -> int | None:
    """Behind the bracket that opens the list, if the first that looks like it is one of the document itself."""
    found = _LIST.search(data)
    if found is None or len(data) - found.end() < 2 * BYTES:
        return None
    try:
        _object.decode(data[: found.end()] + b"]}")
    except _WRONG:
        return None
    return found.end()


def _piece(data: bytes, at: int, next_one: re.Pattern[bytes]) -> tuple[int, int] | None:
    """Where the piece that begins at `at` ends, at a comma, and how many elements it has."""
    end = at + BYTES
    for _ in range(_GUESSES):
        found = next_one.search(data, end)
        if found is None:
            return None
        try:
            return found.start(1), len(values(data[at : found.start(1)]))
        except _WRONG:
            end = found.end()
    return None
