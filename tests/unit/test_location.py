"""Where an effect is felt: the terms of MPEG-V's LocationCS and the steps between them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages.location import EVERYWHERE, distance, parse

X = ("left", "centerleft", "center", "centerright", "right")
Y = ("bottom", "middle", "top")
Z = ("back", "midway", "front")


def test_every_term_is_a_step_on_its_own_axis():
    assert [parse(term) for term in X] == [(step, None, None) for step in range(5)]
    assert [parse(term) for term in Y] == [(None, step, None) for step in range(3)]
    assert [parse(term) for term in Z] == [(None, None, step) for step in range(3)]


@pytest.mark.parametrize("text", ["", "everywhere", "Everywhere", "*", "*:*:*", "everywhere:*", " * "])
def test_everywhere_and_stars_name_no_axis(text):
    assert parse(text) == EVERYWHERE


@given(st.sampled_from(X), st.sampled_from(Y), st.sampled_from(Z), st.sampled_from([":", ",", " ", ", ", " : "]))
def test_the_terms_may_stand_in_any_order_between_any_separators(x, y, z, separator):
    place = (X.index(x), Y.index(y), Z.index(z))
    for order in itertools.permutations((x, y, z)):
        assert parse(separator.join(order)) == place
        assert parse(separator.join(order).upper()) == place


def test_an_absent_or_starred_axis_is_any():
    assert parse("left:*:midway") == parse("left:midway") == parse("midway left") == (0, None, 1)


@pytest.mark.parametrize(
    "urn",
    [
        "urn:mpeg:mpeg-v:01-SI-LocationCS-NS:centerright:top:front",
        "URN:MPEG:MPEG-V:01-SI-LocationCS-NS:CenterRight:Top:Front",
        "urn:mpeg:mpeg-v:2010:01-SI-LocationCS-NS:centerright:top:front",
    ],
)
def test_the_full_urn_of_the_standard_is_a_place(urn):
    assert parse(urn) == (3, 2, 2)


def test_the_urn_may_say_everywhere_and_stars():
    assert parse("urn:mpeg:mpeg-v:01-SI-LocationCS-NS:everywhere") == EVERYWHERE
    assert parse("urn:mpeg:mpeg-v:01-SI-LocationCS-NS:*:*:front") == (None, None, 2)


@pytest.mark.parametrize("text", ["upstairs", "left:upstairs", "lefT-ish", "urn:mpeg:other:left", "left/top", "左"])
def test_an_unknown_term_is_refused_with_those_that_are_allowed(text):
    with pytest.raises(ValueError, match=r"is not a place; allowed are everywhere, \*, left, .*front"):
        parse(text)


@pytest.mark.parametrize("text", ["left:right", "left left", "top:bottom:left", "front:left:midway"])
def test_an_axis_named_twice_is_refused(text):
    with pytest.raises(ValueError, match="named already"):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_a_value_error(text):
    try:
        place = parse(text)
    except ValueError:
        return
    assert all(step is None or 0 <= step < size for step, size in zip(place, (5, 3, 3), strict=True))


places = st.tuples(*(st.none() | st.integers(0, size - 1) for size in (5, 3, 3)))


@given(places, places)
def test_distance_is_symmetric_and_counts_only_axes_that_both_name(a, b):
    assert distance(a, b) == distance(b, a) >= 0
    assert distance(a, a) == distance(a, EVERYWHERE) == 0
    assert distance(a, b) == sum(abs(p - q) for p, q in zip(a, b, strict=True) if None not in (p, q))
