"""The room on a terminal: a header, the devices where they stand, the programs, and what was not done."""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from effectd.cli.watch import device_panel as cells
from effectd.cli.watch import pictures
from effectd.cli.watch.device_panel import BOLD, DIM, ago, fit, length
from effectd.cli.watch.pictures import FRAMES_HZ, Line
from effectd.cli.watch.room import Device, Program, Room

_COLUMNS = ("left", "center", "right")
_COLUMN_OF = (0, 0, 1, 2, 2)  # of a term of X
_TALL = 30  # lines from which programs and troubles get more of them
_ALERT = Style.parse("bold white on red")


class Frame:
    """Finished lines, none wider than the width that they were made for."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


def pace(room: Room) -> float:
    """Seconds until the next frame is worth drawing, if no message comes: what moves, what counts down, clocks."""
    on = [device for device in room.devices.values() if device.running(room.now())]
    if any(pictures.moves(device) for device in on):
        return 1 / FRAMES_HZ
    return 0.2 if on else 1.0


def draw(room: Room, width: int, height: int, *, colour: bool) -> Frame:
    """The whole room in `width` times `height` cells."""
    tall, low = height >= _TALL, height < 14
    top = [_header(room, width)]
    if room.away:
        top.append(fit([Segment(f" no connection to the broker: {room.away} ", _ALERT)], width))
    programs = [] if low else [_rule("programs", width), *_programs(room, width, 5 if tall else 2)]
    free = height - len(top) - len(programs)
    reserved = 0 if low else 5 if tall else 3
    devices = list(_Floor(room, width, free - reserved, colour=colour).lines()) or [[Segment(" no devices", DIM)]]
    troubles = [] if low else _troubles(room, width, free - len(devices))
    blank = max(free - len(devices) - len(troubles), 0)
    lines = [*top, *devices, *[list[Segment]()] * blank, *programs, *troubles]
    return Frame([fit(line, width) for line in lines[:height]])


def _header(room: Room, width: int) -> Line:
    clock = time.strftime("%H:%M:%S", time.localtime(room.wall() / 1000))
    right = [Segment(f"{room.rate():.1f}", BOLD), Segment(f" effects/s  {clock} ", DIM)]
    mark = Segment("●", Style.parse("red" if room.away else "green"))
    left = [Segment(" effectd ", Style(bold=True, reverse=True)), Segment(" "), mark, Segment(f" {room.address}")]
    return [*fit([*left, Segment(f"  {room.home}", DIM)], width - length(right)), *right]


def _rule(title: str, width: int, end: str = "") -> Line:
    return [Segment(f"── {title} {'─' * max(width - len(title) - len(end) - 4, 0)}{end}", DIM)]


# --- devices ---------------------------------------------------------------------------------------------------------


class _Floor:
    """The devices on `width` times `height` cells: where they stand, if any has a place, else in rows."""

    def __init__(self, room: Room, width: int, height: int, *, colour: bool) -> None:
        self._room, self._width, self._height, self._colour = room, width, height, colour
        self._devices = list(room.devices.values())

    def lines(self) -> Iterator[Line]:
        """As large as all of them fit; where they do not, those that are on or amiss, and a count of the others."""
        columns = [[d for d in self._devices if _column(d) == index] for index in range(len(_COLUMNS))]
        everywhere = [d for d in self._devices if _column(d) is None]
        for form in _FORMS if any(columns) else ():
            rows = max(map(len, columns)) + -(-len(everywhere) // len(_COLUMNS))
            titles = 2 if everywhere else 1
            if self._width // len(_COLUMNS) >= form.least and rows * form.tall + titles <= self._height:
                return self._placed(columns, everywhere, form)
        for form in _FORMS:
            across = -(-len(self._devices) // max(self._height // form.tall, 1))
            if self._width // max(across, 1) >= form.least and form.tall <= self._height:
                return self._grid(self._devices, form, max(across, 1), self._width)
        return self._some()

    def _some(self) -> Iterator[Line]:
        form, now = _FORMS[-1], self._room.now()
        across = max(self._width // form.least, 1)
        shown = max(self._height - 1, 0) * across
        devices = sorted(self._devices, key=lambda d: not d.running(now) and d.online is not False)
        yield from self._grid(devices[:shown], form, across, self._width)
        running = sum(device.running(now) for device in devices[shown:])
        yield [Segment(f" and {len(devices) - shown} more devices, {running} of them on", DIM)]

    def _placed(self, columns: list[list[Device]], everywhere: list[Device], form: "_Form") -> Iterator[Line]:
        """Three columns, the top of the room above and its back before its front; below them what has no place."""
        wide = self._width // len(_COLUMNS)
        yield [part for title in _COLUMNS for part in fit(_rule(title, wide - 1), wide)]
        drawn = list[list[Line]]()
        for column in columns:
            column.sort(key=lambda d: (-(1 if d.place[1] is None else d.place[1]), d.place[2] or 0))
            drawn.append(list(self._grid(column, form, 1, wide)))
        for row in zip_longest(*drawn, fillvalue=list[Segment]()):
            yield [part for line in row for part in fit(line, wide)]
        if everywhere:
            yield _rule("everywhere", self._width)
            yield from self._grid(everywhere, form, len(_COLUMNS), self._width)

    def _grid(self, devices: list[Device], form: "_Form", across: int, width: int) -> Iterator[Line]:
        wide = min(width // across, form.least + 40)
        for first in range(0, len(devices), across):
            row = devices[first : first + across]
            drawn = [cells.cell(self._room, device, form.size, wide, colour=self._colour) for device in row]
            for lines in zip(*drawn, strict=True):
                yield [part for line in lines for part in line]
            yield from ([] for _ in range(form.gap))


class _Form(NamedTuple):
    """Pictures of `size` lines with `gap` blank lines below: without a box a gap keeps two lamps apart."""

    size: int
    gap: int

    @property
    def least(self) -> int:
        return cells.size(self.size)[0]

    @property
    def tall(self) -> int:
        return cells.size(self.size)[1] + self.gap


_FORMS = [_Form(size, gap) for size in cells.HEIGHTS for gap in ((1, 0) if size in (2, 3) else (0,))]


def _column(device: Device) -> int | None:
    return None if device.place[0] is None else _COLUMN_OF[device.place[0]]


# --- programs and troubles -------------------------------------------------------------------------------------------


def _programs(room: Room, width: int, rows: int) -> list[Line]:
    """Those that are not ready first, a line each with the reason; the others in columns, or only counted."""
    if room.away:
        return [[Segment(" no word from any program while there is no connection", DIM)]]
    wrong = [program for program in room.programs.values() if program.state != "ready"]
    ready = [program for program in room.programs.values() if program.state == "ready"]
    wide = min(max(len(name) for name in room.programs) + 14, 40)
    across = max(width // wide, 1)
    if len(wrong) + -(-len(ready) // across) <= rows:
        lines = [_program(room, program) for program in wrong]
        for first in range(0, len(ready), across):
            row = [fit(_program(room, program), wide) for program in ready[first : first + across]]
            lines.append([part for line in row for part in line])
        return lines
    rest = [f"{program.name} {program.state or 'no word'}" for program in wrong[rows - 1 :]]
    counted = Segment(f" {', '.join([*rest, f'{len(ready)} ready: '])}")
    names = Segment(", ".join(program.name for program in ready), DIM)
    return [*(_program(room, program) for program in wrong[: rows - 1]), [counted, names]]


def _program(room: Room, program: Program) -> Line:
    since = "" if program.since is None else f"  {ago(room.now() - program.since)}"
    said = [Segment(f" {program.name}  "), cells.state(program, told=room.told), Segment(since, DIM)]
    return [*said, Segment(f"  {program.reason}")] if program.reason else said


def _troubles(room: Room, width: int, height: int) -> list[Line]:
    title = f"not done: {room.trouble_count}" if room.trouble_count else "not done: none yet"
    lines = [_rule(title, width, " q ends ")]
    for trouble in room.troubles[: max(height - 1, 0)]:
        at = time.strftime("%H:%M:%S", time.localtime(trouble.at / 1000))
        word = Segment(f"{trouble.word:<13} ", cells.word_style(trouble.word))
        said = Segment(f"{trouble.what}  {trouble.reason}  ")
        lines.append([Segment(f" {at}  ", DIM), word, said, Segment(trouble.effect_id, DIM)])
    return lines[: max(height, 0)]
