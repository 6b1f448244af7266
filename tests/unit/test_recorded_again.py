"""What `effectd record` writes of a timeline that plays is, played as a timeline, the same at the same times."""

from pathlib import Path

import msgspec
import pytest

from effectd.config.reader import Config
from effectd.messages import history
from effectd.timeline.reading import read
from tests.unit.test_timeline_documents import document
from tests.unit.timelines.room import Room, built, config
from tests.unit.timelines.test_scores import PLAYED

__all__ = ["config"]  # a fixture

Sent = list[tuple[int, str, str, float, int | None, int, object]]


def played(data: bytes, config: Config) -> Room:
    room = Room(config)
    room.conductor.load("film", built(read(data), config))
    room.conductor.play("film")
    room.after(4_000_000)
    return room


def facts(room: Room) -> Sent:
    first = room.sent[0][0]
    return [
        (at - first, device, each.effect_type, float(each.intensity), each.duration, each.fade, each.parameters)
        for at, device, each in room.sent
    ]


def recorded(room: Room) -> bytes:
    """As the recorder hears it: a `set` line a device."""
    lines = []
    for number, (at, device, effect) in enumerate(room.sent):
        event = history.Set(
            id=effect.id,
            device=device,
            effect_type=effect.effect_type,
            intensity=float(effect.intensity),
            duration=effect.duration or 0,
            seq=number,
            fade=effect.fade,
            parameters=effect.parameters,
            priority=effect.priority,
            at=1_800_000_000_000 + at,
            mono_ms=5000.25 + at,
        )
        lines.append(msgspec.json.encode(event))
    return b"\n".join(lines)


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.name)
def test_what_was_recorded_of_a_sample_gives_the_same_actuations_at_the_same_times(path: Path, config: Config) -> None:
    once = played(document(path), config)
    assert facts(once)
    assert facts(played(recorded(once), config)) == facts(once)
