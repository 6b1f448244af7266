"""Templates: what an author may write, and that no published text leaves the hole it was filled into."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.template import CONSTANT, Template, encoded, in_url, unescaped, values
from effectd.messages.effect import Effect

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def fill(template: Template, **parameters: Any) -> str:
    effect = Effect(id="e-1", effect_type="light", intensity=60.0, duration=2000, parameters=parameters)
    return template.fill(values(effect, "lamp", (0, 255)))


@pytest.mark.parametrize("text", ["costs 5$", "$", "${level", "$level $"])
def test_a_lone_dollar_sign_is_told_with_its_cure(text):
    with pytest.raises(ValueError, match=r"write \$\$"):
        Template(text)


def test_a_hole_that_nothing_fills_is_told_with_those_that_are_filled():
    with pytest.raises(ValueError, match=r"\$lvel is not known here; known are .*\$level"):
        Template("$lvel")
    with pytest.raises(ValueError, match=r"known are \$device"):
        Template("$param_slot", names=CONSTANT)


@given(anything)
def test_whatever_is_published_stays_within_its_json_string(value):
    filled = json.loads(fill(Template('{"a": "$param_x", "n": [$level]}'), x=value))
    assert filled.keys() == {"a", "n"}
    assert filled["n"] == [153]
    assert isinstance(filled["a"], str)


@given(anything)
def test_whatever_is_published_is_one_json_value_where_no_string_is_around_it(value):
    assert json.loads(fill(Template('[1, $param_x, "2"]'), x=value)) == [1, value, "2"]


@given(anything)
def test_whatever_is_published_stays_within_its_place_in_a_url(value):
    url = fill(Template("http://lamp/set/$param_x/now?say=$param_x&level=$level", quote=in_url), x=value)
    parts = urlsplit(url)
    assert (parts.netloc, parts.fragment) == ("lamp", "")
    assert [parts.path.split("/")[i] for i in (0, 1, 3)] == ["", "set", "now"]
    assert parts.path.count("/") == 3
    assert parts.path.split("/")[2].strip(".") or not parts.path.split("/")[2]
    assert dict(parse_qsl(parts.query, keep_blank_values=True)).keys() == {"say", "level"}
    assert url.isascii()
    assert url.isprintable()


@given(anything)
def test_whatever_is_published_is_on_one_line_of_a_line_protocol(value):
    line = encoded(fill(Template(unescaped(r"SAY $param_x\n")), x=value))
    assert line.startswith(b"SAY ")
    assert line.count(b"\n") == 1
    assert not any(byte < 0x20 for byte in line[:-1])


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (r"a\n\r\t\0\\", b"a\n\r\t\0\\"),
        (r"\x00\x7f\x80\xFF", b"\x00\x7f\x80\xff"),
        (r"\\n \\x41", rb"\n \x41"),
        ("grün\n", "grün\n".encode()),
    ],
)
def test_escapes_are_bytes_and_other_text_is_utf_8(text, data):
    assert encoded(unescaped(text)) == data


@pytest.mark.parametrize("text", [r"\q", r"\x4", r"\xg0", "end\\", "\\\n"])
def test_an_escape_that_means_nothing_is_told_with_those_that_do(text):
    with pytest.raises(ValueError, match=r"allowed are \\n \\r"):
        unescaped(text)
