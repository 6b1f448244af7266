"""The picture of the page is small and shows nobody's machine; a PNG of few colours is what it was."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from tests.docs import page_picture, small_png


def decoded(png: bytes) -> tuple[tuple[int, int], list[tuple[int, int, int]]]:
    """Size and pixels of what `small_png` has written; each checksum must hold."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        body = png[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(png[at + 8 + length : at + 12 + length])
        chunks[body[:4]] = body[4:]
        at += 12 + length
    width, height = (int.from_bytes(chunks[b"IHDR"][n : n + 4]) for n in (0, 4))
    palette = chunks[b"PLTE"]
    rows = zlib.decompress(chunks[b"IDAT"])
    flat = [byte for row in range(height) for byte in rows[row * (width + 1) + 1 : (row + 1) * (width + 1)]]
    return (width, height), [(palette[3 * n], palette[3 * n + 1], palette[3 * n + 2]) for n in flat]


COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


@given(st.lists(COLOURS, min_size=1, max_size=200), st.integers(1, 4))
def test_up_to_256_colours_stay_as_they_are(colours: list[tuple[int, int, int]], rows: int) -> None:
    rgba = b"".join(bytes((*colour, 255)) for colour in colours) * rows
    assert decoded(small_png.encode(rgba, len(colours), rows)) == ((len(colours), rows), colours * rows)


def test_many_colours_become_256_that_are_near() -> None:
    colours = [(red, green, 40) for red in range(0, 256, 4) for green in range(0, 256, 4)]
    rgba = b"".join(bytes((*colour, 255)) for colour in colours)
    _, found = decoded(small_png.encode(rgba, 64, 64))
    assert len(set(found)) <= 256
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) < 40 for a, b in zip(colours, found, strict=True))


def test_the_picture_in_the_repository_is_small() -> None:
    png = page_picture.FILE.read_bytes()
    assert len(png) < page_picture.MOST_BYTES
    assert decoded(png)[0] == page_picture.SIZE
