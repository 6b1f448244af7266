"""A part of a YAML file as a struct; msgspec's complaint becomes one line with the key and its line."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from msgspec import Struct

from effectd.config.yamlfile import Path_, YamlFile


def convert(file: YamlFile, path: Path_, raw: Any, kind: Any) -> Any:
    """`raw`, found at `path`, as a `kind`. Raises ConfigError at the line that is wrong."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise file.error((*path, *where(error)), what(error, kind)) from None


def where(error: msgspec.ValidationError) -> list[str]:
    """The keys below, from msgspec's "... - at `$.limits.max_on_ms`", and an unknown key itself."""
    rule, _, path = str(error).rpartition(" - at `$")
    keys = re.findall(r"\.([^.\[\]`]+)", path) if rule else []
    unknown = re.search(r"unknown field `(.*)`", rule or path)
    return [*keys, unknown.group(1)] if unknown else keys


def what(error: msgspec.ValidationError, kind: type[Any]) -> str:
    """What is wrong and what is allowed, without msgspec's path."""
    rule = str(error).rpartition(" - at `$")[0] or str(error)
    if "unknown field" in rule:
        return "unknown key; allowed here are " + ", ".join(_allowed(kind, where(error)[:-1]))
    return rule.replace("`", "")


def _allowed(kind: Any, keys: list[str]) -> list[str]:
    """The keys of the struct that stands at `keys` below the struct `kind`."""
    for key in keys:
        below = [field for struct in _structs(kind) for field in msgspec.structs.fields(struct)]
        kind = next(field.type for field in below if field.encode_name == key)
    return [key for struct in _structs(kind) for key in struct.__struct_encode_fields__]


def _structs(kind: Any) -> Iterator[type[Struct]]:
    """`kind` itself where it is a struct, else those within its Optional, Annotated, list[...] and the like."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in get_args(kind):
        yield from _structs(part)
