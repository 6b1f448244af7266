"""What can never work is refused by `check`, with the line, the key, and what to write there."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import ConfigError, DeviceFailed, in_words
from effectd.cli import built, check
from effectd.config import reader, words
from effectd.config.schema import Device, Limits

KEYS = [*Device.__struct_fields__, *Limits.__struct_fields__, "knd"]
HEAD = "[supervisord]\nlogfile=%(here)s/run/log/supervisord.log\n"


def found(home: Path, config: str, *, effects: str = "effects: {wind: , light: }\n") -> list[tuple[str, str]]:
    """Key and problem of each error that `check` prints."""
    (home / "run" / "log").mkdir(exist_ok=True)
    (home / "config.yaml").write_text(config + effects)
    devices = reader.load(home).devices if not config.startswith("broker") else ()
    programs = ("broker", "dispatcher", *devices)
    (home / "supervisor.conf").write_text(HEAD + "".join(check.section(name) for name in programs))
    return [(problem.error.key, problem.error.problem) for problem in check.problems(home)]


def fan(options: str, kind: str = "mqtt", name: str = "fan") -> str:
    return f"  {name}: {{kind: {kind}, effects: [wind], options: {options}}}\n"


@pytest.mark.parametrize("place", ["host", "external", "websocket"])
@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("mqtt://127.0.0.1", "begins with a scheme; only the name or address belongs here, such as 127.0.0.1"),
        ("mqtts://me@broker.example:8883/x", "such as broker.example"),
        ("127.0.0.1:1883", "has a port in it; write host: 127.0.0.1 and the number as port"),
        ("broker.example/mqtt", "only a name or an address"),
        ("'a b'", "only a name or an address"),
    ],
)
def test_a_host_is_a_name_or_an_address_and_nothing_else(home, place, host, told):
    where = {
        "host": f"broker: {{host: {host}}}\n",
        "external": f"broker:\n  embedded: false\n  external: {{host: {host}}}\n",
        "websocket": f"broker:\n  websocket: {{host: {host}}}\n",
    }
    (error,) = found(home, where[place])[:1]
    assert error[0] == ("broker.host" if place == "host" else f"broker.{place}.host")
    assert told in error[1]


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "broker.example", "192.168.1.5", "lamp_1"])
def test_names_and_addresses_of_both_kinds_are_good(home, host):
    (home / "config.yaml").write_text(f"broker:\n  embedded: false\n  external: {{host: '{host}'}}\n")
    assert reader.load(home).address.host == host


def test_the_embedded_broker_may_be_named_with_brackets_and_is_reached_without(home):
    (home / "config.yaml").write_text("broker: {host: '[::1]'}\n")
    assert reader.load(home).address.host == "::1"


def test_the_host_of_a_devices_own_broker_is_checked_as_well(home):
    assert found(home, "devices:\n" + fan("{topic: a, broker: {host: mqtt://lamp}}")) == [
        (
            "devices.fan.options.broker.host",
            "'mqtt://lamp' begins with a scheme; only the name or address belongs here, such as lamp",
        )
    ]


def test_the_websocket_cannot_have_the_brokers_own_port(home):
    ((key, problem),) = found(home, "broker: {port: 9001, websocket: {}}\n")[:1]
    assert (key, problem) == ("broker.websocket", "port 9001 is the broker's own port; give it another one")


@pytest.mark.parametrize("option", ["topic", "off_topic", "availability_topic", "state_topic"])
@pytest.mark.parametrize(("topic", "shown"), [("a/#", "#"), ("a/+/b", "+"), ("a\\0b", "NUL")])
def test_a_topic_of_one_device_is_no_filter(home, option, topic, shown):
    options = {"topic": "lamp"} | {option: topic}
    text = "{" + ", ".join(f'{key}: "{value}"' for key, value in options.items()) + "}"
    ((key, problem),) = found(home, "devices:\n" + fan(text))
    assert key == f"devices.fan.options.{option}"
    assert f"{shown} stands in filters only" in problem


@pytest.mark.parametrize("root", ["", "room1"])
@pytest.mark.parametrize("topic", ["effects/wind", "stop-all", "devices/$device/set", "receipts/x", "holds/me"])
@pytest.mark.parametrize("option", ["topic", "off_topic"])
def test_a_device_that_would_feed_itself_is_refused(home, root, topic, option):
    topic = f"{root}/{topic}" if root else topic
    options = f"{{{option}: '{topic}'" + (", topic: lamp}" if option == "off_topic" else "}")
    ((key, problem),) = found(home, f"topic_root: '{root}'\ndevices:\n" + fan(options))
    assert key == f"devices.fan.options.{option}"
    assert "is effectd's own topic" in problem


@pytest.mark.parametrize(
    ("broker", "refused"),
    [
        ("{host: localhost}", True),
        ("{host: '::1'}", True),
        ("{host: 127.0.0.1, port: 1884}", False),
        ("{host: other}", False),
    ],
)
def test_on_another_broker_the_same_topic_is_somebody_elses(home, broker, refused):
    errors = found(home, "devices:\n" + fan(f"{{topic: effects/wind, broker: {broker}}}"))
    assert bool(errors) == refused


def test_another_homes_topics_on_this_broker_are_not_ours(home):
    assert found(home, "topic_root: room1\ndevices:\n" + fan("{topic: room2/effects/wind}")) == []


@pytest.mark.parametrize(
    ("kind", "one", "other", "what"),
    [
        ("gpio", "{pin: 18}", "{pin: GPIO18}", "pin 18"),
        ("gpio", "{pin: 18}", "{pin: BOARD12}", "pin 18"),
        ("serial", "{port: auto}", "{port: auto}", "port auto"),
        ("serial", "{port: /dev/ttyX0}", "{port: /dev/ttyX0, shared: true}", "port /dev/ttyX0"),
        (
            "serial",
            "{port: auto, shared: true, protocol: ser}",
            "{port: auto, shared: true, protocol: ser, index: 1}",
            "port auto, fan 1",
        ),
    ],
)
def test_two_devices_on_one_pin_or_port_are_refused_at_the_second_one(home, kind, one, other, what):
    ((key, problem),) = found(home, "devices:\n" + fan(one, kind) + fan(other, kind, "second"))
    assert (key, problem) == ("devices.second.options", f"{what} is used by fan already")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("gpio", "{pin: 18}", "{pin: 12}"),
        ("serial", "{port: auto, shared: true}", "{port: auto, shared: true}"),
        ("serial", "{port: a, shared: true, protocol: ser}", "{port: a, shared: true, protocol: ser, index: 2}"),
    ],
)
def test_what_can_be_shared_is(home, kind, one, other):
    assert found(home, "devices:\n" + fan(one, kind) + fan(other, kind, "second")) == []


@pytest.mark.parametrize(
    ("config", "key", "told"),
    [
        ("broker: {port: 80000}", "broker.port", "must be a whole number from 1 to 65535, not 80000"),
        ("broker: {port: '80'}", "broker.port", "not '80' (without the quotes)"),
        ("broker: {embedded: 'no'}", "broker.embedded", "must be true or false, not 'no'"),
        ("broker: {plugins: {a: 5}}", "broker.plugins.a", "must be a mapping"),
        ("broker: {prot: 1}", "broker.prot", "did you mean port?"),
        ("broker: {external: {}}", "broker.external", "host is missing; it must be text"),
        ("devices:\n\tfan: {}", "", "a tab before the text; YAML is indented with spaces"),
    ],
)
def test_what_is_wrong_is_said_in_our_words(home, config, key, told):
    (home / "config.yaml").write_text(config + "\n")
    with pytest.raises(ConfigError) as caught:
        reader.load(home)
    assert caught.value.key == key
    assert told in caught.value.problem


@pytest.mark.parametrize(
    ("device", "key", "told"),
    [
        (
            "{kind: virtual, effects: wind}",
            ".effects",
            "must be a list with at least one entry, such as [wind], not 'wind'",
        ),
        ("{kind: virtual, effects: []}", ".effects", "at least one entry, not a list of nothing"),
        ("{kind: virtual}", "", "effects is missing; it must be a list"),
        ("{kind: virtual, effects: [wnid]}", ".effects", "did you mean wind?"),
        ("{kind: virtual, effects: [wind], limits: {max_on_ms: 20s}}", ".limits.max_on_ms", "(in milliseconds: 20000)"),
        ("{kind: virtual, effects: [wind], limits: {max_on: 1}}", ".limits.max_on", "did you mean max_on_ms?"),
    ],
)
def test_what_is_wrong_with_a_device_is_said_in_our_words(home, device, key, told):
    (home / "config.yaml").write_text(f"devices:\n  fan: {device}\neffects: {{wind: }}\n")
    (error,) = reader.load(home).errors
    assert error.key == "devices.fan" + key
    assert told in error.problem
    assert "Expected" not in error.problem


def test_an_option_that_is_text_says_that_it_wants_quotes(home):
    ((key, problem),) = found(home, "devices:\n" + fan("{topic: lamp, off_payload: OFF}"))
    assert key == "devices.fan.options.off_payload"
    assert problem == "must be text, not false (YAML reads on, off, yes and no so: put it in quotes)"


def test_a_kind_with_a_slip_is_told_with_the_one_that_was_meant(home):
    ((key, problem),) = found(home, "devices:\n" + fan("{}", "virtul"))
    assert key == "devices.fan.kind"
    assert "known are virtual, mqtt, serial, gpio, http, remote" in problem
    assert problem.endswith("did you mean virtual?")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DeviceFailed("the port is gone"), "the port is gone"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (FileNotFoundError(2, "No such file or directory", "/dev/ttyX"), "No such file or directory: /dev/ttyX"),
        (
            OSError(2, "could not open port /dev/ttyX: [Errno 2] No such file or directory: '/dev/ttyX'"),
            "could not open port /dev/ttyX: No such file or directory",
        ),
        (RuntimeError("no water"), "no water"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("speed"), "KeyError: 'speed'"),
    ],
)
def test_a_devices_failure_is_told_without_names_of_classes_except_where_they_are_all_there_is(error, words):
    assert in_words(error) == words


def test_two_devices_of_one_bus_on_one_of_its_actuators_are_refused_at_the_second_one(home):
    board = "buses:\n  board: {kind: serial, options: {port: auto, protocol: ser}}\ndevices:\n"
    one = "  fan: {bus: board, effects: [wind], options: {actuator: fan}}\n"
    other = "  second: {bus: board, effects: [wind], options: {actuator: fan, index: %s}}\n"
    (home / "config.yaml").write_text(board + one + other % 1 + "effects: {wind: }\n")
    (error,) = built.errors(reader.load(home))
    assert (error.key, error.problem) == (
        "devices.second.options",
        "fan 1 of board is used by fan already",
    )
    (home / "config.yaml").write_text(board + one + other % 2 + "effects: {wind: }\n")
    assert built.errors(reader.load(home)) == []


def test_a_bus_and_a_device_on_one_port_are_refused(home):
    board = "buses:\n  board: {kind: serial, options: {port: auto}}\ndevices:\n"
    lamp = "  lamp: {bus: board, effects: [light]}\n"
    errors = found(home, board + lamp + fan("{port: auto}", "serial"))
    assert ("devices.fan.options", "port auto is used by board already") in errors


words_ = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 100_000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), words_, max_size=5))
def test_whatever_stands_in_a_device_what_is_wrong_is_said_in_our_words(device):
    try:
        msgspec.convert(device, Device)
    except msgspec.ValidationError as error:
        keys, problem = words.complaint(error, device, Device)
        assert not re.search(r"Expected|Object contains|Object missing|`|\$", problem), problem
        assert all(key in KEYS for key in keys)
        assert problem.startswith(("must be ", "unknown key; ")) or "is missing; it must be" in problem
