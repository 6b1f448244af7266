"""Accepts an edit of a YAML file only if the result, read again, is the old data with that change and every comment."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from effectd.base.errors import ConfigError
from effectd.config.yamlfile import YamlFile

BOM = "\ufeff"


class CannotEdit(Exception):
    """The file is written in a way that cannot be edited safely: add `paste` to it by hand."""

    def __init__(self, paste: str) -> None:
        super().__init__("is written in a way that cannot be edited safely")
        self.paste = paste


class Unsafe(Exception):
    """This way of editing is not possible here."""


def nothing(_text: str) -> tuple[int, int]:
    return 0, 0


def settled(
    path: Path,
    data: bytes,
    wanted: list[Any],
    ways: Iterable[Callable[[str], str]],
    *,
    by_hand: str,
    gone: Callable[[str], tuple[int, int]] = nothing,
) -> bytes:
    """The result of the first of `ways` that, read again, is one of `wanted`; `data` are the bytes of `path`.

    `gone`: the span of the text whose comments may disappear. Raises CannotEdit if no way gives that result.
    """
    try:
        text = data.decode()
        mark = BOM if text.startswith(BOM) else ""
        text = text.removeprefix(mark)
        stay = comments(text, gone(text))
    except (UnicodeDecodeError, yaml.YAMLError):
        raise CannotEdit(by_hand) from None
    for way in ways:
        try:
            changed = way(text)
            done = YamlFile(path, (mark + changed).encode()).data
            # repr, not ==, which ignores the order and takes True for 1
            if repr(done) in map(repr, wanted) and not stay - comments(changed):
                return (mark + changed).encode()
        except (Unsafe, TypeError, yaml.YAMLError, ConfigError):
            continue
    raise CannotEdit(by_hand)


def comments(text: str, but: tuple[int, int] = (0, 0)) -> Counter[str]:
    """Each comment, and how often it is there: what stands behind a `#` that begins a word, in no value.

    `but`: without those that begin from the one place to the other.
    """
    bare = list(text)
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            marks: Any = event.start_mark, event.end_mark
            start, end = marks[0].index, marks[1].index
            if event.style in ("|", ">"):
                start = text.find("\n", start, end) + 1 or end  # its first line may have one
            bare[start:end] = re.sub(r"[^\n]", "x", text[start:end])
    found = re.finditer(r"(?:^|(?<=\s))#[^\r\n]*", "".join(bare), re.MULTILINE)
    return Counter(each.group().rstrip() for each in found if not but[0] <= each.start() < but[1])
