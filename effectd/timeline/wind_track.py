"""Wind tracks, as home 4D cinemas share them: `HH:MM:SS[.mmm],WORD` a line, `#` before a comment.

A word sets the wind until the next one. Further words are for other devices; a line `# map: MIST_ON = fog 60` in the
file says what a word means that is not known here.
"""

import re

from effectd.messages.effect import Effect
from effectd.timeline.document import EFFECTS, Problem, Problems, Reading, made, text_of, too_many

_LINE = re.compile(r"\s*(\d{1,3}):([0-5]?\d):([0-5]?\d)(?:[.:,](\d{1,3}))?\s*,\s*([A-Za-z][A-Za-z0-9_ +-]{0,63}?)\s*$")
_MAP = re.compile(r"\s*#\s*map:\s*([A-Za-z][\w+-]*)\s*=\s*([a-z][a-z-]*)\s+(\d{1,3}|[a-z]+)\s*$", re.IGNORECASE)
_SLICE = 500  # lines
WORDS: dict[str, tuple[str, float | str]] = {
    "OFF": ("wind", 0),
    "ECO": ("wind", 12),
    "LOW": ("wind", "low"),
    "MED": ("wind", "medium"),
    "HIGH": ("wind", "high"),
    "SMOKE_ON": ("fog", 100),
    "SMOKE_OFF": ("fog", 0),
    "STROBE_ON": ("flash", 100),
    "STROBE_OFF": ("flash", 0),
}


def looks_like(data: bytes) -> bool:
    """Whether the first line that is no comment is one of a track."""
    for line in data[:8192].decode(errors="replace").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return _LINE.match(line) is not None or re.match(r"\s*\d+:\d+:\d+", line) is not None
    return False


def steps(data: bytes) -> Reading:
    problems, words = Problems(), dict(WORDS)
    effects: list[Effect] = []
    unknown: set[str] = set()
    for number, line in enumerate(text_of(data).splitlines(), 1):
        if number % _SLICE == 0:
            yield
        if not line.strip() or line.lstrip().startswith("#"):
            if found := _MAP.match(line):
                value = found[3]
                words[found[1].upper()] = found[2].lower(), min(100, int(value)) if value.isdigit() else value.lower()
            continue
        found = _LINE.match(line)
        if found is None:
            problems.add(Problem(number, 1, line.strip()[:40], "no line of the form HH:MM:SS.mmm,WORD", "left out"))
            continue
        word = found[5].upper()
        if word not in words:
            if word not in unknown:
                unknown.add(word)
                hint = f"this word is not known; say what it means: # map: {word} = fog 60"
                problems.add(Problem(number, found.start(5) + 1, found[5], hint, "left out"))
            continue
        effect_type, level = words[word]
        seconds = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
        at = seconds * 1000 + int((found[4] or "0").ljust(3, "0"))
        effects.append(Effect(id="", effect_type=effect_type, intensity=level, duration=0, timestamp=at))
        if len(effects) > EFFECTS:
            raise too_many()
    return (yield from made("wind track", effects, problems))
