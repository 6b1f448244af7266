"""docs/contract.md and docs/schemas say what the program does: every example is decoded, encoded and validated."""

import json
import re
from typing import Any, NamedTuple

import msgspec
import pytest
from jsonschema import Draft202012Validator

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages import answers, effect, published
from effectd.readiness import line
from tests.docs import schemas

PAGE = (schemas.FOLDER.parent / "contract.md").read_text()
TYPES = {"receipt": answers.Receipt, "dead-letter": answers.DeadLetter, "state": answers.State, "gate-line": line.Line}


class Example(NamedTuple):
    """A block that begins with ```json KIND NAME at PLACE."""

    kind: str
    name: str
    place: str
    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)


EXAMPLES = [Example(*found) for found in re.findall(r"^```json (\S+) (\S+) at (\S+)\n(.*?)^```", PAGE, re.M | re.S)]


def of(*kinds: str) -> list[Any]:
    return [pytest.param(found, id=f"{found.kind}-{found.name}") for found in EXAMPLES if found.kind in kinds]


def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((schemas.FOLDER / f"{kind}.json").read_text()))


def decodes(payload: bytes) -> bool:
    try:
        published.decode(payload, "wind")
    except (EffectMalformed, EffectRefused):
        return False
    return True


def test_the_schemas_are_up_to_date():
    there = {path.stem: path.read_text() for path in schemas.FOLDER.iterdir()}
    assert there == {name: schemas.written(schema) for name, schema in schemas.made().items()}, "run scripts/schemas"


@pytest.mark.parametrize("kind", schemas.made())
def test_each_schema_is_one_and_has_an_example(kind):
    Draft202012Validator.check_schema(validator(kind).schema)
    assert list(of(kind))


@pytest.mark.parametrize("example", of("effect", *TYPES))
def test_an_example_of_the_contract_validates(example):
    validator(example.kind).validate(example.value)


@pytest.mark.parametrize("example", of("effect"))
def test_an_effect_of_the_contract_is_one(example):
    decoded = published.decode(example.text.encode(), example.place.removeprefix("effects/"))
    assert decoded.id == example.name


@pytest.mark.parametrize("example", of(*TYPES))
def test_an_answer_in_the_contract_has_exactly_the_fields_of_the_program(example):
    own = {key: value for key, value in example.value.items() if not key.startswith("x-")}
    decoded = msgspec.json.decode(example.text, type=TYPES[example.kind])
    assert json.loads(msgspec.json.encode(decoded)) == own
    assert list(own) == list(TYPES[example.kind].__struct_fields__)


@pytest.mark.parametrize("example", of("set"))
def test_a_set_in_the_contract_is_what_the_dispatcher_sends(example):
    assert json.loads(effect.to_set(effect.from_set(example.text.encode()))) == example.value


@pytest.mark.parametrize("example", of("ack"))
def test_an_ack_in_the_contract_is_what_a_driver_sends(example):
    assert msgspec.to_builtins(msgspec.json.decode(example.text, type=answers.Ack)) == example.value


@pytest.mark.parametrize("example", of("dead-letter"))
def test_a_dead_letter_in_the_contract_is_written_by_the_program(example):
    letter = example.value
    payload = letter["payload"].encode()
    with pytest.raises(EffectRefused) as refused:
        published.decode(payload, "wind")
    again = json.loads(answers.dead_letter(letter["id"], letter["topic"], payload, str(refused.value)))
    assert again | {"at": letter["at"]} == letter


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"intensity": 101},
        {"intensity": None, "duration": None},
        {"intensity": "low-ish"},
        {"intensity": "2 much"},
        {"duration": -1},
        {"duration": 1.5},
        {"duration": 2000.0},
        {"priority": 10},
        {"ttl_ms": 0},
        {"id": "a b"},
        {"id": "x" * 65},
        {"colour": "red"},
        {"x-colour": {"any": ["thing"]}},
        {"parameters": []},
        {"event_id": 7},
        {"effect_type": ""},
        60,
        -1,
        "off",
        "not a label",
        [60],
    ],
    ids=json.dumps,
)
def test_the_schema_of_an_effect_takes_what_the_program_takes(payload):
    assert validator("effect").is_valid(payload) == decodes(json.dumps(payload).encode())
