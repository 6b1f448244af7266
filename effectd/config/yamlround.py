"""Edits a YAML file that cannot be cut as text: ruamel.yaml writes it, and only the lines that differ are taken over.

It keeps comments, quotes, the order and anchors, but lays out lines in its own way. So it writes the file twice, as it
is and with the change; the lines in which the two differ are what changes in the file.
"""

import difflib
import io
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from effectd.config.yamlsafe import Unsafe

Keys = tuple[str, ...]
STEP = 2  # columns, where the file itself shows no other indentation
_WIDE = 2**31 - 1  # columns: no line is folded


def put(keys: Keys, value: Any) -> Callable[[Any], None]:
    """A change for `ways`: `value` at `keys`; missing mappings above it are made."""

    def change(root: Any) -> None:
        place = root
        for key in keys[:-1]:
            if not isinstance(place.get(key), dict):
                place[key] = _new({})
            place = place[key]
        place[keys[-1]] = _new(value)

    return change


def take(keys: Keys) -> Callable[[Any], None]:
    """A change for `ways`: without the entry at `keys`."""

    def change(root: Any) -> None:
        place = root
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def ways(keys: Keys, change: Callable[[Any], None], cut: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    """Ways to the new text, the one that changes least first; each raises Unsafe if it is not possible here.

    `cut` edits text as yamledit and yamlchange do. Often only an alias is in its way: so it is tried again on a text in
    which there is none at that place.
    """
    for last, finish in ((None, cut), (change, str)):
        for merge in (_taken_over, lambda _text, _base, new: new):

            def way(text: str, last: Any = last, finish: Any = finish, merge: Any = merge) -> str:
                return _guarded(text, lambda old: merge(old, _written(old), finish(_written(old, keys, last))))

            yield way


def _guarded(text: str, change: Callable[[str], str]) -> str:
    windows = "\r\n" in text
    try:
        done = change(text.replace("\r\n", "\n"))
    except Unsafe:
        raise
    except Exception as error:
        raise Unsafe from error
    return done.replace("\n", "\r\n") if windows else done


def _editor(text: str) -> Any:
    from ruamel.yaml import YAML

    editor: Any = YAML()
    editor.preserve_quotes = True
    editor.width = _WIDE
    editor.indent(**_indents(text))
    editor.explicit_start = any(
        event.explicit for event in yaml.parse(text, yaml.SafeLoader) if isinstance(event, yaml.DocumentStartEvent)
    )
    return editor


def _written(text: str, keys: Keys = (), change: Callable[[Any], None] | None = None) -> str:
    """By ruamel.yaml. With `keys` what is there stands there alone: nothing of it is an alias, or has one elsewhere."""
    editor, to = _editor(text), io.StringIO()
    root = editor.load(text)
    if root is None:
        raise Unsafe
    _alone(root, keys)
    if change is not None:
        change(root)
    editor.dump(root, to)
    return to.getvalue()


def _new(value: Any) -> Any:
    """As PyYAML would write it, which quotes what it reads otherwise: `off`, `yes`, `0777`."""
    text = yaml.safe_dump({"x": value}, default_flow_style=None, sort_keys=False, allow_unicode=True, width=_WIDE)
    return _editor(text).load(text)["x"]


def _indents(text: str) -> dict[str, int]:
    """By how much this file indents mappings, and lists with their dashes: as at the first of each."""
    found: dict[str, int] = {}
    columns: list[int] = []  # of the block collections that are open; -1 = in braces
    dash = -1
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark: Any = event.start_mark
        if isinstance(event, yaml.NodeEvent) and dash >= 0:
            found.setdefault("sequence", found["offset"] + mark.column - dash)
            dash = -1
        if isinstance(event, yaml.CollectionStartEvent):
            column = -1 if event.flow_style else mark.column
            if columns and min(*columns, column) >= 0:
                if isinstance(event, yaml.MappingStartEvent):
                    found.setdefault("mapping", column - columns[-1])
                elif "offset" not in found:
                    found["offset"], dash = column - columns[-1], column
            columns.append(column)
        elif isinstance(event, yaml.CollectionEndEvent):
            columns.pop()
    mapping = max(found.get("mapping", STEP), 1)
    offset = max(found.get("offset", STEP), 0)
    return {"mapping": mapping, "sequence": max(found.get("sequence", 0), offset + 2), "offset": offset}


def _alone(root: Any, keys: Keys) -> None:
    """Separate what is on the way to `keys`, and below, from its aliases, which get it or a copy of it."""
    places: dict[int, list[tuple[Any, Any, Keys]]] = {}
    _find(root, (), places)
    for found in places.values():
        mine = [(parent, key) for parent, key, at in found if at[: len(keys)] == keys or keys[: len(at)] == at]
        others = [(parent, key) for parent, key, at in found if not (at[: len(keys)] == keys or keys[: len(at)] == at)]
        if not mine or not others:
            continue
        parent, key, _ = found[0]
        if parent is mine[0][0] and key == mine[0][1]:  # written here: from now on at the first of the others
            copied = _copy(parent[key])
            copied.yaml_set_anchor(parent[key].anchor.value, always_dump=len(others) > 1)
            for parent_, key_ in others:
                parent_[key_] = copied
            parent[key].yaml_set_anchor(None)
        else:
            for parent_, key_ in mine:
                parent_[key_] = _copy(parent_[key_])


def _find(node: Any, at: Keys, places: dict[int, list[tuple[Any, Any, Keys]]]) -> None:
    """Where each mapping and list stands, in the order of the file; below one only where it is written."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            there = places.setdefault(id(value), [])
            there.append((node, key, (*at, str(key))))
            if len(there) == 1:
                _find(value, (*at, str(key)), places)


def _copy(node: Any) -> Any:
    """Without anchors and comments: those are said where it was written."""
    if isinstance(node, dict):
        copied: Any = type(node)({key: _copy(value) for key, value in node.items()})
    elif isinstance(node, list):
        copied = type(node)([_copy(value) for value in node])
    else:
        return node
    if node.fa.flow_style():
        copied.fa.set_flow_style()
    return copied


def _taken_over(text: str, base: str, new: str) -> str:
    """`text` with the lines in which `new` differs from `base`; all the others stay byte for byte."""
    mine, old, fresh = (each.splitlines(keepends=True) for each in (text, base, new))
    starts, ends = {0: 0, len(old): len(mine)}, {0: 0, len(old): len(mine)}  # line of base -> of text
    for a, b, size in difflib.SequenceMatcher(None, old, mine, autojunk=False).get_matching_blocks():
        for i in range(size + 1):
            starts[a + i] = b + i  # the last: what stands before it in `text` alone stays
            ends.setdefault(a + i, b + i)
    edits = [
        edit for edit in difflib.SequenceMatcher(None, old, fresh, autojunk=False).get_opcodes() if edit[0] != "equal"
    ]
    for _, first, end, at, to in reversed(edits):
        back = next(i for i in range(first + 1) if first - i in starts)
        on = next(i for i in range(len(old) + 1) if end + i in ends)
        begin = starts[first - back]
        mine[begin : max(ends[end + on], begin)] = fresh[at - back : to + on]
    return "".join(mine)
