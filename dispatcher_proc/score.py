"""A timeline resolved for the devices of this home: what is fired when, and what is on at each moment. Pure."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Generator

import msgspec
from msgspec import Struct

from dispatcher_proc import routing
from effectd.base.errors import EffectRefused
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages.effect import DEFAULT_TTL_MS, Effect
from effectd.timeline.document import Problem, Problems, Timeline

TTL_MS = 500  # so late a short effect may begin, as after a restart of its driver; a long one as any other
_SLICE = 200  # effects, some 2 ms


class Command(Struct, frozen=True, gc=False):
    """What is fired at `at` (ms in the timeline): effect `n` of the document, for `devices`.

    `effect` has no id yet; `part` tells the shares of an effect apart whose devices are moved by different delays.
    """

    at: int
    n: int
    effect: Effect
    devices: tuple[str, ...]
    part: str = ""


class Segment(Struct, gc=False):
    """`command` is what one device does from `start` to `end` (ms in the timeline)."""

    start: int
    end: int
    command: Command


class Score:
    """`commands` by time; where several are due at once, in the document's order. `length` in ms."""

    def __init__(self, timeline: Timeline, length: int, commands: list[Command], problems: tuple[Problem, ...]) -> None:
        self.timeline, self.length, self.problems = timeline, length, problems
        self.commands = commands
        self.digest = ""  # of the document, for whoever compares two
        self._starts: dict[str, list[int]] = {}
        self._segments: dict[str, list[Segment]] = {}

    def first_from(self, at: float) -> int:
        """The number of the first command that is due at `at` or later."""
        return bisect_left(self.commands, at, key=lambda command: command.at)

    def due(self, at: float) -> dict[str, Segment]:
        """By device, what began before `at` and lasts beyond it."""
        found: dict[str, Segment] = {}
        for device, starts in self._starts.items():
            index = bisect_left(starts, at) - 1
            if index >= 0 and self._segments[device][index].end > at:
                found[device] = self._segments[device][index]
        return found

    def last_fired(self, index: int) -> dict[str, Segment]:
        """By device, what the last of the first `index` commands that turned it on did there."""
        found: dict[str, Segment] = {}
        for command in self.commands[:index]:
            for device in command.devices:
                segment = self.segment(device, command)
                if segment is not None:
                    found[device] = segment
        return found

    def segment(self, device: str, command: Command) -> Segment | None:
        """What the command is on the device; None: it is off there, or never on, as a higher one is."""
        starts = self._starts.get(device, [])
        for index in range(bisect_right(starts, command.at) - 1, -1, -1):
            found = self._segments[device][index]
            if found.start < command.at:
                break
            if found.command is command:
                return found
        return None

    def add(self, command: Command, resolved: dict[str, Effect], config: Config) -> None:
        """The next command, in the order of `commands`."""
        for device in command.devices:
            effect = resolved[device]
            segments = self._segments.setdefault(device, [])
            last = segments[-1] if segments else None
            running = last is not None and last.end > command.at
            if not effect.intensity:
                if running and last is not None:
                    last.end = min(last.end, command.at + effect.fade)
                continue
            if running and last is not None:
                if last.command.effect.priority > effect.priority:
                    continue
                last.end = command.at
            longest = config.devices[device].limits.max_on_ms
            lasts = min(effect.duration or longest, longest)
            segments.append(Segment(command.at, command.at + lasts, command))
            self._starts.setdefault(device, []).append(command.at)


def build(timeline: Timeline, config: Config) -> Generator[None, None, Score]:
    """Resolve a slice of effects at each `next`; the score is the generator's value."""
    problems = Problems()
    for problem in timeline.problems:
        problems.add(problem)
    plans: dict[tuple[object, ...], routing.Plan] = {}
    taken_by_none: Counter[str] = Counter()
    too_long: set[str] = set()
    planned: list[tuple[Command, dict[str, Effect]]] = []
    end = 0
    for n, effect in enumerate(timeline.effects):
        if n % _SLICE == 0:
            yield
        try:
            plan = _plan(effect, config, plans)
        except EffectRefused as refused:
            if refused.field == "effect_type":
                taken_by_none[effect.effect_type] += 1
            else:
                problems.add(Problem(0, 0, f"effects[{n}]", str(refused), "left out"))
            continue
        if not plan:
            taken_by_none[effect.effect_type] += 1
            continue
        end = max(end, effect.timestamp + max((each.duration or 0) for each in plan.values()))
        for name, each in plan.items():
            longest = config.devices[name].limits.max_on_ms
            if each.intensity and (each.duration or 0) > longest and name not in too_long:
                too_long.add(name)
                why = f"{each.duration} ms is longer than its max_on_ms"
                problems.add(Problem(0, 0, f"effects[{n}] on {name}", why, f"{longest} ms"))
        planned += [(each, plan) for each in _commands(effect, n, plan, config.devices)]
    for effect_type, count in taken_by_none.items():
        why = f"no device of this home does {effect_type}: {count} effect{'s' * (count > 1)}"
        problems.add(Problem(0, 0, "", why, "left out"))
    planned.sort(key=lambda each: (each[0].at, each[0].n))
    length = timeline.duration if timeline.fixed else max(end, timeline.duration)
    score = Score(timeline, length, [command for command, _ in planned], problems.all())
    for count, (command, resolved) in enumerate(planned):
        if count % _SLICE == 0:
            yield
        score.add(command, resolved, config)
    return score


def _plan(effect: Effect, config: Config, plans: dict[tuple[object, ...], routing.Plan]) -> dict[str, Effect]:
    """The effect as each of its devices gets it; the choice of devices is made once for many effects."""
    key = (effect.effect_type, effect.location, effect.target, effect.intensity, effect.duration, effect.fade)
    plan = plans.get(key)
    if plan is None:
        plan = plans[key] = routing.plan(effect, config)
    if not plan.devices:
        return {}
    resolved = next(iter(plan.devices.values()))
    own = msgspec.structs.replace(effect, intensity=resolved.intensity, duration=resolved.duration)
    return dict.fromkeys(plan.devices, own)


def _commands(effect: Effect, n: int, plan: dict[str, Effect], devices: dict[str, Device]) -> list[Command]:
    """One command, or one for each delay among the devices; never before the start of the timeline."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name in plan:
        groups.setdefault(delays(devices[name]), []).append(name)
    found = []
    for (up, down), names in groups.items():
        resolved = plan[names[0]]
        moved = down if not resolved.intensity else up
        at = max(0, effect.timestamp - moved)
        duration = resolved.duration or 0
        if duration and resolved.intensity:
            duration = max(1, effect.timestamp + duration - down - at)
        sent = msgspec.structs.replace(effect, duration=duration, fade=min(effect.fade, duration or effect.fade))
        if len(groups) > 1:
            sent = aimed(sent, tuple(names))
        sent = msgspec.structs.replace(sent, ttl_ms=min(DEFAULT_TTL_MS, max(TTL_MS, duration or DEFAULT_TTL_MS)))
        found.append(Command(at, n, sent, tuple(names), f"-{up}-{down}" if len(groups) > 1 else ""))
        for name in names:
            plan[name] = msgspec.structs.replace(resolved, duration=duration, fade=sent.fade)
    return found


def delays(device: Device) -> tuple[int, int]:
    """How much earlier this device has to be told to rise, and to fall (ms)."""
    delay = device.delay_ms
    return (delay, delay) if isinstance(delay, int) else (delay.up, delay.down)


def aimed(effect: Effect, devices: tuple[str, ...]) -> Effect:
    """The effect for exactly these devices, which its location and target have chosen already."""
    return msgspec.structs.replace(effect, target=devices, location="everywhere")
