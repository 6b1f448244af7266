"""A timeline resolved for the devices of this home: what is fired when, and what is on at each moment. Pure."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Generator, Iterator

import msgspec
from msgspec import Struct

from dispatcher_proc import routing
from effectd.base.errors import EffectRefused
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages.effect import DEFAULT_TTL_MS, Effect
from effectd.timeline import recorded
from effectd.timeline.document import Problem, Problems, Timeline

TTL_MS = 500  # a short effect may start this late, for example after a restart of its driver; a long one like any other
_SLICE = 100  # effects, some 1 ms
_SAME_MS = 1e-6  # a position is the sum of many times, so it may be as far from the moment that it means
_PLANNED = 32  # bits for the index of a command


class Command(Struct, frozen=True, gc=False):
    """What is fired at `at` (ms in the timeline): effect `n` of the document, for `devices`.

    `effect` has no id yet; `part` numbers the commands of one effect whose devices have different delays.
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

    @property
    def priority(self) -> int:
        return self.command.effect.priority


class Score:
    """`commands` by time; where several are due at once, in the document's order. `length` in ms."""

    def __init__(self, timeline: Timeline, length: int, commands: list[Command], problems: tuple[Problem, ...]) -> None:
        self.timeline, self.length, self.problems = timeline, length, problems
        self.commands = commands
        self.digest = ""  # of the document, for comparison
        self._starts: dict[str, list[int]] = {}
        self._segments: dict[str, list[Segment]] = {}

    def first_from(self, at: float) -> int:
        """The number of the first command that is due at `at` or later."""
        return bisect_left(self.commands, at, key=lambda command: command.at)

    def due(self, at: float) -> dict[str, Segment]:
        """By device, what started before `at` and lasts beyond it."""
        found: dict[str, Segment] = {}
        for device, starts in self._starts.items():
            index = bisect_left(starts, at) - 1
            if index >= 0 and self._segments[device][index].end > at + _SAME_MS:
                found[device] = self._segments[device][index]
        return found

    def last_fired(self, index: int) -> dict[str, Segment]:
        """By device, the segment of the last of the first `index` commands that turned it on."""
        found: dict[str, Segment] = {}
        for command in self.commands[:index]:
            for device in command.devices:
                segment = self.segment(device, command)
                if segment is not None:
                    found[device] = segment
        return found

    def segment(self, device: str, command: Command) -> Segment | None:
        """The segment of the command on the device; None: it turns it off, or is never on because a higher one is."""
        starts = self._starts.get(device, [])
        for index in range(bisect_right(starts, command.at) - 1, -1, -1):
            found = self._segments[device][index]
            if found.start < command.at:
                break
            if found.command is command:
                return found
        return None

    def add(self, command: Command, intensity: float, config: Config) -> None:
        """The next command, in the order of `commands`."""
        effect = command.effect
        for device in command.devices:
            segments = self._segments.setdefault(device, [])
            last = segments[-1] if segments else None
            running = last is not None and last.end > command.at
            if not intensity:
                if running and last is not None:
                    last.end = min(last.end, command.at + effect.fade)
                continue
            if running and last is not None:
                if last.priority > effect.priority:
                    continue
                last.end = command.at
            longest = config.devices[device].limits.max_on_ms
            lasts = min(effect.duration or longest, longest)
            segments.append(Segment(command.at, command.at + lasts, command))
            self._starts.setdefault(device, []).append(command.at)


def build(timeline: Timeline, config: Config) -> Generator[None, None, Score]:
    """Resolve a slice of effects at each `next`; the score is the generator's value."""
    builder = _Builder(timeline, config)
    for n, effect in enumerate(timeline.effects):
        if n % _SLICE == 0:
            yield
        builder.take(n, effect)
    yield
    length = timeline.duration if timeline.fixed else max(builder.end, timeline.duration)
    score = Score(timeline, length, [], builder.problems())
    planned = builder.planned
    builder.order.sort()  # 40,000 numbers are sorted in a few ms; with a key function it takes much longer
    for count, key in enumerate(builder.order):
        if count % _SLICE == 0:
            yield
        command, intensity = planned[key & (1 << _PLANNED) - 1]
        score.commands.append(command)
        score.add(command, intensity, config)
    return score


class _Builder:
    """`planned`: the commands, each with its intensity; `order`: when and which; `end`: of the last effect (ms)."""

    def __init__(self, timeline: Timeline, config: Config) -> None:
        self._config, self._devices = config, config.devices
        self._moved = timeline.kind != recorded.KIND  # its times are those at which devices got the effects
        self._problems = Problems()
        for problem in timeline.problems:
            self._problems.add(problem)
        self._chosen: dict[tuple[object, ...], tuple[str, ...]] = {}  # devices, for many effects at once
        self._taken_by_none: Counter[str] = Counter()
        self._too_long: set[str] = set()
        self.planned: list[tuple[Command, float]] = []
        self.order: list[int] = []
        self.end = 0

    def take(self, n: int, effect: Effect) -> None:
        """The effect `n` of the document; one that no device takes, or that would be refused, is left out."""
        try:
            resolved = routing.resolve(effect, self._config)
            names = self._choose(effect)
        except EffectRefused as refused:
            if refused.field != "effect_type":
                self._problems.add(Problem(0, 0, f"effects[{n}]", str(refused), "left out"))
                return
            names = ()
        if not names:
            self._taken_by_none[effect.effect_type] += 1
            return
        self.end = max(self.end, effect.timestamp + (resolved.duration or 0))
        self._check_length(n, resolved, names)
        for command in self._commands(n, effect, resolved, names):
            self.order.append(command.at << _PLANNED | len(self.planned))
            self.planned.append((command, float(resolved.intensity)))

    def problems(self) -> tuple[Problem, ...]:
        for effect_type, count in self._taken_by_none.items():
            why = f"no device of this home does {effect_type}: {count} effect{'s' * (count > 1)}"
            self._problems.add(Problem(0, 0, "", why, "left out"))
        return self._problems.all()

    def _choose(self, effect: Effect) -> tuple[str, ...]:
        key = (effect.effect_type, effect.location, effect.target)
        if key not in self._chosen:
            self._chosen[key] = tuple(routing.choose(effect, self._config)[0])
        return self._chosen[key]

    def _check_length(self, n: int, resolved: Effect, names: tuple[str, ...]) -> None:
        for name in names if resolved.intensity else ():
            longest = self._devices[name].limits.max_on_ms
            if (resolved.duration or 0) > longest and name not in self._too_long:
                self._too_long.add(name)
                why = f"{resolved.duration} ms is longer than its max_on_ms"
                self._problems.add(Problem(0, 0, f"effects[{n}] on {name}", why, f"{longest} ms"))

    def _commands(self, n: int, effect: Effect, resolved: Effect, names: tuple[str, ...]) -> Iterator[Command]:
        """One command for each delay among the devices; never before the start of the timeline."""
        groups: dict[tuple[int, int], tuple[str, ...]] = {}
        for name in names:
            delay = delays(self._devices[name]) if self._moved else (0, 0)
            groups[delay] = (*groups.get(delay, ()), name)
        duration, split = resolved.duration or 0, len(groups) > 1
        for (up, down), share in groups.items():
            at = max(0, effect.timestamp - (up if resolved.intensity else down))
            lasts = max(1, effect.timestamp + duration - down - at) if duration and resolved.intensity else duration
            sent = msgspec.structs.replace(
                effect,
                duration=lasts,
                fade=min(effect.fade, lasts or effect.fade),
                ttl_ms=min(DEFAULT_TTL_MS, max(TTL_MS, lasts or DEFAULT_TTL_MS)),
            )
            if split:
                yield Command(at, n, aimed(sent, share), share, f"-{up}-{down}")
            else:
                yield Command(at, n, sent, names)


def delays(device: Device) -> tuple[int, int]:
    """How much earlier the command has to be sent to this device to rise, and to fall (ms)."""
    delay = device.delay_ms
    return (delay, delay) if isinstance(delay, int) else (delay.up, delay.down)


def aimed(effect: Effect, devices: tuple[str, ...]) -> Effect:
    """The effect for exactly these devices, already chosen by its location and target."""
    return msgspec.structs.replace(effect, target=devices, location="everywhere")
