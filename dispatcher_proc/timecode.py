"""Converts Art-Net timecode, one ArtTimeCode packet, to a position in ms (Art-Net 4, "ArtTimeCode"); pure."""

import re

BYTES = 19
_ID, _OPCODE = b"Art-Net\0", b"\x00\x97"
_RATES = (24, 25, 30, 30)  # film, EBU, SMPTE drop, SMPTE; drop frame counts 30 and skips numbers
_DROP = 2
_OFFSET = re.compile(r"(\d+):(\d+):(\d+)(?::(\d+))?")


def position(packet: bytes, offset: str) -> float | None:
    """ms since the timecode `offset`; negative before it, and correct over midnight. None if it is not such a packet.

    Everything is counted as the packet counts: a day of drop frames is 86.4 ms shorter than 24 hours. The frames in
    `offset` are 25 a second.
    """
    label = _label(packet)
    begin = _OFFSET.fullmatch(offset)
    if label is None or begin is None:
        return None
    hours, minutes, seconds, frames, kind = label
    begins = _ms(int(begin[1]), int(begin[2]), int(begin[3]), 0, kind) + int(begin[4] or 0) * 40
    day = _ms(24, 0, 0, 0, kind)
    return (_ms(hours, minutes, seconds, frames, kind) - begins + day / 2) % day - day / 2


def _label(packet: bytes) -> tuple[int, int, int, int, int] | None:
    """Hours, minutes, seconds, frames, and the index of the rate."""
    if len(packet) < BYTES or packet[:8] != _ID or packet[8:10] != _OPCODE:
        return None
    frames, seconds, minutes, hours, kind = packet[14:19]
    if kind >= len(_RATES) or frames >= _RATES[kind] or seconds > 59 or minutes > 59 or hours > 23:
        return None
    return hours, minutes, seconds, frames, kind


def _ms(hours: int, minutes: int, seconds: int, frames: int, kind: int) -> float:
    whole = (hours * 60 + minutes) * 60 + seconds
    if kind != _DROP:
        return whole * 1000 + frames * 1000 / _RATES[kind]
    gone = hours * 60 + minutes  # two frame numbers are skipped each minute, except each tenth
    count = whole * 30 + frames - 2 * (gone - gone // 10)
    return count * 1001 / 30
