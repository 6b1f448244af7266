"""Adds one entry to a mapping of a YAML file, and keeps every other byte, comments included.

The text is cut only at positions of the parser's events; where that is not possible, yamlround writes it. The result is
parsed again and must be the old data plus the new entry; else it is refused, with the lines to add by hand.
"""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from effectd.config import yamlround
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlround import STEP
from effectd.config.yamlsafe import CannotEdit, Unsafe, settled


class Entry(NamedTuple):
    """One key of a mapping, and the events of its value."""

    key: Any
    value: list[Any]


def add(path: Path, data: bytes, key: str, name: str, entry: dict[str, Any]) -> bytes:
    """`data`, the bytes of the file `path`, with `entry` as the last one below its top level key `key`.

    Raises CannotEdit; ConfigError where the file itself cannot be read.
    """
    before, wanted = YamlFile(path, data).data, {name: entry}
    by_hand, keys = block({key: wanted}, 0, STEP), (key, name)
    try:
        after = {**(before or {}), key: {**((before or {}).get(key) or {}), **wanted}}
    except TypeError:  # no mapping stands there
        raise CannotEdit(by_hand) from None

    def grow(text: str) -> str:
        return _grow(text, key, wanted)

    return settled(
        path, data, [after], [grow, *yamlround.ways(keys, yamlround.put(keys, entry), grow)], by_hand=by_hand
    )


def _grow(text: str, key: str, new: dict[str, Any]) -> str:
    root: list[Any] = [
        event
        for event in yaml.parse(text, Loader=yaml.SafeLoader)
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent)
    ]
    if not any(event.end_mark.index > event.start_mark.index for event in root):  # empty, or nothing but comments
        return insert(text, len(text), -1, block({key: new}, 0, STEP))
    top = entries(root)
    column, is_flow = top[0].key.start_mark.column if top else 0, root[0].flow_style
    value = next((entry.value for entry in top if entry.key.value == key), None)
    if value is None:
        if is_flow:
            raise Unsafe
        return insert(text, end_of(root), -1, block({key: new}, column, STEP))
    start, opened, end = value[0].start_mark.index, value[0].end_mark.index, end_of(value)
    if isinstance(value[0], yaml.MappingStartEvent):
        devices = entries(value)
        if not value[0].flow_style:
            at = devices[0].key.start_mark.column
            return insert(text, end, column, block(new, at, _step(devices, at - column)))
        inside = end_of(value[1:-1]) or opened
        if devices or is_flow or text[inside : end - 1].strip():
            return text[:inside] + (", " if devices else "") + flow(new) + text[inside:]
    elif is_flow or not isinstance(value[0], yaml.ScalarEvent) or value[0].value not in ("", "~", "null"):
        raise Unsafe
    # an explicit empty value is replaced by a block
    bare = text[:start].rstrip(" ")
    return insert(bare + text[end:], len(bare), column, block(new, column + STEP, STEP))


def entries(mapping: list[Any]) -> list[Entry]:
    if not isinstance(mapping[0], yaml.MappingStartEvent):
        raise Unsafe
    nodes, depth = list[list[Any]](), 0
    for event in mapping[1:-1]:
        if depth == 0:
            nodes.append([])
        nodes[-1].append(event)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
    return [Entry(key[0], value) for key, value in zip(nodes[::2], nodes[1::2], strict=True)]


def end_of(events: list[Any]) -> int:
    """Where the node of these events ends in the text. The end of a block only shows at what follows it."""
    ends, flows = [0], []
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            flows.append(event.flow_style)
        elif not isinstance(event, yaml.CollectionEndEvent) or flows.pop():
            ends.append(event.end_mark.index)
    return max(ends)


def behind_comments(text: str, at: int, column: int) -> int:
    """The position after the comments at `at` that are indented by more than `column`."""
    looked = at
    for line in text[at:].splitlines(keepends=True):
        looked += len(line)
        if line.lstrip().startswith("#"):
            if len(line) - len(line.lstrip()) > column:
                at = looked
        elif line.strip():
            break
    return at


def insert(text: str, end: int, column: int, lines: str) -> str:
    """`lines` after the line that `end` is in, and after the comments there that are indented by more than `column`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    at = end
    if end and text[end - 1] != "\n":  # else a block scalar ends here, with its last line
        at = text.find("\n", end) + 1 or len(text)
    at = behind_comments(text, at, column)
    before = text[:at] if not at or text[at - 1] == "\n" else text[:at] + newline
    return before + lines.replace("\n", newline) + text[at:]


def _step(devices: list[Entry], outer: int) -> int:
    """The file's indentation below a device."""
    for device in devices:
        if isinstance(device.value[0], yaml.MappingStartEvent) and not device.value[0].flow_style:
            return int(entries(device.value)[0].key.start_mark.column - device.key.start_mark.column)
    return outer


def block(new: dict[str, Any], column: int, step: int) -> str:
    text = yaml.safe_dump(
        new, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000, indent=max(2, step)
    )
    return textwrap.indent(text, " " * column)


def flow(new: dict[str, Any]) -> str:
    text = yaml.safe_dump(new, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text.strip()[1:-1]
