"""One device in the room: its picture and what is known of it, as large as there is place."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from effectd.cli import style
from effectd.cli.watch import pictures
from effectd.cli.watch.pictures import Line
from effectd.cli.watch.room import Device, Program, Room

DIM, BOLD = Style(dim=True), Style(bold=True)
_GAP = [Segment("  ")]
# height of the picture -> a line each of what stands beside it; from 4 on in a box that bears the name
_BESIDE = {
    8: ("does", "meter", "look", "left", "id", "latency", "amiss ready", "what"),
    6: ("does look", "meter", "left", "id", "latency", "amiss ready"),
    5: ("does look", "left", "id", "latency", "amiss ready"),
    4: ("does look", "left", "latency id", "amiss ready"),
    3: ("name does", "amiss look left latency", "ready id"),
    2: ("name does", "amiss left latency ready id"),
    1: ("name does left latency amiss ready look id",),
}
_BOX = 4
_WIDTHS = {12: 20, 10: 20, 8: 18, 6: 16, 5: 12, 4: 12, 3: 20, 2: 20, 1: 32}  # least, of what stands beside the picture
HEIGHTS = tuple(_WIDTHS)
_PADDED = {"does": 8, "left": 10, "latency": 8}  # in a line of its own a fact stands below that of the device above


def size(height: int) -> tuple[int, int]:
    """Least width, and the height, of a cell whose picture is `height` lines high."""
    box = 2 if height >= _BOX else 0
    return 2 * height + 2 + _WIDTHS[height] + box, height + box


def cell(room: Room, device: Device, height: int, width: int, *, colour: bool) -> list[Line]:
    """The device in exactly `width` times `size(height)` cells."""
    now, boxed = room.now(), height >= _BOX
    picture = pictures.picture(device, now, height, colour=colour)
    inner = width - (2 if boxed else 0)
    beside = inner - 2 * height - 2
    facts = _facts(room, device, beside, height)
    rows = _BESIDE[max(known for known in _BESIDE if known <= height)]
    texts = [_join([facts[name] for name in row.split()], beside) for row in rows]
    above = (height - len(texts)) // 2
    texts = [[]] * above + texts + [[]] * (height - len(texts) - above)
    lines = [
        [Segment(" "), *shape, Segment(" "), *fit(text, beside)] for shape, text in zip(picture, texts, strict=True)
    ]
    if not boxed:
        return lines
    border = _border(device, now)
    edge = Segment("│", border)
    title = [Segment("╭ ", border), Segment(device.name, BOLD), Segment(" ", border)]
    presence = [Segment(" "), *_presence(device), Segment(" ╮", border)]
    rule = width - length(title) - length(presence)
    top = fit([*title, Segment("─" * rule, border)], width - length(presence)) + presence
    bottom = [Segment("╰" + "─" * (width - 2) + "╯", border)]
    return [top, *([edge, *line, edge] for line in lines), bottom]


def fit(line: Sequence[Segment], width: int) -> Line:
    """The line in exactly `width` cells; where it is longer, with … at its end."""
    width = max(width, 0)
    if length(line) <= width or width < 2:
        return Segment.adjust_line_length(list(line), width)
    return [*Segment.adjust_line_length(list(line), width - 1), Segment("…", DIM)]


def length(line: Sequence[Segment]) -> int:
    return Segment.get_line_length(list(line))


def state(program: Program, *, told: bool) -> Segment:
    """A program's state in its colour; dim where nobody tells it now."""
    word = program.state or "no word"
    return Segment(word, word_style(word) if told else DIM)


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


def _join(parts: list[Line], width: int) -> Line:
    """The parts in a line of `width` cells; one of which only a few letters would be left is left out."""
    line: Line = []
    for part in parts:
        if not length(part):
            continue
        left = width - length(line) - length(_GAP)
        if line and left < min(length(part), 8):
            break
        line += [*(_GAP if line else ()), *part]
    return line


def _facts(room: Room, device: Device, width: int, height: int) -> dict[str, Line]:
    now = room.now()
    longest = max(len(name) for name in room.devices)
    facts: dict[str, Line] = {name: [] for name in ("look", "left", "id", "latency", "amiss", "ready")}
    facts |= {
        "name": fit([Segment(device.name, BOLD)], min(longest, width // 3 if height == 1 else width - 9)),
        "does": _does(device, now, short=height < _BOX or width < 16),
        "meter": _meter(device, now, min(width, 24)),
        "what": [Segment("  ".join(filter(None, (device.kind, device.where))), DIM)],
    }
    if device.running(now):
        left = device.left(now)
        facts["look"] = [Segment(device.look)] if device.look else []
        facts["left"] = [Segment("held" if device.held else "" if left is None else f"{left:.1f} s left")]
        facts["id"] = [Segment(device.effect_id, DIM)]
    if device.latency_ms is not None:
        label = "latency " if height > _BOX and width >= 15 else ""
        facts["latency"] = [Segment(label, DIM), Segment(f"{device.latency_ms:.1f} ms")]
    program = room.programs.get(device.name)
    if program is not None and program.state:
        facts["ready" if program.state == "ready" else "amiss"] = _program(program, now, told=room.told)
    if height == 1:
        facts |= {name: fit(facts[name], cells) for name, cells in _PADDED.items()}
    return facts


def _does(device: Device, now: float, *, short: bool) -> Line:
    if device.online is False:
        return [Segment("offline", Style.parse("bold red"))]
    if device.running(now):
        named = device.effect_type and not (short and device.effects == (device.effect_type,))
        return [Segment(f"{device.effect_type if named else 'on'} {device.intensity:.0f} %", BOLD)]
    return [Segment("off" if device.online or device.silent else "no word yet", DIM)]


def _meter(device: Device, now: float, width: int) -> Line:
    full = round(device.intensity / 100 * width) if device.running(now) else 0
    return [Segment("━" * full, pictures.style(device)), Segment("─" * (width - full), DIM)]


def _program(program: Program, now: float, *, told: bool) -> Line:
    line = [state(program, told=told)]
    if program.since is not None:
        line.append(Segment(f" {ago(now - program.since)}", DIM))
    return [*line, Segment(f" {program.reason}")] if program.reason else line


def _presence(device: Device) -> Line:
    if device.online is None:
        return [Segment("unconfirmed" if device.silent else "?", DIM)]
    word = "online" if device.online else "offline"
    return [Segment(word, word_style(word) + Style(bold=not device.online))]


def _border(device: Device, now: float) -> Style:
    if device.online is False:
        return Style.parse("red")
    return pictures.style(device) if device.running(now) else DIM
