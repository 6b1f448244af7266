"""Each sample document becomes exactly the effects and problems that stand beside it."""

from pathlib import Path

import msgspec
import pytest

from effectd.timeline.document import Timeline
from effectd.timeline.reading import read

FOLDER = Path(__file__).resolve().parents[1] / "timelines"
SAMPLES = sorted(path for path in FOLDER.rglob("*.*") if path.suffix not in (".md", ".expected", ".commands"))


def document(path: Path) -> bytes:
    data = path.read_bytes()
    return data.replace(b'\\"', b'"') if path.suffix == ".txt" else data


def as_text(timeline: Timeline) -> str:
    lines = [f"{timeline.kind}, {timeline.duration} ms, {len(timeline.effects)} effects, {timeline.title!r}"]
    for effect in timeline.effects:
        fields = {key: value for key, value in msgspec.to_builtins(effect).items() if key not in ("id", "timestamp")}
        lines.append(f"{effect.timestamp} {msgspec.json.encode(fields).decode()}")
    return "\n".join([*lines, *map(str, timeline.problems), ""])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_becomes_the_effects_and_problems_that_stand_beside_it(path: Path) -> None:
    expected = path.with_name(path.name + ".expected")
    assert as_text(read(document(path))) == expected.read_text()


def test_there_are_samples_of_every_kind() -> None:
    kinds = {read(document(path)).kind for path in SAMPLES}
    assert kinds == {"JSON", "MPEG-V SEM", "Python_PlaySEM JSON", "Python_PlaySEM XML", "history", "wind track"}
