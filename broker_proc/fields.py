"""The fields of which MQTT packets are made (section 1.5): numbers, strings, bytes; strict, never past `end`."""

from broker_proc.reasons import WireError


def number(data: bytes, at: int, end: int, size: int) -> tuple[int, int]:
    """An unsigned number of `size` bytes, and where it ends."""
    stop = at + size
    if stop > end:
        raise WireError("cut off in a number")
    return int.from_bytes(data[at:stop], "big"), stop


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer (1 to 4 bytes, in its shortest form), and where it ends."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if byte == 0 and shift:
                raise WireError("a length longer than it has to be")
            return value, at
        shift += 7
        if shift > 21:
            raise WireError("a length of more than four bytes")
    raise WireError("cut off in a length")


def binary(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Bytes after their length of two bytes, and where they end."""
    length, at = number(data, at, end, 2)
    if at + length > end:
        raise WireError("cut off in a string")
    return data[at : at + length], at + length


def text(data: bytes) -> str:
    """A UTF-8 string, without NUL and surrogates (Python's decoder refuses those)."""
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        raise WireError("a string that is not UTF-8") from None
    if "\0" in decoded:
        raise WireError("a string with a null character")
    return decoded


def string(data: bytes, at: int, end: int) -> tuple[str, int]:
    found, at = binary(data, at, end)
    return text(found), at


def topic_name(topic: str) -> str:
    """`topic`, if something can be published to it."""
    if not topic or "+" in topic or "#" in topic:
        raise WireError(f"nothing can be published to {topic[:40]!r}")
    return topic


def topic_filter(wanted: str) -> str:
    """`wanted`, if it can be subscribed to: + and # as whole levels, # last (section 4.7.1)."""
    if not wanted:
        raise WireError("an empty topic filter")
    if "#" in wanted or "+" in wanted:
        levels = wanted.split("/")
        for position, level in enumerate(levels, 1):
            alone = level == "+" or (level == "#" and position == len(levels))
            if not alone and ("+" in level or "#" in level):
                raise WireError(f"{wanted[:40]!r} is no topic filter")
    return wanted


def write_varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def write_string(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
