"""A JSON document that is read in pieces is the same timeline, or refused for the same, as one that is read whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.timeline import pieces
from effectd.timeline.document import TimelineRefused
from effectd.timeline.reading import read

SMALL = 60  # bytes of a piece here
_texts = st.text(st.sampled_from('a"\\}{,[] \né"effects":'), max_size=12)
_effects = st.fixed_dictionaries(
    {"effect_type": st.sampled_from(["wind", "light"]), "timestamp": st.integers(0, 9000)},
    optional={
        "duration": st.integers(-1, 500),  # -1 is refused
        "x-note": _texts,
        "parameters": st.dictionaries(
            _texts, st.one_of(_texts, st.lists(st.fixed_dictionaries({"effect_type": _texts}))), max_size=3
        ),
    },
)
_documents = st.fixed_dictionaries(
    {"effects": st.lists(_effects, max_size=12)},
    optional={"title": _texts, "priority": st.integers(0, 10), "x-effects": st.lists(_effects, max_size=3)},
)


def outcome(data: bytes) -> Any:
    try:
        return read(data)
    except TimelineRefused as refused:
        return refused.problems


def both(data: bytes) -> tuple[Any, Any]:
    whole = outcome(data)
    usual, pieces.BYTES = pieces.BYTES, SMALL
    try:
        return whole, outcome(data)
    finally:
        pieces.BYTES = usual


@given(_documents, st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), st.data())
def test_pieces_and_the_whole_are_read_alike(document: Any, indent: Any, separators: Any, data: Any) -> None:
    named = document.items()
    text = json.dumps(dict(data.draw(st.permutations(list(named)))), indent=indent, separators=separators)
    whole, cut = both(text.encode())
    assert cut == whole


@given(_documents, st.integers(0, 400), st.sampled_from([b"", b"}", b"]", b'"', b",", b"\\", b"\xff", b"x"]))
def test_a_damaged_document_is_refused_alike(document: Any, at: int, damage: bytes) -> None:
    data = json.dumps(document).encode()
    whole, cut = both(data[:at] + damage + data[at + 1 :])
    assert cut == whole


EFFECT = '{"effect_type": "wind", "timestamp": 5, "duration": 10}'


@pytest.mark.parametrize("key", ['"effects"', '"\\u0065ffects"', '"effect\\u0073"'])
def test_of_a_repeated_list_the_last_one_counts(key: str) -> None:
    first, last = ",".join([EFFECT] * 9), EFFECT.replace("wind", "fog")
    whole, cut = both(f'{{"effects": [{first}], {key}: [{last}]}}'.encode())
    assert cut == whole
    assert [effect.effect_type for effect in cut.effects] == ["fog"]


def test_a_large_document_is_read_in_pieces_and_a_wrong_effect_in_it_is_found_at_its_place() -> None:
    lines = [EFFECT.replace("5,", f"{number},") for number in range(4000)]
    data = ('{"title": "x", "effects": [\n' + ",\n".join(lines) + "\n]}").encode()
    timeline = read(data)
    assert [each.timestamp for each in timeline.effects] == list(range(4000))
    wrong = data.replace(b'"timestamp": 3001,', b'"timestemp": 3001,')
    (problem,) = outcome(wrong)
    assert (problem.line, problem.column, problem.element) == (3003, 1, "effects[3001]")


def test_no_more_is_decoded_at_once_than_some_pieces() -> None:
    data = ('{"effects": [' + ",".join([EFFECT] * 40_000) + "]}").encode()
    steps = pieces.pieces(data)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    assert len(found.rest) < 3 * pieces.BYTES
    assert all(stop - start < 2 * pieces.BYTES for start, stop in found.cut)
    assert sum(len(pieces.values(data[start:stop])) for start, stop in found.cut) > 38_000
