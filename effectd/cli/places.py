"""Remembers where this home's topics were at its last `up`, to clear what was moved or removed while nothing ran."""

from pathlib import Path

import msgspec

from effectd.base import in_place
from effectd.config import part, programs
from effectd.config.reader import Config
from effectd.supervision.plan import Left, Place, place_of

_FILE = "places"


class Was(msgspec.Struct, frozen=True):
    """A place, and whose topics may be there."""

    root: str
    broker: part.Part
    devices: tuple[str, ...]
    programs: tuple[str, ...]

    @property
    def place(self) -> Place:
        return Place(self.root, self.broker)


def now(tree: Config) -> Was:
    root, broker = place_of(part.of(tree, programs.BROKER))
    return Was(root, broker, tuple(tree.devices), tuple(tree.programs))


def known(home: Path) -> list[Was]:
    """Every place at which something may be kept, the last one among them."""
    try:
        return msgspec.json.decode((home / "run" / _FILE).read_bytes(), type=list[Was])
    except (OSError, msgspec.DecodeError):
        return []


def remember(home: Path, places: list[Was]) -> None:
    in_place.write(home / "run" / _FILE, msgspec.json.encode(places))


def left(was: Was, here: Was) -> Left | None:
    """What is still retained there but should not be; the home's own broker keeps nothing after its end."""
    moved = was.place != here.place
    devices, ended = set(was.devices), set(was.programs)
    if not moved:
        devices, ended = devices.difference(here.devices), ended.difference(here.programs)
    if was.broker["embedded"] or not (devices or ended):
        return None
    return Left(was.place, tuple(sorted(devices)), tuple(sorted(ended)))
