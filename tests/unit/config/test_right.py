"""What is right: a whole file, and every default."""

import msgspec
import pytest

from effectd.config.schema import Limits
from tests.unit.config.files import WHOLE


def test_a_whole_file_is_read_as_it_is_written(load):
    tree = load(WHOLE)
    assert tree.topic_root == "room1/left"
    assert str(tree.broker.address) == "broker.example:8883"
    assert tree.broker.address.tls.cafile == "ca.pem"
    fan = tree.devices["fan-2"]
    assert (fan.kind, fan.effects, fan.location, fan.delay_ms) == (
        "my.package:Fan",
        ("wind", "fog"),
        "left:middle:front",
        40,
    )
    assert fan.limits == Limits(80.5, 5000, 2, 700)
    assert fan.options == {"pin": 4}
    assert tree.effects["light"].labels == {"off": 0, "low": 10, "medium": 50, "high": 100, "dim": 5}
    assert [kind.duration_ms for kind in tree.effects.values()] == [1000, 0, 1000]
    assert tree.errors == ()


def test_every_default_is_the_contracts(load):
    tree = load("devices: {light: {kind: virtual, effects: [light]}}\neffects: {light: }")
    assert tree.topic_root == ""
    broker = {"embedded": True, "host": "127.0.0.1", "port": 1883, "external": None, "tls": None, "websocket": None}
    broker |= {"insecure": False, "users": {}}
    limits = {
        "packet_bytes": 4259840,
        "connections": 1000,
        "unread_bytes": 16777216,
        "unacked": 10000,
        "session_bytes": 1048576,
        "sessions": 100,
        "session_expiry_s": 3600,
        "retained": 10000,
        "retained_bytes": 16777216,
        "topic_levels": 32,
        "inflight": 100,
        "subscriptions": 1000,
        "buffered_bytes": 134217728,
    }
    assert msgspec.to_builtins(tree.broker) == broker | {"plugins": {}, "limits": limits, "sys_interval_s": 10}
    told = {
        "kind": "virtual",
        "effects": ("light",),
        "location": "everywhere",
        "delay_ms": 0,
        "limits": {
            "max_intensity": 100,
            "max_on_ms": 60000,
            "max_rate_hz": 60,
            "max_apply_ms": 5000,
            "budget": None,
            "min_off_ms": 0,
            "max_flash_hz": None,  # 3: it is a light
        },
        "options": {},
    }
    device = msgspec.to_builtins(tree.devices["light"])
    assert {key: device[key] for key in told} == told


@pytest.mark.parametrize("text", ["", "\n", "# nothing here\n", "---\n", "{}"])
def test_an_empty_file_is_a_home_without_devices(load, text):
    tree = load(text)
    assert (tree.devices, tree.effects, tree.errors) == ({}, {}, ())
    assert tree.programs == ["broker", "dispatcher"]


def test_the_programs_are_broker_dispatcher_and_every_device_that_is_not_remote(load):
    assert load(WHOLE).programs == ["broker", "dispatcher", "light", "fan-2"]


@pytest.mark.parametrize("off", ["off", '"off"', "'off'"])
def test_off_is_a_label_quoted_or_not(load, off):
    tree = load(f"effects:\n  wind: {{labels: {{{off}: 3, on: 60, yes: 70, no: 10}}}}\n")
    assert tree.effects["wind"].labels == {
        "off": 3,
        "low": 25,
        "medium": 50,
        "high": 100,
        "on": 60,
        "yes": 70,
        "no": 10,
    }


def test_a_home_may_leave_the_dispatcher_to_another_one(load):
    assert load("dispatcher: false\n" + WHOLE).programs == ["broker", "light", "fan-2"]


def test_the_password_is_taken_from_the_environment_at_each_connect(load, monkeypatch):
    address = load(WHOLE).broker.address
    monkeypatch.delenv("EFFECTD_TEST_PASSWORD", raising=False)
    with pytest.raises(ValueError, match="the environment has no EFFECTD_TEST_PASSWORD"):
        address.password()
    monkeypatch.setenv("EFFECTD_TEST_PASSWORD", "secret")
    assert address.password() == "secret"
    assert "secret" not in repr(address)


def test_an_alias_that_is_no_bomb_is_plain_yaml(load):
    tree = load("x-: &none\n".replace("x-: &none\n", "") + "effects:\n  wind: &same {duration_ms: 7}\n  light: *same\n")
    assert tree.effects["light"].duration_ms == 7


@pytest.mark.parametrize("root", ["", "room1", "a/b/c", "ü", "r" * 100, "a"])
def test_a_topic_root_stands_before_every_topic(load, root):
    topics = load(f"topic_root: '{root}'").topics
    assert topics.set("fan") == (f"{root}/" if root else "") + "devices/fan/set"
    assert topics.split(topics.set("fan")) == ["devices", "fan", "set"]
    assert topics.split("x" + topics.set("fan"))[:1] != ["devices"]
