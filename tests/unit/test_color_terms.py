"""Colours of MPEG-V by their terms, as files write them."""

import pytest

from effectd.messages.colors import COLORS
from effectd.timeline.color_terms import color


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("alizarin", "#e32636"),
        ("Hollywood_cerise", "#f400a1"),
        ("hollywood cerise", "#f400a1"),
        ("green_html/css_green", "#008000"),
        ("green", "#00ff00"),  # the standard's, not CSS's
        ("yellow-green", "#9acd32"),
        ("rebeccapurple", "#663399"),  # CSS's alone
        ("lime_web_x11_green", "#00ff00"),
        ("nosuchcolour", None),
        ("", None),
    ],
)
def test_a_term_is_its_colour(term: str, expected: str | None) -> None:
    assert color(term) == expected


def test_every_colour_of_css_is_known_too() -> None:
    assert all(color(name) for name in COLORS)
