"""What docs/contract.md calls "not in this release yet" is not there, and what it lists as there is."""

import re

import pytest
import typer

from effectd.cli import app
from effectd.config import reader, schema
from effectd.messages import published
from tests.unit.test_contract import PAGE

SECTIONS = dict(re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
STRUCTS = {
    "": reader.Layout,
    "broker.": schema.Broker,
    "broker.external.": schema.External,
    "devices.<id>.": schema.Device,
    "devices.<id>.limits.": schema.Limits,
    "buttons.<name>.": schema.Button,
}
KEYS = {prefix + key for prefix, struct in STRUCTS.items() for key in struct.__struct_fields__}
FIELDS = set(published._Published.__struct_fields__)


def not_yet(section: str) -> set[str]:
    paragraphs = re.findall(r"^\*Not in this release yet:\*(.*?)\n\n", SECTIONS[section], re.M | re.S)
    return {word for paragraph in paragraphs for word in re.findall(r"`([^`]+)`", paragraph)}


def commands() -> set[str]:
    """`up`, `device add`, ...: whatever `effectd` answers to."""
    group = typer.main.get_command(app)
    names = set(group.commands)
    return names | {f"{name} {inner}" for name in names for inner in getattr(group.commands[name], "commands", {})}


@pytest.mark.parametrize(("section", "there"), [("1", FIELDS), ("4", commands()), ("5", KEYS)], ids="145")
def test_what_is_not_in_this_release_yet_is_not_there(section, there):
    assert not_yet(section) or section != "4"  # every field of an effect is there, and nearly every key
    assert not_yet(section) & there == set(), "it is there now: take it out of that line of docs/contract.md"


def test_every_field_of_an_effect_is_in_the_contract():
    rows = set(re.findall(r"^\| (?:\+ )?`([a-z_]+)`", SECTIONS["1"], re.M))
    assert rows | {"idempotency_key"} >= FIELDS  # an alias, in the row of `id`


def test_every_command_of_the_contract_that_is_not_new_is_there():
    rows = re.findall(r"^\| `effectd ([^|]*)\|", SECTIONS["4"], re.M)
    listed = {re.split(r"[ `]", row)[0] for row in rows} | {"down", "device add"}
    assert {"up", "send", "stop", "watch", "check"} <= listed
    assert listed - not_yet("4") <= commands()
