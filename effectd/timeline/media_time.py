"""Points in a film as MPEG-7 writes them (mediaTimePoint): `T00:01:30:20F25` is 90 s and 20 of 25 parts of a second."""

import re

from effectd.timeline.document import LENGTH_MS

SCHEME = "mp7t"  # its name in si:absTimeScheme
_POINT = re.compile(r"(?:-?\d+(?:-\d+){0,2})?T(\d{1,3}):(\d{1,2}):(\d{1,2})(?::(\d{1,9})F(\d{1,9}))?")


def milliseconds(text: str) -> int | None:
    """From the film's zero; a date before it has no meaning. None: it is none, or beyond a timeline's length."""
    found = _POINT.fullmatch(text.strip())
    if found is None or (found[5] and not int(found[5])):
        return None
    ms = ((int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])) * 1000
    if found[5]:
        ms += round(int(found[4]) * 1000 / int(found[5]))
    return ms if ms <= LENGTH_MS else None
