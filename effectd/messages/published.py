"""Decodes what clients publish on `effects/<type>`: bytes to an Effect, or a refusal that names field and rule.

Field names, limits and defaults are section 1 of the contract.
"""

import codecs
import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.base.near import did_you_mean
from effectd.messages.effect import ID, LABEL, Effect, check_whole, new_id, rgb_of

NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})? ?%?")  # as text: "60", "60%"
PAYLOAD_BYTES = 64 * 1024
NESTING = 8
_BOM = "\ufeff"
STRING_BYTES = 4 * 1024


class _Published(Struct, forbid_unknown_fields=True):
    """The published object, checked field by field; what is absent or null keeps the default of Effect."""

    effect_type: Annotated[str, Meta(min_length=1, max_length=64)] | None | UnsetType = UNSET
    id: str | None | UnsetType = UNSET
    idempotency_key: str | None | UnsetType = UNSET
    intensity: Annotated[float, Meta(ge=0, le=100)] | str | None | UnsetType = UNSET
    duration: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    location: Annotated[str, Meta(max_length=200)] | None | UnsetType = UNSET
    target: str | list[str] | None | UnsetType = UNSET
    fade: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    parameters: dict[str, Any] | None | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0, le=9)] | None | UnsetType = UNSET
    ttl_ms: Annotated[int, Meta(ge=1, le=60000)] | None | UnsetType = UNSET
    expires_at: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    timestamp: Annotated[int, Meta(ge=0, le=2**53)] | None | UnsetType = UNSET
    event_id: str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None | UnsetType = UNSET
    message_id: str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None | UnsetType = UNSET


_RULES = {
    "id": "text of 1 to 64 characters of A-Z a-z 0-9 . _ : - (a number in quotes)",
    "idempotency_key": "text of 1 to 64 characters of A-Z a-z 0-9 . _ : - (a number in quotes)",
    "intensity": "a number from 0 to 100, or a label such as low",
    "duration": "a whole number of ms, 0 or more (0 = hold)",
    "priority": "a whole number from 0 to 9",
    "ttl_ms": "a whole number from 1 to 60000 (ms)",
    "expires_at": "a whole number of Unix ms",
    "timestamp": "a whole number of ms, 0 or more",
    "event_id": "text or a whole number",
    "message_id": "text or a whole number",
    "parameters": "an object",
    "location": "text of at most 200 characters",
    "target": "the id of a device, the name of a zone, or a list of those",
    "fade": "a whole number of ms, 0 or more",
    "effect_type": "text of 1 to 64 characters",
}
_COLOUR_RULES = {
    "color": "#RRGGBB, a colour name of CSS, or rgb: [r, g, b] of 0 to 255",
    "rgb": "a list of three whole numbers from 0 to 255: [r, g, b]",
}
_PARAMETERS = ("color", "rgb", "scent", "direction", "temperature")  # keys that other systems write beside `intensity`
_ELSEWHERE = {  # keys of Home Assistant, zigbee2mqtt and others -> ours
    "state": '"intensity": "on" or "off"',
    "brightness": '"intensity", from 0 to 100',
    "colour": '"parameters": {"color": ...}',
    "transition": '"fade", in ms',
    "device": '"target"',
    "zone": '"target"',
}
_json = msgspec.json.Decoder()


def decode(payload: bytes, topic_type: str | None) -> Effect:
    """Published bytes -> Effect. `topic_type` is the second level of the topic, None where there is none.

    Raises EffectMalformed (no UTF-8 JSON, too large, too deep) or EffectRefused (a field breaks its rule).
    """
    return from_fields(fields_of(payload), topic_type)


def from_fields(fields: dict[str, Any], topic_type: str | None) -> Effect:
    """The fields of one effect -> Effect; fields from outside must have passed `check_size` before."""
    unknown = [name for name in fields if name not in _Published.__struct_fields__ and not name.startswith("x-")]
    if unknown:
        raise EffectRefused(unknown[0][:64], _unknown(unknown[0]))
    check_whole(fields)
    if "intensity" in fields:
        fields = fields | {"intensity": _intensity(fields["intensity"])}
    try:
        published = msgspec.convert({k: _whole(v) for k, v in fields.items() if not k.startswith("x-")}, _Published)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    given: dict[str, Any] = {
        k: v for k, v in msgspec.structs.asdict(published).items() if v is not None and v is not UNSET
    }
    _alias(given, "id", "idempotency_key", given.pop("idempotency_key", None))
    _alias(given, "ttl_ms", "parameters.ttl_ms", _ttl(given.get("parameters", {})))
    given.setdefault("effect_type", topic_type)
    if not given["effect_type"]:
        raise EffectRefused("effect_type", "missing; publish on effects/<type> or name it in the payload")
    if "id" not in given:
        given["id"] = new_id()
    elif not ID.fullmatch(given["id"]):
        raise EffectRefused("id", "1 to 64 characters of A-Z a-z 0-9 . _ : -")
    if "target" in given:
        given["target"] = (given["target"],) if isinstance(given["target"], str) else tuple(given["target"])
        if not given["target"]:
            raise EffectRefused("target", "an empty list selects nothing; name a device or a zone, or leave it out")
    if isinstance(given.get("intensity"), str) and not LABEL.fullmatch(given["intensity"]):
        raise EffectRefused("intensity", "a number from 0 to 100, or a label such as low")
    parameters = given.get("parameters", {})
    if rgb_of(parameters) is None and any(parameters.get(key) is not None for key in ("color", "rgb")):
        wrong = "color" if parameters.get("rgb") is None else "rgb"
        raise EffectRefused(f"parameters.{wrong}", _COLOUR_RULES[wrong])
    return Effect(**given, extra={k: v for k, v in fields.items() if k.startswith("x-")})


def best_id(payload: bytes) -> str:
    """The id in a refused payload if there is a valid one, else a new id."""
    try:
        fields = fields_of(payload)
    except (EffectMalformed, EffectRefused):
        return new_id()
    given = fields.get("id") or fields.get("idempotency_key")
    return given if isinstance(given, str) and ID.fullmatch(given) else new_id()


def fields_of(payload: bytes) -> dict[str, Any]:
    """The published bytes as an object: an object itself, a bare number (intensity), a string or bare word (label)."""
    if len(payload) > PAYLOAD_BYTES:
        raise EffectMalformed(f"payload of {len(payload)} bytes; at most {PAYLOAD_BYTES} are allowed")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        wide = payload[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        raise EffectMalformed(f"not UTF-8{' but UTF-16' * wide}: {error.reason} at byte {error.start}") from None
    if text.startswith(_BOM):
        raise EffectMalformed("it begins with a byte order mark (BOM, EF BB BF), which JSON has none of")
    if (nul := text.find("\0")) >= 0:
        at = len(text[:nul].encode())
        raise EffectMalformed(f"a NUL at byte {at}: send the text without the zero byte at its end")
    text = text.strip()
    if LABEL.fullmatch(text) or NUMBER.fullmatch(text):
        return {"intensity": text}
    try:
        value = _json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EffectMalformed(f"neither JSON nor a bare word: {error}") from None
    check_size(value)
    if isinstance(value, dict):
        return value
    if isinstance(value, str | int | float):
        return {"intensity": value}
    raise EffectRefused("payload", "a JSON object, a number (the intensity), or a label")


def _unknown(field: str) -> str:
    if field in _PARAMETERS:
        return f'belongs into parameters: {{"parameters": {{"{field}": ...}}}}'
    if field in _ELSEWHERE:
        return f"unknown field; that is said by {_ELSEWHERE[field]}"
    known = _Published.__struct_fields__
    return f"unknown field; known are {', '.join(known)}{did_you_mean(field, known)}"


def check_size(value: Any, depth: int = NESTING) -> None:
    """Raises EffectMalformed at a string that is too long, or nesting that is too deep."""
    if isinstance(value, str):
        if len(value.encode(errors="surrogatepass")) > STRING_BYTES:
            raise EffectMalformed(f"a string of {len(value)} characters; at most {STRING_BYTES} bytes are allowed")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise EffectMalformed(f"nested deeper than {NESTING} levels")
        for item in value:
            check_size(item, depth - 1)
        for item in value.values() if isinstance(value, dict) else ():
            check_size(item, depth - 1)


def _intensity(value: Any) -> Any:
    """Accept what other systems send in place of a number or a label: true, "60", "60%"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value.strip().rstrip("% "))
    return value


def _whole(value: Any) -> Any:
    """JSON Schema takes 2000.0 for a whole number, and some clients send it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _alias(given: dict[str, Any], name: str, alias: str, value: Any) -> None:
    if value is None:
        return
    if given.setdefault(name, value) != value:
        raise EffectRefused(name, f"differs from its alias {alias}; give one of them")


def _ttl(parameters: dict[str, Any]) -> int | None:
    value = _whole(parameters.get("ttl_ms"))
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 60000):
        raise EffectRefused("parameters.ttl_ms", "a whole number from 1 to 60000 (ms)")
    return value


def _refusal(error: msgspec.ValidationError) -> EffectRefused:
    """msgspec says "Expected `int` <= 9 - at `$.priority`": turn that into field and rule."""
    rule, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or "payload"
    return EffectRefused(field, _RULES.get(field.partition("[")[0]) or rule.replace("`", ""))
