"""Draws one device: its picture and its state, as large as there is space."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from effectd.cli import style
from effectd.cli.watch import pictures
from effectd.cli.watch.pictures import Line
from effectd.cli.watch.room import Device, Program, Room

DIM, BOLD = Style(dim=True), Style(bold=True)
# of the picture -> the least width of what stands beside it: 6 for four devices in 80 times 24, 4 for six
HEIGHTS = {6: 16, 4: 12, 1: 32}
_GAP = Segment("  ")
_STALE = Style.parse("yellow")


def size(height: int) -> tuple[int, int]:
    """Least width, and the height, of a panel whose picture is `height` lines high; above 1 it is in a box."""
    box = 2 if height > 1 else 0
    return 2 * height + 2 + HEIGHTS[height] + box, height + box


def panel(room: Room, device: Device, height: int, width: int, *, colour: bool) -> list[Line]:
    """The device in exactly `width` times `size(height)` cells."""
    now = room.now()
    beside = width - 2 * height - 2 - (2 if height > 1 else 0)
    texts = _texts(room, device, height, beside)
    shapes = pictures.picture(device, now, height, colour=colour)
    lines = [
        [Segment(" "), *shape, Segment(" "), *fit(text, beside)] for shape, text in zip(shapes, texts, strict=True)
    ]
    if height == 1:
        return lines
    border = DIM
    if device.online is False:
        border = Style.parse("red")
    elif device.running(now):
        border = pictures.style(device)
    edge = Segment("│", border)
    title = [Segment("╭ ", border), Segment(device.name, BOLD), Segment(" ", border)]
    presence = [Segment(" "), _presence(device), Segment(" ╮", border)]
    rule = Segment("─" * (width - length(title) - length(presence)), border)
    top = [*fit([*title, rule], width - length(presence)), *presence]
    return [top, *([edge, *line, edge] for line in lines), [Segment("╰" + "─" * (width - 2) + "╯", border)]]


def fit(line: Sequence[Segment], width: int) -> Line:
    """The line cut or padded to exactly `width` cells; … marks a cut."""
    width = max(width, 0)
    if length(line) <= width or width < 2:
        return Segment.adjust_line_length(list(line), width)
    return [*Segment.adjust_line_length(list(line), width - 1), Segment("…", DIM)]


def length(line: Sequence[Segment]) -> int:
    return Segment.get_line_length(list(line))


def program_line(room: Room, program: Program, gap: str = " ") -> Line:
    """`ready 5 s`, or with the reason; dim while the states of programs are not published."""
    word = program.state or "no word"
    line = [Segment(word, word_style(word) if room.announced else DIM)]
    if program.since is not None:
        line.append(Segment(f"{gap}{ago(room.now() - program.since)}", DIM))
    if program.stale:
        line.append(Segment(f"{gap}stale: {', '.join(program.stale)}", _STALE))
    return [*line, Segment(gap + program.reason)] if program.reason else line


def word_style(word: str) -> Style:
    """The colour that a word has everywhere."""
    colour = style.colour(word)
    return Style.parse(colour) if colour else DIM


def ago(seconds: float) -> str:
    """`12 s`, `3 m`, `5 h`, `2 d`."""
    for unit, lasts in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= lasts:
            return f"{int(seconds // lasts)} {unit}"
    return f"{max(int(seconds), 0)} s"


def _texts(room: Room, device: Device, height: int, width: int) -> list[Line]:
    """The lines beside the picture."""
    now = room.now()
    left, running = device.left(now), device.running(now)
    look = [Segment(device.look if running else "")]
    lasts = [Segment("held" if device.held else "" if left is None else f"{left:.1f} s left")]
    if not running:
        lasts = [Segment(device.why, _STALE)]
    effect_id = [Segment(device.effect_id if running else "", DIM)]
    latency = list[Segment]()
    if device.latency_ms is not None:
        latency = [
            Segment("latency " if height > 1 and width >= 20 else "", DIM),
            Segment(f"{device.latency_ms:.1f} ms"),
        ]
    program = room.programs.get(device.program)
    state = program_line(room, program) if program is not None and program.state else []
    does = _does(device, now, short=height == 1 or width < 16)
    if height == 6:
        full = round(device.intensity / 100 * min(width, 24)) if running else 0
        meter = [Segment("━" * full, pictures.style(device)), Segment("─" * (min(width, 24) - full), DIM)]
        what = [Segment("  ".join(filter(None, (device.kind, device.where))), DIM)]
        return [_join([does, look], width), meter, lasts, effect_id, latency, _join([state, what], width)]
    if height == 4:
        return [_join([does, look], width), lasts, _join([latency, effect_id], width), state]
    name = fit([Segment(device.name, BOLD)], min(max(map(len, room.devices)), width // 3))
    # a fact stands below that of the device above
    return [_join([name, fit(does, 8), fit(lasts, 10), fit(latency, 8), state, look, effect_id], width)]


def _join(parts: list[Line], width: int) -> Line:
    """The parts in a line of `width` cells; one of which only a few letters would be left is left out."""
    line: Line = []
    for part in filter(length, parts):
        if line and width - length(line) - _GAP.cell_length < min(length(part), 8):
            break
        line += [_GAP, *part] if line else part
    return line


def _does(device: Device, now: float, *, short: bool) -> Line:
    if device.online is False:
        return [Segment("offline", Style.parse("bold red"))]
    if device.running(now):
        named = device.effect_type and not (short and device.effects == (device.effect_type,))
        return [Segment(f"{device.effect_type if named else 'on'} {device.intensity:.0f} %", BOLD)]
    return [Segment("off" if device.online or device.silent else "no word yet", DIM)]


def _presence(device: Device) -> Segment:
    if device.online is None:
        return Segment("unconfirmed" if device.silent else "?", DIM)
    word = "online" if device.online else "offline"
    return Segment(word, word_style(word) + Style(bold=not device.online))
