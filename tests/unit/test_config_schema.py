"""`effectd schema`: what an editor is told of config.yaml is what the reader takes, and what the page says of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from drivers import kinds
from effectd.cli import app, init, schema
from effectd.config import reader
from effectd.config.yamlfile import YamlFile
from tests.docs import schemas

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = schema.made()
PAGE = schema.PAGE.read_text()
EXAMPLES = [YamlFile(Path(), found.encode()).data for found in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)]


def errors(config: Any) -> list[str]:
    found = Draft7Validator(SCHEMA).iter_errors(config)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def device(**keys: Any) -> dict[str, Any]:
    return {"devices": {"fan": {"kind": "virtual", "effects": ["wind"]} | keys}}


def test_it_is_a_schema_and_the_file_of_this_repository_is_up_to_date():
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(schemas.CONFIG.read_text()) == SCHEMA, "run scripts/schemas"
    assert json.loads((init.TEMPLATE / "config.schema.json").read_text()) == SCHEMA


def test_the_command_prints_it():
    done = CliRunner().invoke(app, ["schema"])
    assert (done.exit_code, json.loads(done.output)) == (0, SCHEMA)


def test_it_knows_the_same_keys_as_the_reader():
    assert schema._Whole.__struct_fields__ == reader.Layout.__struct_fields__


def test_this_repositorys_home_and_every_example_of_the_page_are_good():
    text = (REPOSITORY / "config.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=docs/config.schema.json\n")
    assert errors(YamlFile(Path(), text.encode()).data) == []
    assert len(EXAMPLES) > 4
    for example in EXAMPLES:
        assert errors(example if set(example) & set(SCHEMA["properties"]) else {"devices": example}) == []


@pytest.mark.parametrize(
    ("config", "at"),
    [
        (device(knd="virtual"), "devices.fan: "),
        (device(limits={"max_on_ms": "20s"}), "devices.fan.limits.max_on_ms: "),
        (device(effects="wind"), "devices.fan.effects: "),
        (device(kind="mqtt", options={"topc": "a", "topic": "b"}), "devices.fan.options: "),
        (device(kind="serial"), "devices.fan: "),
        (device(bus="board"), "devices.fan: "),
        ({"broker": {"port": 80000}}, "broker.port: "),
        ({"brokr": {}}, ": "),
    ],
)
def test_a_slip_is_told_at_its_place(config, at):
    found = errors(config)
    assert [error for error in found if error.startswith(at)], found


def properties(struct: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["definitions"][struct]["properties"]
    return found


def test_every_key_has_words_and_they_are_the_pages():
    for struct in ("Broker", "BrokerLimits", "Device", "Limits", "EffectType", "Supervision", "Button"):
        silent = [key for key, found in properties(struct).items() if not found.get("description")]
        assert silent == [], f"{struct}: give it a row in docs/configuration.md"
    assert properties("Limits")["max_on_ms"]["description"] in PAGE
    assert "`" in properties("BrokerLimits")["packet_bytes"]["description"] or "ends" in PAGE


@pytest.mark.parametrize("kind", kinds.OWN)
def test_every_option_of_a_kind_has_words(kind):
    struct = kinds.options_of(kinds.find(kind)).__name__
    silent = [key for key, found in properties(struct).items() if not found.get("description")]
    assert set(silent) <= ({"min_duty"} if kind == "gpio" else {"apply_ms"} if kind == "virtual" else set())
