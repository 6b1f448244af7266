"""`effectd schema`: JSON Schema of config.yaml for editors, from the reader's structs and docs/configuration.md.

Types, ranges and defaults are those of the structs, so that the two cannot disagree; the descriptions are the rows of
configuration.md, which is installed with this package.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import typer
from msgspec import Struct, field

import effectd
from drivers import kinds
from effectd.config.reader import FILE, Layout
from effectd.config.schema import Broker, Bus, Button, Device, EffectType, RemoteOptions

DIALECT = "http://json-schema.org/draft-07/schema#"  # the one that editors' YAML servers know best
PAGE = Path(effectd.__file__).parent / "template" / "configuration.md"
Schema = dict[str, Any]
_ORDER = ("$schema", "title", "type", "properties", "additionalProperties", "definitions")


class _Whole(Layout, frozen=True, forbid_unknown_fields=True):
    """As the reader's layout, with its untyped parts filled in."""

    broker: Broker = Broker()  # type: ignore[assignment]
    buses: dict[str, Bus] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    effects: dict[str, EffectType] = field(default_factory=dict)
    buttons: dict[str, Button] = field(default_factory=dict)


def run() -> int:
    typer.echo(written())
    return 0


def written() -> str:
    return json.dumps(made(), indent=1, ensure_ascii=False)


def made() -> Schema:
    page = PAGE.read_text()
    options = {kind: _options(page, "kind", kind) for kind in (*kinds.OWN, "remote")}
    by_bus = {kind: _options(page, "bus", kind) for kind in kinds.OWN_BUSES}
    structs = [_Whole, *(struct for struct, _ in (*options.values(), *by_bus.values()) if struct is not None)]
    _, found = msgspec.json.schema_components(structs, ref_template="#/definitions/{name}")
    whole = found.pop(_Whole.__name__)
    described = _descriptions(page)
    for path, text in described.items():
        _describe(path, text, whole, found)
    for struct, words in (*options.values(), *by_bus.values()):
        if struct is not None:
            for key, text in words.items():
                found[struct.__name__]["properties"][key]["description"] = text
    device = found["Device"]
    device["required"].remove("kind")  # or `bus`
    device["oneOf"] = [{"required": ["kind"]}, {"required": ["bus"]}]
    device["allOf"] = [_when(kind, struct) for kind, (struct, _) in options.items() if struct is not None]
    found["Bus"]["allOf"] = [_when(kind, struct) for kind, (struct, _) in by_bus.items() if struct is not None]
    device["properties"]["kind"]["examples"] = [*options]
    found["Bus"]["properties"]["kind"]["examples"] = [*by_bus]
    for section in (*whole["properties"].values(), *(found[name] for name in ("Broker", "EffectType", "Supervision"))):
        section.pop("default", None)
        if section.get("type") == "object":
            section["type"] = ["object", "null"]  # a key with nothing under it is one that is not there
    whole |= {"$schema": DIALECT, "title": f"{FILE} of effectd", "definitions": found}
    schema: Schema = _draft_07(json.loads(json.dumps({key: whole[key] for key in _ORDER})))
    return schema


def _draft_07(schema: Any) -> Any:
    """msgspec writes lists of fixed length as a later draft does."""
    if isinstance(schema, list):
        return [_draft_07(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "prefixItems" in schema:
        schema = {**schema, "items": schema["prefixItems"], "additionalItems": False}
        del schema["prefixItems"]
    return {key: _draft_07(value) for key, value in schema.items()}


def _when(kind: str, struct: type[Struct]) -> Schema:
    options = {"properties": {"options": {"$ref": f"#/definitions/{struct.__name__}"}}}
    needed = [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": options | ({"required": ["options"]} if needed else {}),
    }


def _options(page: str, base: str, kind: str) -> tuple[type[Struct] | None, dict[str, str]]:
    """The struct of a kind's options, and the description of each; None if a package for it is not installed."""
    if kind == "remote":
        return RemoteOptions, {}
    try:
        struct = kinds.options_of(kinds.find(kind) if base == "kind" else kinds.find_bus(kind))
    except ImportError:
        return None, {}
    section = re.search(rf"^## kind: {kind}$(.*?)(?=^## |\Z)", page, re.M | re.S)
    words = {key: text for row in _rows(section[1] if section else "") for key, text in _cells(row)}
    return struct, {key: text for key, text in words.items() if key in struct.__struct_encode_fields__}


def _descriptions(page: str) -> dict[str, str]:
    """`devices.<id>.limits.max_on_ms` -> its description in the page's tables."""
    words = {key: text for row in _rows(page.partition("\n## ")[0]) for key, text in _cells(row)}
    section = re.search(r"^## broker\.limits$(.*?)(?=^## )", page, re.M | re.S)
    limits = (cell for row in _rows(section[1] if section else "") for cell in _cells(row))
    return words | {f"broker.limits.{key}": f"beyond it: {text}" for key, text in limits}


def _rows(text: str) -> list[list[str]]:
    rows = re.findall(r"^\| (`[^|]*)\|([^|]*)\|(.*)\|$", text, re.M)
    return [[cell.strip() for cell in row] for row in rows]


def _cells(row: list[str]) -> list[tuple[str, str]]:
    """Each key of a row (`broker.host`, `broker.port`) with the row's last cell, without its links."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", row[2])
    return [(key, text) for key in re.findall(r"`([^`]+)`", row[0])]


def _describe(path: str, text: str, whole: Schema, found: dict[str, Schema]) -> None:
    """Add the description to the property at `path`; `<id>` is any key that the user chooses."""
    places, steps = [whole], path.split(".")
    for step in steps[:-1]:
        places = [struct for at in places for below in _below(at, step) for struct in _structs(below, found)]
    for described in [below for at in places for below in _below(at, steps[-1], itself=True)]:
        described["description"] = text


def _below(at: Schema, step: str, *, itself: bool = False) -> list[Schema]:
    """What stands in a struct under a key, [] where it has none; for a key of the user's own the struct `itself`."""
    if step.startswith("<"):
        return [at if itself else at["additionalProperties"]]
    return [at["properties"][step]] if step in at.get("properties", {}) else []


def _structs(schema: Schema, found: dict[str, Schema]) -> list[Schema]:
    """What a reference leads to, also where it may be null, or one of several."""
    choices: list[Schema] = [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]
    structs: list[Schema] = [found[each["$ref"].rpartition("/")[2]] for each in choices if "$ref" in each]
    inline = [each for each in choices if "properties" in each or isinstance(each.get("additionalProperties"), dict)]
    return structs or inline[:1] or [schema]
