"""Times of a film as MPEG-7 writes them."""

import pytest

from effectd.timeline.media_time import milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("T00:00:00", 0),
        ("T00:01:30:20F25", 90_800),
        ("T01:00:00:1001F30000", 3_600_033),
        ("2009-01-01T00:00:02", 2000),
        (" T00:00:02 ", 2000),
        ("T00:00:02:1F0", None),
        ("T999:00:00", None),  # longer than a week
        ("00:00:02", None),
        ("", None),
    ],
)
def test_a_point_in_a_film_is_so_many_ms(text: str, expected: int | None) -> None:
    assert milliseconds(text) == expected
