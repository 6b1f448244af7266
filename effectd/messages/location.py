"""Where an effect is felt: MPEG-V's LocationCS (ISO/IEC 23005-6), three axes, each known or any.

Terms of X, from the left: left, centerleft, center, centerright, right; Y, from below: bottom, middle, top;
Z, from the back: back, midway, front. `everywhere`, `*` and an axis that is not named mean any.
"""

import re
from functools import lru_cache

_AXES = (
    ("left", "centerleft", "center", "centerright", "right"),
    ("bottom", "middle", "top"),
    ("back", "midway", "front"),
)
_URN = re.compile(r"urn:mpeg:mpeg-v:(?:2010:)?01-SI-LocationCS-NS:", re.IGNORECASE)
_ANY = ("", "*", "everywhere")

Place = tuple[int | None, int | None, int | None]
EVERYWHERE: Place = (None, None, None)


@lru_cache(1024)
def parse(text: str) -> Place:
    """`left:*:midway`, `front left`, `everywhere`, or the full URN -> a step on each axis. Raises ValueError."""
    place: list[int | None] = [None, None, None]
    for token in re.split(r"[:,\s]+", _URN.sub("", text.strip()).lower()):
        if token in _ANY:
            continue
        for axis, terms in enumerate(_AXES):
            if token in terms:
                if place[axis] is not None:
                    raise ValueError(f"{token!r} names an axis that is named already")
                place[axis] = terms.index(token)
                break
        else:
            known = ", ".join(term for terms in _AXES for term in terms)
            raise ValueError(f"{token[:40]!r} is not a place; allowed are everywhere, *, {known}")
    return place[0], place[1], place[2]


def distance(wanted: Place, there: Place) -> int:
    """Steps between two places, summed over the axes that both name; 0 = they match."""
    return sum(abs(a - b) for a, b in zip(wanted, there, strict=True) if a is not None and b is not None)
