"""Shows the playing and paused timelines as one line; pure, fed with messages on their state topics."""

from typing import Any

from effectd.cli import style

_MOST = 100
_SHOWN = ("playing", "paused")


class Playing:
    """Moments are seconds of the room's clock."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, float, float, float]] = {}  # status, position and length (ms), heard at

    def hear(self, name: str, fields: dict[str, Any], now: float) -> None:
        status = fields.get("status")
        position, length = style.number(fields.get("position_ms")), style.number(fields.get("duration_ms"))
        if status not in _SHOWN or position is None or length is None:
            self._shown.pop(name, None)
        elif name in self._shown or len(self._shown) < _MOST:
            self._shown[name] = str(status), max(0.0, position), max(0.0, length), now

    def clear(self) -> None:
        self._shown.clear()

    @property
    def moves(self) -> bool:
        return any(status == "playing" for status, *_ in self._shown.values())

    def line(self, now: float) -> str:
        """`film 0:12.3 / 1:00.0, ambience paused 0:03.0 / 5:00.0`; "" where nothing plays."""
        said = []
        for name, (status, position, length, heard) in sorted(self._shown.items()):
            at = min(position + (now - heard) * 1000 * (status == "playing"), length)
            paused = "" if status == "playing" else f"{status} "
            said.append(f"{name} {paused}{style.clock(at)} / {style.clock(length)}")
        return ", ".join(said)
