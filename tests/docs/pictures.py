"""The picture of `effectd watch` in README.md: a real home, four effects, and what the terminal shows of them as SVG.

`scripts/pictures` writes docs/pictures/watch.svg. No test compares it: each run has its own moment.
"""

import os
import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.system.home import Client, Home
from tests.system.terminal import HOME, Terminal

FILE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "watch.svg"
COLUMNS, LINES = 80, 24
PORT, PATH = 1883, "/srv/my-room"  # shown in place of those of a temporary home
EFFECTS = {
    "scent": {"id": "rain", "intensity": 50, "duration": 9000, "parameters": {"scent": "rain"}},
    "light": {"id": "sunset", "intensity": 90, "duration": 20000, "parameters": {"color": "#ff8c30"}},
    "wind": {"id": "gust", "intensity": 60, "duration": 20000},
    "vibration": {"id": "thunder", "intensity": 80, "duration": 20000},
}
_COLOURS = [(224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194)]
_DARK, _GREY, _LIGHT, _WHITE = (16, 18, 24), (110, 118, 130), (214, 218, 226), (255, 255, 255)
DARK = TerminalTheme(_DARK, _LIGHT, [_DARK, *_COLOURS, _LIGHT], [_GREY, *_COLOURS, _WHITE])


def taken() -> str:
    """The last whole picture, escape sequences and all, with every effect on."""
    with Home() as home:
        home.start_ready()
        client = Client(home.port)
        try:
            with Terminal(home, "watch", size=(COLUMNS, LINES), COLORTERM="truecolor") as terminal:
                terminal.shows("6 ready|ready")
                for effect_type, payload in EFFECTS.items():
                    client.publish(f"effects/{effect_type}", payload)
                    client.receipt(str(payload["id"]))
                terminal.shows("rain")
                terminal.shows("80 %")
                drawn = terminal.drawn
                while terminal.drawn < drawn + 3:
                    os.sched_yield()
                picture = terminal.raw.split(HOME)[-2]
                for its, shown in ((f":{home.port}", f":{PORT}"), (str(home.path), PATH)):
                    assert its in picture
                    picture = picture.replace(its, shown.ljust(len(its)))
                return picture
        finally:
            client.close()


def as_svg(picture: str) -> str:
    """The picture as an SVG that loads nothing from elsewhere."""
    console = Console(record=True, file=StringIO(), width=COLUMNS, force_terminal=True, color_system="truecolor")
    for line in picture.replace("\r", "").split("\n")[:LINES]:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    svg = console.export_svg(title="effectd watch", theme=DARK, unique_id="watch")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(as_svg(taken()))


if __name__ == "__main__":
    main()
