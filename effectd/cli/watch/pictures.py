"""Draws the pictures: a lamp, a fan, a shaking bar, a drifting scent, a level; 6, 4 or 1 lines high, twice as wide.

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
_LOOKS = {  # effect type -> shape, colour
    **dict.fromkeys(("light", "flash", "lamp", "strobe"), ("lamp", "white")),
    **dict.fromkeys(("wind", "fan", "air"), ("fan", "cyan")),
    **dict.fromkeys(("vibration", "rumble", "haptic", "tactile", "shake"), ("shaker", "magenta")),
    **dict.fromkeys(("scent", "smell", "odor", "aroma"), ("scent", "green")),
    **dict.fromkeys(("temperature", "heat", "heating"), ("level", "red")),
    **dict.fromkeys(("cold", "water", "spray", "spraying"), ("level", "blue")),
    **dict.fromkeys(("fog", "smoke"), ("level", "white")),
    "cooling": ("level", "bright_blue"),
}
OFF = Style(dim=True)
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def _look(device: Device) -> tuple[str, str]:
    """Shape and colour: by what it does now, else by what it can do."""
    wanted = device.effect_type or (device.effects[0] if device.effects else device.name)
    return _LOOKS.get(wanted, ("level", "yellow"))


def moves(device: Device) -> bool:
    """Whether its picture is another one each moment while it is on."""
    return _look(device)[0] in ("fan", "shaker", "scent")


def style(device: Device) -> Style:
    """The colour of what it does."""
    shape, colour = _look(device)
    return Style(color=Color.from_rgb(*_shown(device))) if shape == "lamp" else Style.parse(colour)


def picture(device: Device, now: float, height: int, *, colour: bool) -> list[Line]:
    """What it looks like now. Without `colour` a lamp's brightness shows in how dense it is."""
    return _DRAW[_look(device)[0]](device, now, height, colour)


def _lamp(device: Device, now: float, height: int, colour: bool) -> list[Line]:
    width = 2 * height
    if not device.running(now):
        if height == 1:
            return [[Segment("░░", OFF)]]
        inside = width - 2
        rows = ["╭" + "─" * inside + "╮", *["│" + " " * inside + "│"] * (height - 2), "╰" + "─" * inside + "╯"]
        return [[Segment(row, OFF)] for row in rows]
    block = "█" if colour else "░▒▓█"[min(int(device.intensity / 25), 3)]
    full = Style(color=Color.from_rgb(*_shown(device)))
    return [[Segment(block * width, full)]] * height


def _shown(device: Device) -> tuple[int, int, int]:
    """Its colour at its brightness. The eye takes a quarter of the light for half as bright, hence the root."""
    bright = math.sqrt(device.intensity / 100) if device.on else 1.0
    rgb = Effect(id="", effect_type="", parameters=device.parameters).rgb()
    red, green, blue = (round(part * bright) for part in rgb)
    return red, green, blue


def _fan(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    step = int(device.run(now) * _TURNS_A_SECOND * 3 * _STEPS) % _STEPS
    look = style(device) if device.running(now) else OFF
    return [[Segment(row, look)] for row in _blades(height, step)]


@lru_cache(maxsize=128)
def _blades(height: int, step: int) -> list[str]:
    """Three swept blades, a hub, and a ring around them, but for the smallest."""
    middle, third = 2 * height - 0.5, math.tau / 3
    turned = third * step / _STEPS

    def solid(x: int, y: int) -> bool:
        across, down = x - middle, y - middle
        reach = math.hypot(across, down) / (middle + 0.5)
        if reach > 0.88:
            return height > 1 and 1 - 1.1 / middle < reach <= 1.0
        if reach < 0.16:
            return True
        angle = (math.atan2(down, across) - turned - 0.9 * reach) % third
        return angle < 0.42 + 0.75 * reach

    return _dots(height, solid)


def _shaker(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    running, share = device.running(now), device.intensity / 100
    swing = max(1.0, share * 0.65 * height) * _SHAKE[int(now * FRAMES_HZ) % len(_SHAKE)] if running else 0.0
    waves = math.ceil(share * 2) if running and height > 1 else 0
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
        edges = (1.72 * height, 1.97 * height)[2 - waves :]
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


def _scent(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    """The letters of its name rise in a swaying plume, the more the stronger, and fade into dots."""
    running, width = device.running(now), 2 * height
    looks = [style(device) + Style(bold=True), style(device), style(device) + Style(dim=True)]
    cells: list[Line] = [[Segment(" ")] * width for _ in range(height)]
    if height > 1:
        cells[-1][height - 2 : height + 2] = [Segment(part, looks[1] if running else OFF) for part in "╰──╯"]
    if not running:
        return cells
    name = room.text(device.parameters.get("scent")) or device.effect_type or "scent"
    letters = [letter for letter in name if letter.isprintable() and letter.isascii() and letter != " "] or ["~"]
    rows, count = max(height - 1, 1), max(1, round(device.intensity / 60 * height))
    for number in range(count):
        risen = (now / _RISE_S + number / count) % 1.0
        sway = math.sin(now * 1.3 + risen * 5) * height * (0.15 + 0.7 * risen)
        row, column = rows - 1 - int(risen * rows), min(max(round(height - 0.5 + sway), 0), width - 1)
        letter = "·" if risen > 0.85 and height > 1 else letters[-number % len(letters)]
        cells[row][column] = Segment(letter, looks[int(risen * 3)])
    return cells


def _level(device: Device, now: float, height: int, _colour: bool) -> list[Line]:
    """A vessel filled to the intensity, in eighths of a line."""
    share = device.intensity / 100 if device.running(now) else 0.0
    if height == 1:
        return [[Segment(_EIGHTHS[round(share * 8)] * 2, style(device)) if share else Segment("░░", OFF)]]
    inside, wall = 2 * height - 2, Segment("│", OFF)
    parts = [min(max(round((share * (height - 1) - row) * 8), 0), 8) for row in reversed(range(height - 1))]
    lines = [[wall, Segment(_EIGHTHS[part] * inside, style(device)), wall] for part in parts]
    return [*lines, [Segment("╰" + "─" * inside + "╯", OFF)]]


_DRAW = {"lamp": _lamp, "fan": _fan, "shaker": _shaker, "scent": _scent, "level": _level}
