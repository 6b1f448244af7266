"""Rewords msgspec's errors about values of config.yaml for people.

`80000 at broker.port` becomes "must be a whole number from 1 to 65535, not 80000".
"""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from effectd.base.near import did_you_mean

_UNITS_MS = {"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}


def complaint(error: msgspec.ValidationError, raw: Any, kind: Any) -> tuple[list[str], str]:
    """The path of keys below `raw` to the error, and a text that says what is wrong and what is allowed."""
    rule, _, path = str(error).rpartition(" - at `$")
    text = rule or str(error)
    keys = list[str]()
    for key, index in re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path) if rule else ():
        name, kind = key or index, _below(kind, key)
        if name == "...":  # msgspec does not say which value it is
            name = next((each for each, value in raw.items() if is_wrong(value, kind)), "")
        raw = raw[int(name)] if isinstance(raw, list) else raw.get(name) if isinstance(raw, dict) else raw
        if not index or index == "...":
            keys.append(name)
    allowed = [name for struct in structs(kind) for name in struct.__struct_encode_fields__]
    if unknown := re.search(r"unknown field `(.*)`", text):
        near = did_you_mean(unknown.group(1), allowed)
        return [*keys, unknown.group(1)], f"unknown key; allowed here are {', '.join(allowed)}{near}"
    if missing := re.search(r"missing required field `(.*)`", text):
        return keys, f"{missing.group(1)} is missing; it must be {expected(_inspected(_below(kind, missing.group(1))))}"
    if not text.startswith(("Expected", "Invalid")):  # a rule of the struct's own, which may begin with its key
        key, colon, rest = text.partition(": ")
        return ([*keys, key], rest) if colon and key in allowed else (keys, text)
    wanted = _inspected(kind)
    return keys, f"must be {expected(wanted, raw)}, not {_shown(raw)}{_hint(raw, wanted, keys)}"


def is_wrong(value: Any, kind: Any) -> bool:
    """Whether it is none of that type."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return True
    return False


def structs(kind: Any) -> Iterator[type[Struct]]:
    """`kind` itself where it is a struct, else those within its Optional, Annotated, list[...] and the like."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in get_args(kind):
        yield from structs(part)


def expected(wanted: Any, value: Any = None) -> str:  # noqa: PLR0911 - a line a type
    """What is allowed for a value of the inspected type `wanted`; `value` makes an example of what is there."""
    import msgspec.inspect as kinds  # imported only after a mistake

    match wanted:
        case kinds.UnionType(types):
            return " or ".join(expected(each, value) for each in types if not isinstance(each, kinds.NoneType))
        case kinds.BoolType():
            return "true or false"
        case kinds.IntType() | kinds.FloatType():
            return ("a whole number" if isinstance(wanted, kinds.IntType) else "a number") + _range(wanted)
        case kinds.LiteralType(values):
            return "one of " + ", ".join(str(each) for each in values)
        case kinds.StrType():
            return f"text that fits {wanted.pattern}" if wanted.pattern else "text" + " (not empty)" * (value == "")
        case kinds.TupleType(item_types):
            return f"a list of {len(item_types)}, each {expected(item_types[0])}"
        case kinds.VarTupleType() | kinds.ListType():
            example = f", such as [{value}]" if isinstance(value, str | int) and value != "" else ""
            return "a list" + (" with at least one entry" if wanted.min_length else "") + example
        case kinds.StructType():
            return "a mapping of " + ", ".join(field.encode_name for field in wanted.fields)
        case kinds.DictType():
            return "a mapping, such as {key: value}"
    return "something else"


def _range(wanted: Any) -> str:
    low, high = wanted.ge, wanted.le
    if wanted.gt is not None:
        return f" above {wanted.gt:g}" + (f", at most {high:g}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {_plain(low)} to {_plain(high)}"
    return f", {_plain(low)} or more" if low is not None else f", at most {_plain(high)}" if high is not None else ""


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return ("a mapping" if isinstance(value, dict) else "a list") + (
            f" of {len(value)}" if value else " of nothing"
        )
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(value: Any, wanted: Any, keys: list[str]) -> str:
    import msgspec.inspect as kinds

    types = wanted.types if isinstance(wanted, kinds.UnionType) else (wanted,)
    if any(isinstance(each, kinds.StrType) for each in types):
        if isinstance(value, bool):
            return " (YAML reads on, off, yes and no so: put it in quotes)"
        return " (put it in quotes)" if isinstance(value, int | float) else ""
    if not isinstance(value, str) or not any(isinstance(each, kinds.IntType | kinds.FloatType) for each in types):
        return ""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return " (without the quotes)"
    timed = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]+)", value)
    if keys and keys[-1].endswith("_ms") and timed and timed[2] in _UNITS_MS:
        return f" (in milliseconds: {float(timed[1]) * _UNITS_MS[timed[2]]:g})"
    return ""


def _below(kind: Any, key: str) -> Any:
    """The type of the struct's field `key`; where that is "", of an item of the list or a value of the mapping."""
    if key:
        fields = [field for struct in structs(kind) for field in msgspec.structs.fields(struct)]
        return next((field.type for field in fields if field.encode_name == key), Any)
    if get_origin(kind) in (list, tuple, dict):
        return [part for part in get_args(kind) if part is not Ellipsis][-1]
    return next((found for part in get_args(kind) if (found := _below(part, "")) is not Any), Any)


def _inspected(kind: Any) -> Any:
    import msgspec.inspect

    return msgspec.inspect.type_info(kind)
