"""Converts Art-Net timecode, the bytes of one ArtTimeCode packet, to ms (Art-Net 4, "ArtTimeCode"); pure."""

import re

BYTES = 19
_ID, _OPCODE = b"Art-Net\0", b"\x00\x97"
_RATES = (24, 25, 30, 30)  # film, EBU, SMPTE drop, SMPTE; drop frame counts 30 and skips numbers
_DROP = 2
DAY_MS = 24 * 3600 * 1000


def decode(packet: bytes) -> float | None:
    """ms since 00:00:00:00; None if it is not such a packet."""
    if len(packet) < BYTES or packet[:8] != _ID or packet[8:10] != _OPCODE:
        return None
    frames, seconds, minutes, hours, kind = packet[14:19]
    if kind >= len(_RATES) or frames >= _RATES[kind] or seconds > 59 or minutes > 59 or hours > 23:
        return None
    return _ms(hours, minutes, seconds, frames, kind)


def offset_ms(text: str) -> float:
    """`01:00:00:00` or `01:00:00`, its frames counted at 25 a second. Raises ValueError."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d)(?::([01]\d|2[0-4]))?", text)
    if found is None:
        raise ValueError(f"{text!r}: a timecode such as 01:00:00:00")
    return _ms(int(found[1]), int(found[2]), int(found[3]), int(found[4] or 0), 1)


def since(at: float, offset: float) -> float:
    """The position in a timeline that begins at `offset`: negative before it, and right over midnight."""
    return (at - offset + DAY_MS / 2) % DAY_MS - DAY_MS / 2


def _ms(hours: int, minutes: int, seconds: int, frames: int, kind: int) -> float:
    whole = (hours * 60 + minutes) * 60 + seconds
    if kind != _DROP:
        return whole * 1000 + frames * 1000 / _RATES[kind]
    gone = hours * 60 + minutes  # two frame numbers are skipped each minute, except each tenth
    count = whole * 30 + frames - 2 * (gone - gone // 10)
    return count * 1001 / 30
