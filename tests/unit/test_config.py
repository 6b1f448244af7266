"""config.yaml: what it says is what one gets; what is wrong is told with file, line and key (sections 4 and 5)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.reader import Config
from effectd.config.schema import Limits

WHOLE = """\
topic_root: room1/left
broker:
  embedded: false
  host: 0.0.0.0
  port: 1884
  external:
    host: broker.example
    port: 8883
    username: me
    password_env: EFFECTD_TEST_PASSWORD
    tls: {cafile: ca.pem, certfile: null}
devices:
  light:
    kind: virtual
    effects: [light]
  fan-2:
    kind: my.package:Fan
    effects:
      - wind
      - fog
    location: left:middle:front
    delay_ms: 40
    limits: {max_intensity: 80.5, max_on_ms: 5000, max_rate_hz: 2, max_apply_ms: 700}
    options:
      pin: 4
  esp:
    kind: remote
    effects: [fog]
effects:
  light: {labels: {low: 10, dim: 5}}
  wind: {duration_ms: 0}
  fog:
"""
FAN = """\
devices:
  fan:
    kind: virtual
    effects: [wind]
{fan}
  light:
    kind: virtual
    effects: [light]
effects:
  wind:
  light:
"""

SECTIONS = (
    "topic_root, dispatcher, broker, buses, devices, effects, buttons, supervision, timelines, page, home_assistant"
)


@pytest.fixture
def load(home: Path) -> Callable[[str | bytes], Config]:
    def load(text: str | bytes) -> Config:
        (home / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return reader.load(home)

    return load


@pytest.fixture
def error(home: Path, load: Callable[[str | bytes], Config]) -> Callable[[str | bytes], tuple[int, str, str]]:
    """The one line that a wrong file gives, as line, key and problem."""

    def error(text: str | bytes) -> tuple[int, str, str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        return parts(caught.value, home)

    return error


def parts(error: ConfigError, home: Path) -> tuple[int, str, str]:
    text = str(error)
    assert "\n" not in text
    file, line, rest = text.split(":", 2)
    assert file == str(home / "config.yaml")
    assert rest == (f" {error.key}: {error.problem}" if error.key else f" {error.problem}")
    assert error.problem
    return int(line), error.key, error.problem


# --- what is right ----------------------------------------------------------------------------------------------


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


# --- what is wrong, and where -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "key", "allowed"),
    [
        (
            "broker:\n  port: 1\ntopics: 1\n",
            3,
            "topics",
            SECTIONS,
        ),
        (
            "broker:\n  port: 1\n  prot: 2\n",
            3,
            "broker.prot",
            "embedded, host, port, external, tls, websocket, insecure, users, plugins, limits, sys_interval_s",
        ),
        (
            "broker:\n  external:\n    host: a\n    user: b\n",
            4,
            "broker.external.user",
            "host, port, hosts, username, password_env, tls",
        ),
        (
            "broker:\n  external:\n    host: a\n    tls:\n      ca: b\n",
            5,
            "broker.external.tls.ca",
            "cafile, certfile, keyfile",
        ),
        ("effects:\n  wind:\n    label: {}\n", 3, "effects.wind.label", "labels, duration_ms"),
        (
            "a.b: 1\n",
            1,
            "a.b",
            SECTIONS,
        ),
        (
            "'we`ird': 1\n",
            1,
            "we`ird",
            SECTIONS,
        ),
        (
            "<<: {broker: {}}\n",
            1,
            "<<",
            SECTIONS,
        ),
    ],
)
def test_an_unknown_key_is_told_with_its_line_and_the_keys_of_that_very_place(error, text, line, key, allowed):
    at, where, problem = error(text)
    assert (at, where) == (line, key)
    assert problem.partition("; did you mean")[0] == f"unknown key; allowed here are {allowed}"


def test_a_repeated_key_names_the_line_of_the_first(error):
    assert error("broker: {}\neffects:\n  wind:\n    duration_ms: 1\n    labels: {}\n    duration_ms: 2\n") == (
        6,
        "effects.wind.duration_ms",
        "repeated; it is in line 4 already",
    )


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("topic_root: 5", 1, "topic_root"),
        ("broker:\n  port: '1883'", 2, "broker.port"),
        ("broker:\n  port: 18.83", 2, "broker.port"),
        ("broker:\n  port: true", 2, "broker.port"),
        ("broker:\n\n  embedded: maybe", 3, "broker.embedded"),
        ("broker:\n  host: 2001-01-01", 2, "broker.host"),
        ("broker:\n  host: ''", 2, "broker.host"),
        ("broker:\n  port: 0", 2, "broker.port"),
        ("broker:\n  port: 65536", 2, "broker.port"),
        ("broker: [1]", 1, "broker"),
        ("broker:\n  external: {port: 1}", 2, "broker.external"),
        ("broker:\n  external:\n    port: 1\n    host: 5", 4, "broker.external.host"),
        ("broker:\n  embedded: false", 2, "broker.embedded"),
        ("effects: [wind]", 1, "effects"),
        ("devices: 5", 1, "devices"),
        ("effects:\n  wind: 5", 2, "effects.wind"),
        ("effects:\n  wind:\n    duration_ms: -1", 3, "effects.wind.duration_ms"),
        ("effects:\n  wind:\n    labels:\n      low: 1\n      gale: 101", 5, "effects.wind.labels.gale"),
        ("effects:\n  wind:\n    labels:\n      low: 1\n      gale: strong", 5, "effects.wind.labels.gale"),
        ("effects:\n  wind:\n    labels:\n      gale: .nan", 4, "effects.wind.labels.gale"),
        ("effects:\n  wind:\n    labels: [low]", 3, "effects.wind.labels"),
        ("effects:\n  wind:\n  a b:", 3, "effects.a b"),
        ("effects:\n  -x:", 2, "effects.-x"),
        ("a: !!bool maybe", 1, "a"),
        ("a:\n  b: !!timestamp soon", 2, "a.b"),
        ("a:\n- !!int ''", 2, "a.0"),
        ("a: !!float ''", 1, "a"),
        ("a: 2001-99-99", 1, "a"),
        ("a: !mine x", 1, "a"),
        ("a: " + "9" * 5000, 1, "a"),
    ],
)
def test_a_value_of_a_wrong_type_or_range_is_told_with_its_line_and_key(error, text, line, key):
    assert error(text)[:2] == (line, key)


@pytest.mark.parametrize("root", ["/", "/a", "a/", "a+", "#", "a/#", "a b", "$a", "r" * 101, "a\\n"])
def test_a_topic_root_that_no_topic_may_begin_with_is_refused(error, root):
    line, key, problem = error(f'broker: {{}}\ntopic_root: "{root}"')
    assert (line, key) == (2, "topic_root")
    assert "slash" in problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("broker: [1,\n", 2),
        ("broker: {}\n\tport: 1\n", 2),
        ("\tbroker: {}", 1),
        ("broker: *nobody", 1),
        ("a: 1\n---\nb: 2", 2),
        ('topic_root: "\\ud800"', 1),
        ("broker: 'open\n", 2),
        ("a: b: c", 1),
        ("%YAML 9.9\n---\na: 1", 1),
        (b"broker: \xff\xfe", 1),
        (b"\x7fELF\x02\x01\x01\0\0", 1),
        (b"\x89PNG\r\n\x1a\n\0", 1),
        (b"\xff\xfe\0", 1),
        (b"\0" * 1000, 1),
    ],
)
def test_what_is_no_yaml_is_told_with_the_line_where_it_stops_being_yaml(error, text, line):
    told = error(text)
    assert told[0] == line
    assert told[2].startswith("not YAML: ")


@pytest.mark.parametrize("text", ["5", "- broker", "broker", "[]"])
def test_a_file_that_is_no_mapping_is_told_what_it_should_be(error, text):
    assert error(text) == (
        1,
        "",
        f"the file must be a mapping of {SECTIONS}",
    )


@pytest.mark.parametrize("text", ["? [a]\n: 1", "? {a: b}\n: 1", '"a\\nb": 1', '"\\0": 1'])
def test_a_key_that_is_no_plain_word_is_refused(error, text):
    assert error(text) == (1, "", "a key must be a plain word")


def test_a_bomb_of_aliases_is_refused_before_it_unfolds(error):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "too many" in error(bomb)[2]


def test_an_alias_within_itself_is_refused(error):
    assert "too deeply" in error("a: &a [*a]")[2]
    assert "too deeply" in error("a: &a {b: *a}")[2]


@pytest.mark.parametrize("tower", ["[", "{a: ", "- "])
def test_a_tower_of_brackets_is_refused_and_ends_no_process(home, tower):
    (home / "config.yaml").write_text(tower * 100_000)
    script = (
        "import sys; from pathlib import Path\n"
        "from effectd.base.errors import ConfigError; from effectd.config import reader\n"
        "try: reader.load(Path(sys.argv[1]))\nexcept ConfigError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", script, home], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")  # libyaml's own recursion would be a segmentation fault
    assert re.fullmatch(rf"{home}/config.yaml:\d+: .+\n", ended.stdout)  # YAML's own parser may be the one to refuse


def test_a_missing_or_unreadable_file_is_told_by_its_name(home):
    with pytest.raises(ConfigError, match=r"config.yaml:1: cannot be read: No such file"):
        reader.load(home)
    (home / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"config.yaml:1: cannot be read: Is a directory"):
        reader.load(home)


# --- one device's section ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fan", "line", "key", "told"),
    [
        (
            "    limit: {}",
            5,
            "devices.fan.limit",
            "allowed here are kind, effects, location, zones, delay_ms, ",
        ),
        (
            "    limits:\n      max_intensity: 5\n      max_on: 1",
            7,
            "devices.fan.limits.max_on",
            "unknown key; allowed here are max_intensity, max_on_ms, max_rate_hz, max_apply_ms",
        ),
        ("    limits: {max_intensity: 101}", 5, "devices.fan.limits.max_intensity", "100"),
        ("    limits:\n      max_intensity: .nan", 6, "devices.fan.limits.max_intensity", "0"),
        ("    limits: {max_on_ms: 0}", 5, "devices.fan.limits.max_on_ms", "1"),
        ("    limits: {max_rate_hz: 0}", 5, "devices.fan.limits.max_rate_hz", "0"),
        ("    limits: {max_rate_hz: .inf}", 5, "devices.fan.limits.max_rate_hz", "1000"),
        (
            "    limits: {max_apply_ms: 1.5}",
            5,
            "devices.fan.limits.max_apply_ms",
            "a whole number from 1 to 600000, not 1.5",
        ),
        ("    delay_ms: -1", 5, "devices.fan.delay_ms", "0"),
        ("    location: upstairs", 5, "devices.fan.location", "allowed are everywhere"),
        ("    location: left:right", 5, "devices.fan.location", "named already"),
        ("    zones: row-a", 5, "devices.fan.zones", "a list, such as [row-a]"),
        ("    zones: [Row A]", 5, "devices.fan.zones", "a zone's name is 1 to 32 of"),
        ("    zones: [row-a, all]", 5, "devices.fan.zones", "none of all, broker"),
        ("    zones: [fan]", 5, "devices.fan.zones", "'fan' is a device"),
        ("    options: 5", 5, "devices.fan.options", "a mapping"),
    ],
)
def test_an_error_in_one_devices_section_is_kept_and_everything_else_is_loaded(load, fan, line, key, told):
    tree = load(FAN.format(fan=fan))
    (error,) = tree.errors
    assert parts(error, tree.home)[:2] == (line, key)
    assert told in error.problem
    assert error.device == "fan"
    assert list(tree.devices) == ["light"]
    assert tree.device("light").kind == "virtual"
    with pytest.raises(ConfigError) as caught:
        tree.device("fan")
    assert caught.value is error


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("{kind: virtual, effects: [fog]}", "devices.fan.effects"),
        ("{kind: virtual, effects: []}", "devices.fan.effects"),
        ("{kind: virtual, effects: wind}", "devices.fan.effects"),
        ("{kind: virtual, effects: [1]}", "devices.fan.effects"),
        ("{kind: '', effects: [wind]}", "devices.fan.kind"),
        ("{kind: virtual}", "devices.fan"),
        ("{effects: [wind]}", "devices.fan"),
        ("", "devices.fan"),
        ("virtual", "devices.fan"),
    ],
)
def test_a_device_without_a_right_kind_and_effects_is_left_out(load, home, section, key):
    tree = load(f"effects: {{wind: }}\ndevices:\n  fan: {section}\n")
    assert [parts(error, home)[:2] for error in tree.errors] == [(3, key)]
    assert tree.devices == {}


def test_an_effect_that_is_no_type_is_named_with_the_types_that_are_known(load):
    (error,) = load("effects: {wind: , fog: }\ndevices: {fan: {kind: virtual, effects: [wind, frog]}}").errors
    assert "'frog'" in error.problem
    assert "wind, fog" in error.problem


TAKEN = ["all", "broker", "buttons", "dispatcher", "dispatcher-2", "page", "playsem", "watchdog"]


@pytest.mark.parametrize("name", [*TAKEN, "Fan", "fan_1", "-fan", "fan 1", "x" * 33])
def test_a_name_that_is_no_device_id_is_told_the_rule(load, home, name):
    tree = load(f"effects: {{wind: }}\ndevices:\n  ok: {{kind: virtual, effects: [wind]}}\n  {name}: {{}}\n")
    (error,) = tree.errors
    assert parts(error, home) == (4, f"devices.{name}", error.problem)
    assert "1 to 32 of a-z 0-9 -" in error.problem
    assert "all, broker, buttons, dispatcher, dispatcher-N, page, playsem, watchdog" in error.problem
    assert list(tree.devices) == ["ok"]


@pytest.mark.parametrize("name", ["a", "0", "x" * 32, "fan-2", "1-"])
def test_a_name_within_the_rule_is_a_device_id(load, name):
    assert list(load(f"effects: {{wind: }}\ndevices: {{'{name}': {{kind: v, effects: [wind]}}}}").devices) == [name]


def test_a_device_that_is_not_there_is_told_with_those_that_are(load, home):
    with pytest.raises(ConfigError) as caught:
        load(WHOLE).device("lamp")
    assert parts(caught.value, home) == (12, "devices.lamp", "missing; known: light, fan-2, esp")


def test_a_drivers_complaint_about_an_option_has_the_options_line(load, home):
    error = load(WHOLE).option_error("fan-2", ("options", "pin"), "no such pin")
    assert parts(error, home) == (25, "devices.fan-2.options.pin", "no such pin")
    assert error.device == "fan-2"


# --- homes ------------------------------------------------------------------------------------------------------


def test_a_home_is_the_given_folder_else_the_environments_else_the_current_one(home, monkeypatch):
    given, named, here = (home / name for name in "abc")
    for folder in (given, named, here):
        folder.mkdir()
        (folder / "config.yaml").touch()
    monkeypatch.chdir(here)
    monkeypatch.setenv("EFFECTD_HOME", str(named))
    assert reader.find_home(given) == given
    assert reader.find_home(None) == named
    monkeypatch.delenv("EFFECTD_HOME")
    assert reader.find_home(None) == here


def test_a_home_is_found_from_a_folder_within_it_and_a_lone_config_yaml_further_up_is_none(home, monkeypatch):
    monkeypatch.delenv("EFFECTD_HOME", raising=False)
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    (home / "config.yaml").touch()
    with pytest.raises(ConfigError, match="no home here"):
        reader.find_home(None)
    (home / "supervisor.conf").touch()
    assert reader.find_home(None) == home
    (home / "a" / "config.yaml").touch()
    (home / "a" / "supervisor.conf").touch()
    assert reader.find_home(None) == home / "a"


def test_a_folder_without_config_yaml_is_no_home(home):
    with pytest.raises(ConfigError, match="no home here"):
        reader.find_home(home)


def test_a_home_whose_path_is_too_long_for_a_socket_is_refused_with_the_number_of_bytes(home):
    longest = reader.SUN_PATH - len(f"{home}//run/{'x' * 32}.gate.new")
    for length, fits in ((longest, True), (longest + 1, False)):
        folder = home / ("h" * length)
        folder.mkdir()
        (folder / "config.yaml").touch()
        if fits:
            assert reader.find_home(folder) == folder
        else:
            with pytest.raises(ConfigError, match="too long for a UNIX socket by 1 bytes"):
                reader.find_home(folder)


def test_two_homes_have_different_client_ids_and_one_home_always_the_same(load, home):
    tree = load("")
    other = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shutil.copy(home / "config.yaml", other)
        assert reader.load(other).client_id("light") != tree.client_id("light") == load("").client_id("light")
        os.symlink(home, other / "link")
        assert reader.load(other / "link").client_id("light") == tree.client_id("light")
        assert tree.client_id("light") != tree.client_id("wind")
    finally:
        shutil.rmtree(other)


# --- any text at all --------------------------------------------------------------------------------------------

words = st.sampled_from(
    [
        *(
            "topic_root",
            "broker",
            "devices",
            "effects",
            "light",
            "kind",
            "virtual",
            "limits",
            "labels",
            "off",
            "5",
            ".nan",
        ),
        *(
            ":",
            ": ",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "!!int ",
            "!!bool ",
            "'",
            '"',
        ),
        *(
            "|",
            ">",
            "#",
            "?",
            "%",
            "@",
            "\t",
            "null",
            "~",
            "1e5",
            "0x",
            "2001-01-01",
            "!!timestamp ",
            "!!set ",
            "<<",
            "=",
        ),
    ]
)
texts = st.one_of(
    st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")),
    st.binary(max_size=40),
    st.lists(words, max_size=30).map(lambda found: "".join(found).encode()),
)


@given(texts)
def test_any_text_is_a_configuration_or_a_config_error_of_one_line(text):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (folder / "config.yaml").write_bytes(text)
        tree = reader.load(folder)
        errors = list(tree.errors)
    except ConfigError as error:
        errors = [error]
    finally:
        shutil.rmtree(folder)
    for error in errors:
        assert re.fullmatch(rf"{folder}/config\.yaml:\d+: .+", str(error))
