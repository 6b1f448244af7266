"""The pictures: a lamp, a fan, a shaking bar, a drifting scent, a level; each `height` lines of twice as many cells.

A fan and a bar are drawn in braille dots, two by four a cell, which makes a dot as wide as it is high.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from effectd.cli.watch import room
from effectd.cli.watch.room import Device
from effectd.messages.effect import Effect

Line = list[Segment]
FRAMES_HZ = 15

_TURNS_A_SECOND = 1.5  # of a fan at 100 %; with three blades more than 2.5 would seem to turn backwards at 15 frames
_STEPS = 24  # pictures of a fan, over the third of a turn after which it looks the same
_SHAKE = (1.0, -0.7, 0.8, -1.0, 0.6, -0.9)
_RISE_S = 2.4  # a scent's way from the bottom to the top
_KINDS = {
    **dict.fromkeys(("light", "flash", "lamp", "strobe"), "lamp"),
    **dict.fromkeys(("wind", "fan", "air"), "fan"),
    **dict.fromkeys(("vibration", "rumble", "haptic", "tactile", "shake"), "shaker"),
    **dict.fromkeys(("scent", "smell", "odor", "aroma"), "scent"),
}
_COLOURS = {"fan": "cyan", "shaker": "magenta", "scent": "green", "level": "yellow"}
_LEVELS = {"temperature": "red", "heat": "red", "heating": "red", "cold": "blue", "cooling": "bright_blue"}
_LEVELS |= {"fog": "white", "smoke": "white", "water": "blue", "spray": "blue", "spraying": "blue"}
OFF = Style(dim=True)


def kind(device: Device) -> str:
    """lamp, fan, shaker, scent or level: by what it does now, else by what it can do."""
    wanted = device.effect_type or (device.effects[0] if device.effects else device.name)
    return _KINDS.get(wanted, "level")


def moves(device: Device) -> bool:
    """Whether its picture is another one each moment while it is on."""
    return kind(device) in ("fan", "shaker", "scent")


def style(device: Device) -> Style:
    """The colour of what it does."""
    shape = kind(device)
    if shape == "lamp":
        return Style(color=Color.from_rgb(*_shown(device, 1.0)))
    return Style.parse(_LEVELS.get(device.effect_type, _COLOURS[shape]))


def picture(device: Device, now: float, height: int, *, colour: bool) -> list[Line]:
    """What it looks like now. Without `colour` a lamp's brightness is told by how dense it is."""
    return _DRAW[kind(device)](device, now, height, colour)


# --- lamp ------------------------------------------------------------------------------------------------------------


def _lamp(device: Device, now: float, height: int, colour: bool) -> list[Line]:
    if not device.running(now):
        return _hollow(height)
    width = 2 * height
    block = "█" if colour else "░▒▓█"[min(int(device.intensity / 25), 3)]
    glow = {1: (1.0,), 2: (0.6, 1.0), 3: (0.45, 0.75, 1.0)}[min((height + 2) // 4, 3) if height > 3 else 1]
    looks = [Style(color=Color.from_rgb(*_shown(device, share))) for share in glow]
    lines = list[Line]()
    for row in range(height):
        rim = [min(ring, row, height - 1 - row) for ring in range(len(looks) - 1)]  # the edge is darker, as a glow is
        middle = Segment(block * (width - 4 * len(rim)), looks[min(len(rim), row, height - 1 - row)])
        sides = [Segment(block * 2, looks[ring]) for ring in rim]
        lines.append([*sides, middle, *reversed(sides)])
    return lines


def _shown(device: Device, share: float) -> tuple[int, int, int]:
    """Its colour at its brightness. The eye takes a quarter of the light for half as bright, hence the root."""
    rgb = Effect(id="", effect_type="", parameters=device.parameters).rgb()
    bright = math.sqrt(device.intensity / 100) * share if device.on else share
    red, green, blue = (round(part * bright) for part in rgb)
    return red, green, blue


def _hollow(height: int) -> list[Line]:
    width = 2 * height
    if height < 3:
        return [[Segment("░" * width, OFF)] for _ in range(height)]
    rows = ["╭" + "─" * (width - 2) + "╮", *["│" + " " * (width - 2) + "│"] * (height - 2)]
    return [[Segment(row, OFF)] for row in [*rows, "╰" + "─" * (width - 2) + "╯"]]


# --- fan -------------------------------------------------------------------------------------------------------------


def _fan(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    step = int(device.run(now) * _TURNS_A_SECOND * 3 * _STEPS) % _STEPS
    look = style(device) if device.running(now) else OFF
    return [[Segment(row, look)] for row in _blades(height, step)]


@lru_cache(maxsize=512)
def _blades(height: int, step: int) -> list[str]:
    """Three swept blades, a hub, and a ring around them where there is room for one."""
    middle, third = 2 * height - 0.5, math.tau / 3
    turned = third * step / _STEPS

    def solid(x: int, y: int) -> bool:
        across, down = x - middle, y - middle
        reach = math.hypot(across, down) / (middle + 0.5)
        if reach > 0.88:
            return height >= 5 and 1 - 1.1 / middle < reach <= 1.0
        if reach < 0.16:
            return True
        angle = (math.atan2(down, across) - turned - 0.9 * reach) % third
        return angle < 0.42 + 0.75 * reach

    return _dots(height, solid)


# --- shaking bar -----------------------------------------------------------------------------------------------------


def _shaker(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    running, share = device.running(now), device.intensity / 100
    swing = max(1.0, share * 0.65 * height) * _SHAKE[int(now * FRAMES_HZ) % len(_SHAKE)] if running else 0.0
    waves = math.ceil(share * 2) if running and height >= 4 else 0
    rows = _bar(height, round(swing), waves)
    return [[Segment(row, style(device) if running else OFF)] for row in rows]


@lru_cache(maxsize=512)
def _bar(height: int, shift: int, waves: int) -> list[str]:
    """An upright bar, `shift` dots beside its place, between `waves` lines on each side."""
    middle, half = 2 * height - 0.5, max(1.0, 0.5 * height)
    tall = 1.75 * height

    def solid(x: int, y: int) -> bool:
        across, down = x - middle, y - middle
        if abs(across - shift) <= half and abs(down) <= tall:
            return True
        edges = (1.72 * height, 1.97 * height)[2 - waves :] if waves else ()
        return any(abs(abs(across) - edge) < 0.5 and abs(down) < tall * 0.55 for edge in edges)

    return _dots(height, solid)


def _dots(height: int, solid: Callable[[int, int], bool]) -> list[str]:
    """Braille cells (Unicode U+2800, bit by dot): `solid` says of each dot whether it is set."""
    bits = ((0, 0, 1), (0, 1, 2), (0, 2, 4), (1, 0, 8), (1, 1, 16), (1, 2, 32), (0, 3, 64), (1, 3, 128))
    return [
        "".join(
            chr(0x2800 + sum(bit for right, down, bit in bits if solid(2 * column + right, 4 * row + down)))
            for column in range(2 * height)
        )
        for row in range(height)
    ]


# --- scent -----------------------------------------------------------------------------------------------------------


def _scent(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    """The letters of its name rise in one swaying plume, above half intensity in two, and fade into dots."""
    running, width = device.running(now), 2 * height
    looks = [style(device) + Style(bold=True), style(device), style(device) + Style(dim=True)]
    cells: list[Line] = [[Segment(" ")] * width for _ in range(height)]
    if height > 2:
        cells[-1][height - 2 : height + 2] = [Segment(part, looks[1] if running else OFF) for part in "╰──╯"]
    if not running:
        return cells
    name = room.text(device.parameters.get("scent")) or device.effect_type or "scent"
    letters = [letter for letter in name if letter.isprintable() and letter.isascii() and letter != " "] or ["~"]
    rows = height - (height > 2)
    for side in (1, -1):
        share = device.intensity / 50 - (side < 0)
        count = max(side, round(min(share, 1.0) * height))
        for number in range(count):
            risen = (now / _RISE_S + number / count) % 1.0
            sway = side * math.sin(now * 1.3 + risen * 5) * height * (0.15 + 0.7 * risen)
            row, column = rows - 1 - int(risen * rows), min(max(round(height - 0.5 + sway), 0), width - 1)
            letter = "·" if risen > 0.85 and height > 2 else letters[-number % len(letters)]
            cells[row][column] = Segment(letter, looks[int(risen * 3)])
    return cells


# --- level -----------------------------------------------------------------------------------------------------------


def _level(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    """A vessel filled to the intensity, in eighths of a line."""
    walls = height > 2
    inside, rows = 2 * height - 2 * walls, height - walls
    full = device.intensity / 100 * rows if device.running(now) else 0.0
    wall = [Segment("│", OFF)] * walls
    lines = list[Line]()
    for row in reversed(range(rows)):
        eighths = min(max(round((full - row) * 8), 0), 8)
        level = (
            Segment(" ▁▂▃▄▅▆▇█"[eighths] * inside, style(device)) if eighths or walls else Segment("░" * inside, OFF)
        )
        lines.append([*wall, level, *wall])
    return [*lines, [Segment("╰" + "─" * inside + "╯", OFF)]] if walls else lines


_DRAW = {"lamp": _lamp, "fan": _fan, "shaker": _shaker, "scent": _scent, "level": _level}
