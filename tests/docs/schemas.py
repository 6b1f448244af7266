"""JSON Schema of the messages that other people's programs read and write, and OpenAPI of the page, from the code.

`scripts/schemas` writes them to docs; tests/unit/test_contract.py and test_openapi.py check that they are up to date.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from effectd.cli import schema as config
from effectd.messages import answers, effect, published
from effectd.readiness import line
from page_proc import openapi, paths
from page_proc.api import Api

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"
CONFIG = FOLDER.parent / "config.schema.json"  # of config.yaml: what `effectd schema` prints where all extras are
OPENAPI = FOLDER.parent / "openapi.json"  # what the page serves at /api/openapi.json
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def made() -> dict[str, Schema]:
    """Name -> schema: what docs/schemas/<name>.json must hold."""
    state = _of(answers.State, "Device state")
    state["properties"]["reason"] = _of(answers.KeptOff, "")["properties"]["reason"]  # only while it is kept off
    receipt = _of(answers.Receipt, "Receipt")
    receipt["properties"]["status"]["enum"] = ["accepted", *sorted(answers.FINAL)]
    return {
        "effect": _effect(),
        "receipt": receipt,
        "dead-letter": _of(answers.DeadLetter, "Dead letter"),
        "state": state,
        "gate-line": _of(line.Line, "Gate line"),
    }


def openapi_document() -> Schema:
    return openapi.document(paths.table(Api(None)))  # type: ignore[arg-type] - nothing is asked of it


def written(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _of(struct: type[msgspec.Struct], title: str) -> Schema:
    """msgspec's schema of one struct, with the struct itself at the top and a title for people."""
    schema = msgspec.json.schema(struct)
    definitions = schema.pop("$defs")
    top = definitions.pop(schema.pop("$ref").rpartition("/")[2])
    top["description"] = re.sub(r"\s+", " ", top["description"])
    rest = {"$defs": definitions} if definitions else {}
    return {"$schema": DIALECT} | top | {"title": title} | rest


def _effect() -> Schema:
    """The object, and the short forms; the rules that `published.decode` checks beyond the struct's own are added."""
    fields = _of(published._Published, "Effect")
    identifier = {"type": "string", "pattern": _whole(effect.ID)}
    label = {"type": "string", "pattern": _whole(effect.LABEL)}
    for name in ("id", "idempotency_key"):
        fields["properties"][name]["anyOf"][0] = identifier
    number, _text, nothing = fields["properties"]["intensity"]["anyOf"]
    fields["properties"]["intensity"]["anyOf"] = [number, label, nothing]
    fields["patternProperties"] = {"^x-": {}}
    description = "What a publisher sends on effects/<type>: an object, or only its intensity as a number or a label."
    heading = {"$schema": fields.pop("$schema"), "title": fields.pop("title"), "description": description}
    del fields["description"]
    return heading | {"anyOf": [fields, number, label]}


def _whole(pattern: re.Pattern[str]) -> str:
    return f"^(?:{pattern.pattern})$"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, schema in made().items():
        (FOLDER / f"{name}.json").write_text(written(schema))
    CONFIG.write_text(config.written() + "\n")
    OPENAPI.write_text(written(openapi_document()))


if __name__ == "__main__":
    main()
