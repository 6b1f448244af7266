"""What is wrong, and where: file, line, key and rule."""

import re
import subprocess
import sys

import pytest

from effectd.base.errors import ConfigError
from effectd.config import reader
from tests.unit.config.files import SECTIONS


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
