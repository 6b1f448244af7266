"""The OpenAPI document of the page, made from its table of paths and from the types of the messages."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from effectd import __version__
from effectd.messages import answers, published
from effectd.supervision.health import Row
from page_proc.paths import Path

SAID = {
    202: "Accepted, but not finished within 5 s: the receipt so far.",
    400: "Malformed: the reason says what.",
    401: "No login, or a wrong one.",
    403: "Another site's page, a name that is not this machine's, or a right that the user does not have.",
    404: "Not found.",
    409: "It ended in another way, or there is nothing to do: the receipt, or the reason.",
    413: "The body is too large.",
    415: "Unsupported type of body.",
    422: "Refused: the receipt, or the reason.",
    429: "Too many requests, logins or streams: Retry-After says when to come back.",
    503: "No broker, no dispatcher, no supervisord, or not all are ready.",
    504: "Not all are confirmed off: see `devices`.",
}
EVERYWHERE = (401, 403, 429)
RECEIPTS = (202, 409, 422)  # of an effect
Schema = dict[str, Any]


def document(paths: Iterable[Path]) -> Schema:
    """OpenAPI 3.1."""
    found: dict[str, Schema] = {}
    for path in paths:
        where = re.sub(r"\{(\w+):path\}", r"{\1}", path.path)
        found.setdefault(where, {})[path.method.lower()] = _operation(path, where)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "effectd, the page",
            "version": __version__,
            "description": "Effects in, receipts out, by HTTP. See docs/http.md and section 8 of the contract.",
        },
        "paths": found,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "session": _SESSION},
        },
        "security": [{}, {"basic": []}, {"session": []}],  # {}: a home without users
    }


_SESSION = {"type": "apiKey", "in": "cookie", "name": "effectd-HOME", "description": "The cookie of POST /login."}


def _operation(path: Path, where: str) -> Schema:
    operation: Schema = {"summary": path.does, "operationId": _id(path.method, where)}
    names = re.findall(r"\{(\w+)\}", where)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": path.rules.get(name, {"type": "string"})}
            for name in names
        ]
    if path.operate:
        operation["description"] = "Needs `operate` where this home has users, else loopback."
    if path.body:
        content = {kind: {"schema": _ref(name)} for kind, name in path.body.items()}
        operation["requestBody"] = {"required": path.needed, "content": content}
    answers_: Schema = {"200": _answer("Done.", path.kind, path.good)}
    for code in sorted({*path.codes, *EVERYWHERE}):
        of_effect = path.good == "Receipt" and code in RECEIPTS
        good = of_effect or code == 504 or (code == 503 and path.good == "Health")
        answers_[str(code)] = _answer(SAID[code], "application/json", path.good if good else "Refusal")
    operation["responses"] = answers_
    return operation


def _answer(said: str, kind: str, schema: str) -> Schema:
    return {"description": said, "content": {kind: {"schema": _ref(schema)}}}


def _ref(name: str) -> Schema:
    if name in ("object", "text"):
        return {"type": "object"} if name == "object" else {"type": "string"}
    return {"$ref": f"#/components/schemas/{name}"}


def _id(method: str, where: str) -> str:
    words = re.findall(r"\w+", where.replace("/api", "")) or ["index"]
    return "_".join([method.lower(), *words])


def _schemas() -> dict[str, Schema]:
    template = "#/components/schemas/{name}"
    structs = (answers.Receipt, published._Published, Row)
    _, made = msgspec.json.schema_components(structs, ref_template=template)
    for schema in made.values():  # a docstring, whose indentation depends on the version of Python
        schema["description"] = re.sub(r"\s+", " ", schema["description"])
    effect = made.pop("_Published")
    receipt = made["Receipt"]
    receipt["properties"]["status"]["enum"] = ["accepted", *sorted(answers.FINAL)]
    number: Schema = {"type": "number", "minimum": 0, "maximum": 100}
    texts = {"type": "array", "items": {"type": "string"}}
    off = {"devices": {"type": "object", "additionalProperties": {"enum": ["off", "unconfirmed"]}}}
    off["reasons"] = {"type": "object", "additionalProperties": {"type": "string"}}
    name, reason = {"name": {"type": "string", "maxLength": 200}}, {"reason": {"type": "string"}}
    target = {"target": {"oneOf": [{"type": "string"}, texts]}}
    held = _object(name | reason | {"target": {"oneOf": [{"type": "null"}, texts]}, "since": {"type": "integer"}})
    status = {"enum": ["empty", "loaded", "playing", "paused", "ended", "refused"]}
    position = {"position_ms": {"type": "number"}, "duration_ms": {"type": "number"}}
    room = ("devices", "programs", "timelines", "effect_types", "zones", "broker", "latency", "me")
    lists = ("holds", "effects", "dead_letters")
    return made | {
        "Effect": {"oneOf": [effect | {"title": "Effect"}, number, {"type": "string", "title": "A label"}]},
        "Refusal": _object({"status": {"const": "refused"}, "reason": {"type": "string"}}, "status", "reason"),
        "Login": _object(name | {"password": {"type": "string"}}, "name", "password"),
        "Me": _object({"user": {"type": ["string", "null"]}, "login": {"type": "boolean"}, "may": {"type": "object"}}),
        "Health": _object(
            {
                "ready": {"type": "boolean"},
                "programs": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Row"}},
            },
            "ready",
            "programs",
        ),
        "Room": _object(
            {key: {"type": "object"} for key in room} | {key: {"type": "array"} for key in lists}, *room, *lists
        ),
        "Off": _object(off, "devices"),
        "Hold": _object(name | reason | target),
        "Release": _object(name),
        "Held": _object(off | name | {"holds": {"type": "array", "items": held}}, "devices", "name", "holds"),
        "Timeline": _object({"status": status, "title": {"type": "string"}} | position, "status"),
        "Order": _object(
            {"from_ms": {"type": "number"}, "loop": {"type": "boolean"}, "position_ms": {"type": "number"}}
        ),
    }


def _object(properties: Schema, *needed: str) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(needed)} if needed else {})
