"""Judge what a witness saw over time: the budget of a device, the flashes of a zone, and that nothing held moves."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from effectd.messages.history import Actuated, Program

SECOND_MS, RISE = 1000.0, 10.0
TOLERANCE_MS = 300.0
TOGETHER_MS = 200.0  # 20 in the drivers, and a slow device among them (tests/chaos/faulty.py)
LAST_CALL_MS = 300.0
HELD = "held by "

Span = tuple[float, float]
Witnessed = Mapping[str, Sequence[Actuated]]
Find = Callable[[str, str, float], None]
Tolerance = Callable[[float, float], float]


class Hung(Protocol):
    """When one of these devices could not be switched off, because its driver stood still."""

    def __call__(self, *names: str) -> list[Span]: ...


@dataclass(frozen=True)
class Bounds:
    """`budgets`: device -> on_ms, window_ms; `flashes`: the lights of each zone, and their flashes a second."""

    budgets: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    flashes: Sequence[tuple[tuple[str, ...], int]] = ()


def budgets(bounds: Bounds, witnessed: Witnessed, hung: Hung, tolerance: Tolerance, find: Find) -> None:
    """In every window that ends where a device goes off, it was on for its budget at most."""
    for device, (on_ms, window_ms) in bounds.budgets.items():
        spans = _on(witnessed.get(device, ()))
        for _, end in spans:
            used = _used(spans, end - window_ms, end) - _overlap(spans, hung(device), end - window_ms, end)
            if used > on_ms + tolerance(end - window_ms, end):
                find(
                    "over budget", f"{device}: on for {used:.0f} of {window_ms:.0f} ms, its budget is {on_ms:.0f}", end
                )


def flashes(bounds: Bounds, witnessed: Witnessed, delayed: Tolerance, find: Find) -> None:
    """In no second the lights of a zone flash more often than they may."""
    for devices, most in bounds.flashes:
        rises = sorted((at, device) for device in devices for at in _rises(witnessed.get(device, ())))
        found = _together(rises, delayed) if len(devices) > most else [at for at, _ in rises]
        for first, at in zip(found, found[most:], strict=False):
            if at - first < SECOND_MS - TOLERANCE_MS - delayed(
                first, at
            ):  # one that is heard late seems closer to the next
                find("flashes", f"{', '.join(devices)}: {most + 1} flashes in {at - first:.0f} ms", at)


def _together(rises: Sequence[tuple[float, str]], delayed: Tolerance) -> list[float]:
    """Of more lights than may flash in a second: what rises at once is one flash, in which each light is once."""
    found: list[float] = []
    lights = set[str]()
    for at, device in rises:
        if found and device not in lights and at - found[-1] <= TOGETHER_MS + delayed(found[-1], at):
            lights.add(device)
        else:
            found.append(at)
            lights = {device}
    return found


def held(witnessed: Witnessed, programs: Sequence[Program], buses: Mapping[str, str], find: Find) -> None:
    """While a driver's own gate says that it is held, and for as long as it lives, its device does nothing."""
    for device, seen in witnessed.items():
        name = buses.get(device, device)
        lines = [line for line in programs if line.name == name]
        for line, then in itertools.zip_longest(lines, lines[1:]):
            if line.state != "ready" or HELD not in line.reason:
                continue
            until = then.mono_ms if then is not None else float("inf")
            # a call that ran when the hold came may still move the actuator, and off follows at its heels
            moved = [e for e in seen if e.on and line.mono_ms + LAST_CALL_MS < e.mono_ms < until - LAST_CALL_MS]
            for event in moved:
                find("held", f"{event.id}: {device} driven while {line.reason}", event.mono_ms)


def _on(seen: Sequence[Actuated]) -> list[Span]:
    spans, since = [], None
    for event in seen:
        if event.on and since is None:
            since = event.mono_ms
        elif not event.on and since is not None:
            spans.append((since, event.mono_ms))
            since = None
    return spans


def _rises(seen: Sequence[Actuated]) -> list[float]:
    """When a level went up by a tenth of full scale or more, after it had gone down by as much."""
    found, extreme, rising = [], 0.0, False
    for event in seen:
        level = event.intensity if event.on else 0.0
        if rising and extreme - level >= RISE:
            rising, extreme = False, level
        elif not rising and level - extreme >= RISE:
            found.append(event.mono_ms)
            rising, extreme = True, level
        else:
            extreme = max(extreme, level) if rising else min(extreme, level)
    return found


def _used(spans: Sequence[Span], since: float, until: float) -> float:
    return sum(max(0.0, min(end, until) - max(start, since)) for start, end in spans)


def _overlap(spans: Sequence[Span], others: Sequence[Span], since: float, until: float) -> float:
    return sum(_used(spans, max(since, start), min(until, end)) for start, end in others)
