"""Files that our own editor cannot cut: the change is made all the same, and what it does not concern stays."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from effectd.config import yamlchange, yamledit, yamlsafe
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlsafe import CannotEdit, comments

PATH = Path("/nowhere/config.yaml")
SHARED = """\
# our room
devices:
  fan: &tall            # the first
    kind:   virtual     # no hardware yet
    effects: [ wind ]
  # as tall as the fan
  lamp: *tall
  third: *tall          # and so is this

# the types
effects:
      wind:   {}        # odd, and left alone
      "light": {duration_ms: 0x10}
"""


def read(text: str) -> Any:
    return YamlFile(PATH, text.encode()).data


def put(text: str, keys: str, value: Any) -> str:
    return yamlchange.put(PATH, text.encode(), tuple(keys.split(".")), value).decode()


def take(text: str, keys: str) -> str:
    return yamlchange.take(PATH, text.encode(), tuple(keys.split("."))).decode()


def test_what_others_refer_to_is_taken_away_and_they_keep_what_it_was():
    after = take(SHARED, "devices.fan")
    assert after == SHARED.replace(
        """\
  fan: &tall            # the first
    kind:   virtual     # no hardware yet
    effects: [ wind ]
  # as tall as the fan
  lamp: *tall
""",
        """\
  # as tall as the fan
  lamp: &tall
    kind: virtual
    effects: [wind]
""",
    )


def test_of_what_is_shared_only_the_one_that_is_meant_is_changed():
    after = put(SHARED, "devices.third.location", "off")
    third = SHARED.index("  third")
    assert after.startswith(SHARED[:third])
    assert after.endswith(SHARED[SHARED.index("\n# the types") :])
    assert read(after)["devices"]["third"] == {"kind": "virtual", "effects": ["wind"], "location": "off"}
    assert comments(after) == comments(SHARED)
    after = put(SHARED, "devices.fan.location", "left")
    assert read(after)["devices"]["lamp"] == read(SHARED)["devices"]["lamp"]
    assert after.endswith(SHARED[third:])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{effects: {}}\n", "{effects: {}, devices: {fan: {kind: x}}}\n"),
        ("{devices: null}\n", "{devices: {fan: {kind: x}}}\n"),
        ("devices: {a: , }\n", "devices: {a: null, fan: {kind: x}}\n"),
        ("all: &all {a: 1}\ndevices: *all\n", "all: {a: 1}\ndevices: {a: 1, fan: {kind: x}}\n"),
        ("devices: &all {}\nmore: *all\n", "devices:\n  fan: {kind: x}\nmore: {}\n"),
        (
            "devices: &all # ours\n  a: {b:   1}\nmore: *all # theirs\n",
            "devices: # ours\n  a: {b:   1}\n  fan: {kind: x}\nmore:            # theirs\n  a: {b: 1}\n",
        ),
    ],
)
def test_a_device_is_added_where_no_text_can_be_inserted(before, after):
    grown = yamledit.add(PATH, before.encode(), "devices", "fan", {"kind": "x"}).decode()
    assert read(grown) == read(after)
    assert comments(grown) == comments(before)


def test_windows_line_ends_and_a_byte_order_mark_stay():
    text = "\ufeff" + SHARED.replace("\n", "\r\n")
    assert take(text, "devices.fan") == "\ufeff" + take(SHARED, "devices.fan").replace("\n", "\r\n")


def test_where_a_comment_would_be_lost_the_file_is_left_as_it_is():
    def careless(text: str) -> str:
        return text.replace(" # mine", "")

    with pytest.raises(CannotEdit):
        yamlsafe.settled(PATH, b"a: 1 # mine\n", [{"a": 1}], [careless], by_hand="")


def test_what_is_no_comment_is_none():
    text = "a: 'x # y' # one\nb: |  # two\n  # text\n# below\nc: d#e\nf: [1, # three\n  2]\n# four\n"
    assert comments(text) == {"# one": 1, "# two": 1, "# below": 1, "# three": 1, "# four": 1}


keys = st.sampled_from(["a", "b", "off", "1"])
scalars = st.sampled_from(
    ["x", "off", "yes", "0", "0x1f", "~", "'q # q'", '"d\\n"', "1e3", "2001-01-01", "!!str 5", ""]
)
notes = st.sampled_from(["", "  # one", " # two"])


@st.composite
def shared(draw: st.DrawFn) -> str:
    """A file in which devices refer to others, or to parts of them, with comments all over."""
    lines, known = [draw(st.sampled_from(["", "# head\n", "---\n"])), "devices:\n"], list[str]()
    for number in range(draw(st.integers(1, 4))):
        wide = " " * draw(st.sampled_from([2, 2, 4]))
        if known and draw(st.booleans()):
            lines.append(f"  d{number}: *{draw(st.sampled_from(known))}{draw(notes)}\n")
        else:
            lines.append(f"  d{number}: &x{number}{draw(notes)}\n")
            for key in draw(st.lists(keys, min_size=1, max_size=3, unique=True)):
                value = draw(scalars)
                if known and draw(st.booleans()):
                    value = f"*{draw(st.sampled_from(known))}"
                elif draw(st.booleans()):
                    known.append(f"y{number}{len(lines)}")
                    value = draw(
                        st.sampled_from([f"&{known[-1]} {{k: {value}}}", f"&{known[-1]}\n  {wide}  - {value}"])
                    )
                lines.append(f"  {wide}{key}: {value}{draw(notes)}\n")
            known.append(f"x{number}")
        lines.append(draw(st.sampled_from(["", "\n", "  # between\n", "# far\n", "    # deep\n"])))
    return "".join(lines) + draw(st.sampled_from(["", "effects:\n    wind:   {}  # w\n"]))


@given(shared(), st.data())
def test_whatever_refers_to_what_one_entry_is_changed_or_goes_and_no_other_and_no_comment(text, data):
    before = read(text)
    name = data.draw(st.sampled_from(sorted(before["devices"])))
    key = data.draw(st.sampled_from([None, "a", "new"]))
    changes: list[Callable[[], str]] = [
        lambda: take(text, f"devices.{name}"),
        lambda: put(text, f"devices.{name}.{key}", "off"),
    ]
    try:
        after = changes[key is not None]()
    except CannotEdit:
        return
    done = read(after)
    if key is None:
        assert (done["devices"] or {}) == {each: v for each, v in before["devices"].items() if each != name}
    else:
        was = before["devices"].pop(name)
        assert done["devices"].pop(name) == {**(was if isinstance(was, dict) else {}), key: "off"}
        assert done["devices"] == before["devices"]
    assert {each: v for each, v in done.items() if each != "devices"} == {
        each: v for each, v in before.items() if each != "devices"
    }
    if key is not None:
        assert not comments(text) - comments(after) - Counter({"# one": 1, "# two": 1}), "but that of the value itself"
    yaml.safe_load(after)
