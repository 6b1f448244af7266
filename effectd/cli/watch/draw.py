"""Draws the room on a terminal: a header, the devices at their places, the programs, and failed effects."""

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from effectd.cli import style
from effectd.cli.watch import pictures
from effectd.cli.watch.device_panel import BOLD, DIM, HEIGHTS, fit, length, panel, program_line, size, word_style
from effectd.cli.watch.pictures import FRAMES_HZ, Line
from effectd.cli.watch.room import Device, Program, Room

_COLUMNS = ("left", "center", "right")
_COLUMN_OF = {None: None, 0: 0, 1: 0, 2: 1, 3: 2, 4: 2}  # of a term of X
_TALL = 30  # lines from which programs and troubles get more of them
_HELD = Style.parse("bold yellow")
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
    return 0.2 if on or room.playing.moves else 1.0


def draw(room: Room, width: int, height: int, *, colour: bool) -> Frame:
    """The whole room in `width` times `height` cells."""
    tall, low = height >= _TALL, height < 14
    top = [_header(room, width)]
    if room.away:
        top.append([Segment(f" no connection to the broker: {room.away} ", _ALERT)])
    if room.holds:
        holds = "; ".join(hold.in_full() for hold in room.holds)
        top.append([Segment(f" {style.clean(holds, 400)} ", _HELD)])
    if timelines := room.playing.line(room.now()):
        top.append([Segment(" timelines  ", DIM), Segment(timelines)])
    programs = [] if low else [_rule("programs", width), *_programs(room, width, 5 if tall else 2)]
    free = height - len(top) - len(programs)
    reserved = 0 if low else 5 if tall else 3
    devices = list(_Floor(room, width, free - reserved, colour=colour).lines()) or [[Segment(" no devices", DIM)]]
    troubles = [] if low else _troubles(room, width, free - len(devices))
    blank: list[Line] = [[]] * (free - len(devices) - len(troubles))
    lines = [*top, *devices, *blank, *programs, *troubles]
    return Frame([fit(line, width) for line in lines[:height]])


def _header(room: Room, width: int) -> Line:
    clock = time.strftime("%H:%M:%S", time.localtime(room.wall() / 1000))
    right = [Segment(f"{room.rate():.1f}", BOLD), Segment(f" effects/s  {clock} ", DIM)]
    mark = Segment(" ● ", Style.parse("red" if room.away else "green"))
    left = [Segment(" effectd ", Style(bold=True, reverse=True)), mark, Segment(room.address)]
    where = "  ".join(filter(None, ("", room.home, room.page)))
    return [*fit([*left, Segment(where, DIM)], width - length(right)), *right]


def _rule(title: str, width: int, end: str = "") -> Line:
    return [Segment(f"── {title} {'─' * (width - len(title) - len(end) - 4)}{end}", DIM)]


class _Floor:
    """The devices on `width` times `height` cells: where they stand, if any has a place, else in rows."""

    def __init__(self, room: Room, width: int, height: int, *, colour: bool) -> None:
        self._room, self._width, self._height, self._colour = room, width, height, colour

    def lines(self) -> Iterator[Line]:
        """As large as all of them fit; where they do not, those that are on or offline, and a count of the others."""
        devices = list(self._room.devices.values())
        columns = [[d for d in devices if _COLUMN_OF[d.place[0]] == index] for index in range(3)]
        everywhere = [d for d in devices if d.place[0] is None]
        for form in HEIGHTS if any(columns) else ():
            least, tall = size(form)
            rows = max(map(len, columns)) + -(-len(everywhere) // 3)
            if self._width // 3 >= least and rows * tall + 1 + bool(everywhere) <= self._height:
                return self._placed(columns, everywhere, form)
        for form in HEIGHTS:
            least, tall = size(form)
            across = max(-(-len(devices) // max(self._height // tall, 1)), 1)
            if self._width // across >= least and tall <= self._height:
                return self._grid(devices, form, across, self._width)
        return self._some(devices)

    def _some(self, devices: list[Device]) -> Iterator[Line]:
        now, across = self._room.now(), max(self._width // size(1)[0], 1)
        shown = max(self._height - 1, 0) * across
        devices.sort(key=lambda d: not d.running(now) and d.online is not False)
        yield from self._grid(devices[:shown], 1, across, self._width)
        running = sum(device.running(now) for device in devices[shown:])
        yield [Segment(f" and {len(devices) - shown} more devices, {running} of them on", DIM)]

    def _placed(self, columns: list[list[Device]], everywhere: list[Device], form: int) -> Iterator[Line]:
        """Three columns, the top of the room above and its back before its front; below them what has no place."""
        wide = self._width // 3
        yield [part for title in _COLUMNS for part in fit(_rule(title, wide - 1), wide)]
        for column in columns:
            column.sort(key=lambda d: (-(1 if d.place[1] is None else d.place[1]), d.place[2] or 0))
        for row in zip_longest(*(self._grid(column, form, 1, wide) for column in columns), fillvalue=list[Segment]()):
            yield [part for line in row for part in fit(line, wide)]
        if everywhere:
            yield _rule("everywhere", self._width)
            yield from self._grid(everywhere, form, 3, self._width)

    def _grid(self, devices: list[Device], form: int, across: int, width: int) -> Iterator[Line]:
        wide = min(width // across, size(form)[0] + 40)
        for first in range(0, len(devices), across):
            row = devices[first : first + across]
            for lines in zip(*(panel(self._room, d, form, wide, colour=self._colour) for d in row), strict=True):
                yield [part for line in lines for part in line]


def _programs(room: Room, width: int, rows: int) -> list[Line]:
    """Those that are not ready, or stale, first, a line each; the others in columns, or only counted."""
    if room.away:
        return [[Segment(" the states of programs are unknown while there is no connection", DIM)]]
    wrong = [program for program in room.programs.values() if program.state != "ready" or program.stale]
    wrong.sort(key=lambda program: program.state == "ready")
    ready = [program for program in room.programs.values() if program.state == "ready" and not program.stale]
    wide = min(max(len(name) for name in room.programs) + 14, 40)
    across = max(width // wide, 1)
    if len(wrong) + -(-len(ready) // across) <= rows:
        cells = [fit(_program(room, program), wide) for program in ready]
        rows_of = (cells[first : first + across] for first in range(0, len(cells), across))
        return [
            *(_program(room, program) for program in wrong),
            *([p for cell in row for p in cell] for row in rows_of),
        ]
    words = {program.name: "stale" if program.state == "ready" else program.state or "no word" for program in wrong}
    rest = [f"{program.name} {words[program.name]}" for program in wrong[rows - 1 :]]
    counted = Segment(f" {', '.join([*rest, f'{len(ready)} ready: '])}")
    names = Segment(", ".join(program.name for program in ready), DIM)
    return [*(_program(room, program) for program in wrong[: rows - 1]), [counted, names]]


def _program(room: Room, program: Program) -> Line:
    return [Segment(f" {program.name}  "), *program_line(room, program, gap="  ")]


def _troubles(room: Room, width: int, height: int) -> list[Line]:
    title = f"not done: {room.trouble_count}" if room.trouble_count else "not done: none yet"
    lines = [_rule(title, width, " q ends ")]
    for trouble in room.troubles[: max(height - 1, 0)]:
        at = time.strftime("%H:%M:%S", time.localtime(trouble.at / 1000))
        word = Segment(f"{trouble.word:<13} ", word_style(trouble.word))
        said = Segment(f"{trouble.what}  {trouble.reason}  ")
        lines.append([Segment(f" {at}  ", DIM), word, said, Segment(trouble.effect_id, DIM)])
    return lines[: max(height, 0)]
