"""Each program's part of config.yaml: what is in it, what changes its hash, and by which keys two of them differ."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import ConfigError
from effectd.config import part, reader

HOUSE: dict[str, Any] = {
    "broker": {"port": 18830},
    "devices": {
        "fan": {"kind": "virtual", "effects": ["wind"], "limits": {"max_on_ms": 20000}},
        "lamp": {"kind": "mqtt", "effects": ["light"], "options": {"topic": "lamp"}},
        "far": {"kind": "remote", "effects": ["wind"]},
    },
    "effects": {"wind": {}, "light": {"labels": {"dim": 10}}},
}
EXTERNAL = {"embedded": False, "external": {"host": "broker.example", "username": "me", "password_env": "ROOM_PW"}}
PROGRAMS = ("broker", "dispatcher", "fan", "lamp")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner),
    max_leaves=8,
)


def tree(**changes: Any) -> reader.Config:
    """`HOUSE` with dotted keys changed: `devices__fan__kind="http"`; None takes a key away."""
    house = yaml.safe_load(yaml.safe_dump(HOUSE))
    for path, value in changes.items():
        *above, key = path.split("__")
        place = house
        for level in above:
            place = place.setdefault(level, {})
        place[key] = value
        if value is None:
            del place[key]
    return reader.load(Path("/nowhere"), yaml.safe_dump(house).encode())


def changed(**changes: Any) -> dict[str, list[str]]:
    """Per program whose part has changed: by which keys."""
    old, new = tree(), tree(**changes)
    found = {name: part.differences(part.of(old, name), part.of(new, name)) for name in PROGRAMS}
    for name, keys in found.items():
        assert (part.digest(part.of(old, name)) != part.digest(part.of(new, name))) == bool(keys)
    return {name: keys for name, keys in found.items() if keys}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"devices__fan__limits__max_on_ms": 100}, {"fan": ["limits.max_on_ms"]}),
        ({"devices__fan__kind": "http"}, {"fan": ["kind"]}),
        ({"devices__lamp__options__topic": "other"}, {"lamp": ["options.topic"]}),
        ({"devices__lamp__options__qos": 0}, {"lamp": ["options.qos"]}),
        ({"devices__fan__location": "left"}, {"fan": ["location"], "dispatcher": ["devices.fan.location"]}),
        ({"devices__far": None}, {"dispatcher": ["devices.far"]}),
        ({"effects__light__labels__dim": 20}, {"dispatcher": ["effects.light.labels.dim"]}),
        ({"broker__port": 18831}, {"broker": ["broker.port"]}),
        ({"broker__limits__retained": 5}, {"broker": ["broker.limits.retained"]}),
        ({"broker__external": {"host": "unused"}}, {}),
        ({"devices__fan__limits__max_rate_hz": 60}, {}),
    ],
)
def test_a_change_is_in_the_part_of_exactly_the_programs_that_read_it(changes, expected):
    assert changed(**changes) == expected


def test_another_topic_root_concerns_every_program():
    assert changed(topic_root="room1") == {name: ["topic_root"] for name in PROGRAMS}


def test_another_broker_concerns_every_program():
    keys = changed(broker=EXTERNAL)
    assert set(keys) == set(PROGRAMS)
    assert keys["fan"] == ["broker.embedded", "broker.external"]


def test_the_part_of_a_bus_is_its_section_and_those_of_its_devices():
    house = {
        "buses": {"stage": {"kind": "virtual"}, "spare": {"kind": "virtual"}},
        "devices": {"fan": {"bus": "stage", "effects": ["wind"]}, "lamp": {"bus": "stage", "effects": ["wind"]}},
        "effects": {"wind": {}},
    }

    def stage(change: Any = lambda _house: None) -> part.Part:
        changed_: Any = yaml.safe_load(yaml.safe_dump(house))
        change(changed_)
        return part.of(reader.load(Path("/nowhere"), yaml.safe_dump(changed_).encode()), "stage")

    def keys(change: Any) -> list[str]:
        return part.differences(stage(), stage(change))

    assert keys(lambda room: room["buses"]["stage"].update(options={"apply_ms": 5})) == ["options.apply_ms"]
    assert keys(lambda room: room["devices"]["fan"].update(curve=2)) == ["devices.fan.curve"]
    assert keys(lambda room: room["devices"].pop("lamp")) == ["devices.lamp"]
    assert keys(lambda room: room["buses"].pop("spare")) == []


def test_a_password_is_in_no_part(monkeypatch):
    before = [part.digest(part.of(tree(broker=EXTERNAL), name)) for name in PROGRAMS]
    monkeypatch.setenv("ROOM_PW", "hunter2")
    assert [part.digest(part.of(tree(broker=EXTERNAL), name)) for name in PROGRAMS] == before
    assert "hunter2" not in str([part.of(tree(broker=EXTERNAL), name) for name in PROGRAMS])


def test_the_order_in_which_keys_are_written_does_not_matter():
    turned = {key: dict(reversed(value.items())) for key, value in reversed(HOUSE.items())}
    other = reader.load(Path("/nowhere"), yaml.safe_dump(turned, sort_keys=False).encode())
    for name in PROGRAMS:
        assert part.digest(part.of(other, name)) == part.digest(part.of(tree(), name))


def test_whatever_yaml_can_say_in_an_option_has_a_hash():
    text = yaml.safe_dump(HOUSE) + "#"
    odd = text.replace("topic: lamp", "topic: lamp\n      a: 2026-01-01\n      b: !!binary aGk=\n      c: .nan")
    assert part.digest(part.of(reader.load(Path("/nowhere"), odd.encode()), "lamp"))


def test_a_device_whose_section_is_wrong_has_no_part():
    with pytest.raises(ConfigError, match="speed"):
        part.of(tree(devices__fan__speed=5), "fan")


@given(VALUES, VALUES)
def test_two_parts_differ_by_no_key_exactly_if_their_hashes_are_equal(old, new):
    same = part.digest({"x": old}) == part.digest({"x": new})
    assert (part.differences({"x": old}, {"x": new}) == []) == same
