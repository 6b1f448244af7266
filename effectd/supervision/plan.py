"""Computes the plan that brings both files into force, from the files and from what runs; pure.

Exactly what has changed is touched: a program whose part of config.yaml has changed is restarted, or reloads it if it
can; one whose section of supervisor.conf has changed is loaded again; one that is in neither file ends, and what the
broker retains of it is cleared.
"""

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from effectd.config import part, programs
from effectd.config.part import Part

# keys that no program can reload while it is connected or listens
_CONNECTION = ("topic_root", "home_assistant", "broker", "page")


class Runs(NamedTuple):
    """One program that supervisord knows. `part`: the configuration that it uses; None if it does not say.

    `ours`: not a program that the user has added.
    """

    group: str
    alive: bool
    part: Part | None = None
    ours: bool = True


class Sections(NamedTuple):
    """How supervisor.conf differs from what supervisord has loaded, as it reports: names of its groups."""

    added: Iterable[str] = ()
    changed: Iterable[str] = ()
    removed: Iterable[str] = ()


class Place(NamedTuple):
    """Where a program's topics are. `broker`: as in a part, {"embedded": True} for the home's own."""

    root: str
    broker: Part


class Left(NamedTuple):
    """What a broker still retains of programs and devices that are gone."""

    place: Place
    devices: tuple[str, ...]
    programs: tuple[str, ...]


class Plan(NamedTuple):
    """In this order: `end`, `renew`, `restart` are stopped; `left` is cleared; then what should run is started."""

    end: tuple[str, ...] = ()
    renew: tuple[str, ...] = ()  # its section in supervisor.conf has changed
    restart: Mapping[str, list[str]] = {}  # program -> the keys that have changed
    left: tuple[Left, ...] = ()
    add: tuple[str, ...] = ()  # groups new in supervisor.conf
    start: tuple[str, ...] = ()
    reread: Mapping[str, list[str]] = {}  # as `restart`: it reads config.yaml again and goes on


def plan(
    wanted: Mapping[str, Part],
    devices: Container[str],
    sections: Sections,
    runs: Mapping[str, Runs],
    only: Container[str] | None = None,
) -> Plan:
    """`wanted`: the parts of the files' programs; `devices`: those of the files; `only`: what is to be touched."""

    def concerns(name: str) -> bool:
        return only is None or name in only

    end = [name for name, found in runs.items() if found.group in sections.removed and concerns(name)]
    renew = [name for name, found in runs.items() if found.group in sections.changed and concerns(name)]
    start, restart, reread = list[str](), dict[str, list[str]](), dict[str, list[str]]()
    for name, new in wanted.items():
        found = runs.get(name)
        if found is None or name in end or name in renew:
            continue
        soft = programs.of(name).rereads
        if not found.alive:
            if concerns(name):
                start.append(name)
        elif found.part is None:  # it does not report its part: an earlier version, or it is just starting
            if soft:
                reread[name] = []
        elif keys := part.differences(found.part, new):
            if soft and not any(key.split(".")[0] in _CONNECTION for key in keys):
                reread[name] = keys
            elif concerns(name):
                restart[name] = keys
    add = [group for group in sections.added if concerns(group)]
    moved = {*end, *renew, *restart}
    untouched = {name: found for name, found in runs.items() if found.alive and name not in moved}
    driven = {each for name, found in untouched.items() if _drives(name) for each in devices_of(name, found.part)}
    gone = {name for name in _devices(runs) if name not in devices and concerns(name)} - driven
    for name in end:  # its devices belong to another program now, which is not started yet, or are driven elsewhere
        if _drives(name) and runs[name].ours:
            gone.update(devices_of(name, runs[name].part))
    left = _left(wanted, gone, runs, moved)
    return Plan(tuple(end), tuple(renew), restart, left, tuple(add), tuple(start), reread)


def _alive(runs: Mapping[str, Runs], name: str) -> bool:
    return name in runs and runs[name].alive


def _drives(name: str) -> bool:
    return programs.of(name) is programs.DEVICE


def place_of(own: Part) -> Place:
    broker = own["broker"]
    return Place(own["topic_root"], {"embedded": True} if broker["embedded"] else broker)


def devices_of(name: str, own: Part | None) -> list[str]:
    """The devices that the program `name` drives or knows."""
    several = own.get("devices") if own else None
    if isinstance(several, dict):
        return list(several)
    return [name] if _drives(name) else []


def _devices(runs: Mapping[str, Runs]) -> set[str]:
    """All devices that a running program knows, and those that were stopped."""
    return {device for name, found in runs.items() if found.ours for device in devices_of(name, found.part)}


def _left(
    wanted: Mapping[str, Part], gone: Container[str], runs: Mapping[str, Runs], moved: Container[str]
) -> tuple[Left, ...]:
    """What the devices `gone`, and the programs `moved` to another place, leave at their old place."""
    here = next((place_of(own) for own in wanted.values()), None)
    known = [runs[name].part for name in (programs.BROKER, programs.DISPATCHER, *runs) if name in runs]
    usual = next((place_of(own) for own in known if own), None)  # for those that do not report it themselves
    left = dict[str, tuple[Place, set[str], set[str]]]()
    for name, found in runs.items():
        place = place_of(found.part) if found.part else usual
        if place is None or not found.ours:
            continue
        _, devices, ours = left.setdefault(repr(place), (place, set(), set()))
        away = name in moved and place != here
        devices.update(device for device in devices_of(name, found.part) if away or device in gone)
        if away or (name in moved and name not in wanted):
            ours.add(name)
    # what the home's own broker kept is gone with its process
    fresh = programs.BROKER in moved or not _alive(runs, programs.BROKER)
    return tuple(
        Left(place, tuple(sorted(devices)), tuple(sorted(ours)))
        for place, devices, ours in left.values()
        if (devices or ours) and not (fresh and place.broker == {"embedded": True})
    )
