"""Changes or removes one entry of a YAML file, at any depth, and keeps every other byte, comments included.

As in yamledit, the text is cut only at positions of the parser's events; where that cannot be, yamlround writes it.
The result is parsed again: it must be the old data with that one change. What neither can do is refused.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from effectd.config import yamlround
from effectd.config.yamledit import Entry, behind_comments, block, end_of, entries, flow, insert
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlround import STEP, Keys
from effectd.config.yamlsafe import Unsafe, nothing, settled


def put(path: Path, data: bytes, keys: Keys, value: Any) -> bytes:
    """`data`, the bytes of `path`, with `value` at `keys`; missing mappings above it are made. Raises CannotEdit."""
    after: Any = copy.deepcopy(YamlFile(path, data).data or {})
    place = after
    for key in keys[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[keys[-1]] = value

    def cut(text: str) -> str:
        return _put(text, keys, value)

    ways = [cut, *yamlround.ways(keys, yamlround.put(keys, value), cut)]
    return settled(path, data, [after], ways, by_hand=block(_nested(keys, value), 0, STEP), gone=_gone(keys))


def take(path: Path, data: bytes, keys: Keys) -> bytes:
    """Without the entry at `keys`; a mapping below the second level that it leaves empty goes with it."""
    before = YamlFile(path, data).data
    while len(keys) > 2 and len(_at(before, keys[:-1])) == 1:
        keys = keys[:-1]
    bare: Any = copy.deepcopy(before)
    empty: Any = copy.deepcopy(before)
    for after in (bare, empty):
        del _at(after, keys[:-1])[keys[-1]]
    if len(keys) == 2 and not bare[keys[0]]:
        bare[keys[0]] = None  # a block with nothing in it

    def cut(text: str) -> str:
        return _take(text, keys)

    ways = [cut, *yamlround.ways(keys, yamlround.take(keys), cut)]
    return settled(path, data, [bare, empty], ways, by_hand=f"take out {'.'.join(keys)}", gone=_gone(keys))


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key]
    return data


def _gone(keys: Keys) -> Callable[[str], tuple[int, int]]:
    """The part of a text that goes with the entry, its comments too; nothing where that cannot be decided."""

    def span(text: str) -> tuple[int, int]:
        try:
            node, at, there = _found(text, keys)
        except Unsafe:
            return nothing(text)
        key, end = there[at].key, _end_of(text, there[at])
        return key.start_mark.index, end if node[0].flow_style else _past(text, end, key.start_mark.column)

    return span


def _root(text: str) -> list[Any]:
    return [
        event
        for event in yaml.parse(text, Loader=yaml.SafeLoader)
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent)
    ]


def _entry(mapping: list[Any], key: str) -> Entry | None:
    return next((entry for entry in entries(mapping) if getattr(entry.key, "value", None) == key), None)


def _put(text: str, keys: Keys, value: Any) -> str:
    node, column, found, in_flow = _root(text), -1, None, False
    for depth, key in enumerate(keys):
        if not isinstance(node[0], yaml.MappingStartEvent):  # nothing, or a scalar, where a mapping is wanted
            value = _nested(keys[depth:], value)
            break
        in_flow = in_flow or bool(node[0].flow_style)
        entry = _entry(node, key)
        if entry is None:
            return _add(text, node, column, {key: _nested(keys[depth + 1 :], value)})
        found, node, column = entry, entry.value, entry.key.start_mark.column
    if found is None:
        raise Unsafe
    return _replace(text, found, _line({"x": value}, in_flow=in_flow).removeprefix("x: "))


def _line(new: dict[str, Any], *, in_flow: bool) -> str:
    """One entry on one line; in a block fewer texts need quotes."""
    (value,) = new.values()
    if in_flow or isinstance(value, dict | list):
        return flow(new)
    return yaml.safe_dump(new, default_flow_style=False, allow_unicode=True, width=1_000_000).strip()


def _nested(keys: Keys, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _add(text: str, mapping: list[Any], column: int, new: dict[str, Any]) -> str:
    """`column`: of the key that the mapping belongs to."""
    there = entries(mapping)
    if not mapping[0].flow_style:
        at = there[0].key.start_mark.column
        (value,) = new.values()
        deep = isinstance(value, dict) and any(isinstance(below, dict) for below in value.values())
        lines = block(new, at, STEP) if deep else " " * at + _line(new, in_flow=False) + "\n"
        return insert(text, _end(text, mapping), column, lines)
    inside = end_of(mapping[1:-1]) or mapping[0].end_mark.index
    return text[:inside] + (", " if there else "") + flow(new) + text[inside:]


def _replace(text: str, entry: Entry, new: str) -> str:
    first, end = entry.value[0], _end(text, entry.value)
    start = first.start_mark.index
    if isinstance(first, yaml.ScalarEvent):
        is_block = first.style in ("|", ">")
    else:
        is_block = not getattr(first, "flow_style", True)
    if not is_block:
        gap = " " if start and text[start - 1] == ":" else ""
        return text[:start] + gap + new + text[max(end, start) :]
    colon = text.index(":", entry.key.end_mark.index) + 1
    line = text.index("\n", colon)
    last = text.find("\n", end)
    comment = text[colon:line] if first.start_mark.index > line else ""  # else the header of a block scalar
    return text[:colon] + " " + new + comment + (text[last:] if last >= 0 else "\n")


def _found(text: str, keys: Keys) -> tuple[list[Any], int, list[Entry]]:
    """The mapping that has the entry, where in it that is, and all entries of it."""
    node = _root(text)
    for key in keys[:-1]:
        entry = _entry(node, key)
        if entry is None:
            raise Unsafe
        node = entry.value
    there = entries(node)
    at = next((i for i, entry in enumerate(there) if entry.key.value == keys[-1]), None)
    if at is None:
        raise Unsafe
    return node, at, there


def _end_of(text: str, entry: Entry) -> int:
    return max(_end(text, entry.value), int(entry.key.end_mark.index))


def _take(text: str, keys: Keys) -> str:
    node, at, there = _found(text, keys)
    start, end = there[at].key.start_mark.index, _end_of(text, there[at])
    if node[0].flow_style:
        if at + 1 < len(there):
            end = there[at + 1].key.start_mark.index
        elif at:
            start = end_of(there[at - 1].value)
        return text[:start] + text[end:]
    line = text.rfind("\n", 0, start) + 1
    if text[line:start].strip():
        raise Unsafe
    return text[:line] + text[_past(text, end, there[at].key.start_mark.column) :]


def _end(text: str, events: list[Any]) -> int:
    """As `end_of`, but for a block scalar the end of its last line, without the blank lines after it."""
    end = end_of(events)
    return len(text[:end].rstrip()) if end and text[end - 1] == "\n" else end


def _past(text: str, end: int, column: int) -> int:
    """The position after the line of `end` and after following comments that are indented by more than `column`."""
    return behind_comments(text, text.find("\n", end) + 1 or len(text), column)
