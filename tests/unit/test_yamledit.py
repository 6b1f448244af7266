"""One more entry in a YAML file, by the parser's own marks: the data grow by it, and the text by nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import ConfigError
from effectd.config import yamledit
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlsafe import CannotEdit

PATH = Path("config.yaml")
FAN = {"kind": "virtual", "effects": ["wind"], "location": "left:middle", "options": {"a": 1, "off": "0"}}
BLOCK = """\
  fan:
    kind: virtual
    effects: [wind]
    location: left:middle
    options: {a: 1, 'off': '0'}
"""
FLOW = "fan: {kind: virtual, effects: [wind], location: 'left:middle', options: {a: 1, 'off': '0'}}"


def add(text: str, entry: dict[str, Any] = FAN) -> str:
    return yamledit.add(PATH, text.encode(), "devices", "fan", entry).decode()


def grown(before: str, after: str) -> str:
    """What `after` has more than `before`, in one piece."""
    start = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    end = len(after) - (len(before) - start)
    while after[:start] + after[end:] != before:  # what follows may begin as the piece does
        start, end = start - 1, end - 1
        assert start >= 0, f"more than one piece:\n{after}"
    return after[start:end]


def test_the_entry_comes_after_the_last_one_and_before_the_next_key():
    before = "devices:\n  a: {kind: x}  # the first\n\neffects: {}\n"
    assert add(before) == f"devices:\n  a: {{kind: x}}  # the first\n{BLOCK}\neffects: {{}}\n"


def test_it_takes_the_indentation_that_the_file_has():
    after = add("devices:\n   a:\n      kind: x\n")
    assert after == "devices:\n   a:\n      kind: x\n   fan:\n" + "".join(
        f"      {line.strip()}\n" for line in BLOCK.splitlines()[1:]
    )


def test_comments_that_are_indented_as_a_device_stay_above_it_and_those_of_the_next_key_below():
    before = "devices:\n  a: 1\n\n  # lamp: later\n  #   kind: mqtt\n\n# what there is to feel\neffects: {}\n"
    assert add(before) == before.replace("mqtt\n", f"mqtt\n{BLOCK}")


def test_a_comment_behind_the_last_value_stays_in_its_line():
    before = "devices:\n  a: 1  # one\n"
    assert add(before) == before + BLOCK


def test_a_file_without_a_newline_at_its_end_gets_one():
    assert add("devices:\n  a: 1") == f"devices:\n  a: 1\n{BLOCK}"


@pytest.mark.parametrize("nothing", ["", "~", "null", "{}", "{ }", "{}  ", "&d {}"])
def test_where_no_device_is_yet_the_block_takes_the_place_of_the_word_that_says_so(nothing):
    after = add(f"devices: {nothing} # none yet\n  # lamp: later\neffects: {{}}\n")
    assert after.startswith("devices:")
    assert after.endswith(f" # none yet\n  # lamp: later\n{BLOCK}effects: {{}}\n")


@pytest.mark.parametrize("before", ["", "# my room\n", "---\n", "effects: {}\n", "effects: {}\n# the end\n"])
def test_without_the_key_it_is_added_at_the_end(before):
    assert add(before) == f"{before}devices:\n{BLOCK}"


def test_without_the_key_it_is_added_before_the_end_of_the_document():
    assert add("effects: {}\n...\n") == f"effects: {{}}\ndevices:\n{BLOCK}...\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("devices: {a: 1}\n", f"devices: {{a: 1, {FLOW}}}\n"),
        ("devices: {a: 1, }\n", f"devices: {{a: 1, {FLOW}, }}\n"),
        ("devices: {\n  a: {k: [1]}  # one\n}\n", f"devices: {{\n  a: {{k: [1]}}, {FLOW}  # one\n}}\n"),
        ("devices: {\n  # none\n}\n", f"devices: {{{FLOW}\n  # none\n}}\n"),
        ('{"devices": {"a": 1}}', f'{{"devices": {{"a": 1, {FLOW}}}}}'),
        ('{"devices": {}}', f'{{"devices": {{{FLOW}}}}}'),
    ],
)
def test_a_mapping_in_braces_gets_it_within_them(before, after):
    assert add(before) == after


@pytest.mark.parametrize(
    "before",
    [
        "devices: [a]\n",
        "devices: 5\n",
        "- devices\n",
        "devices\n",
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_the_block_to_add_by_hand(before):
    with pytest.raises(CannotEdit) as told:
        add(before)
    assert yaml.safe_load(told.value.paste) == {"devices": {"fan": FAN}}


def test_a_file_in_another_encoding_than_utf8_is_refused():
    with pytest.raises(CannotEdit):
        yamledit.add(PATH, "devices: {}\n".encode("utf-16"), "devices", "fan", FAN)


def test_a_file_that_is_no_yaml_is_told_at_its_line():
    with pytest.raises(ConfigError, match=r"config.yaml:2: not YAML"):
        add("devices:\n  a: ]\n")


def test_a_byte_order_mark_and_the_line_ends_of_windows_stay():
    before = "\ufeffdevices:\r\n  a: |+\r\n    text\r\n\r\neffects: {}\r\n"
    block = BLOCK.replace("\n", "\r\n")
    assert add(before) == before.replace("effects: {}\r\n", f"{block}effects: {{}}\r\n")


def test_the_last_line_of_a_text_that_keeps_its_empty_lines_is_not_changed():
    before = "devices:\n  a: |+\n    text\n\n\neffects: {}\n"
    assert YamlFile(PATH, add(before).encode()).data["devices"]["a"] == "text\n\n\n"


words = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True).filter(lambda word: word != "fan")
scalars = st.one_of(st.integers(), st.booleans(), st.none(), st.text("ab:#'\"{}[],&*|> \n-é", max_size=8))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
devices = st.dictionaries(words, st.dictionaries(words, values, max_size=3), max_size=3)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A home's file in any style and indentation, with comments and empty lines between its parts."""

    def dump(value: Any, *, flow: bool) -> str:
        width = draw(st.sampled_from([20, 10_000]))
        return yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, sort_keys=False, width=width)

    noise = st.lists(st.sampled_from(["\n", "# note\n", "  # within\n", "        # far\n"]), max_size=3).map("".join)
    parts = [draw(noise)]
    for key in draw(st.permutations(["topic_root", "devices", "effects"])):
        value = draw(devices if key == "devices" else values)
        if draw(st.booleans()):
            text = dump([value], flow=True).strip()[1:-1].replace("\n", "\n ")
            parts += [f"{key}: {text}\n", draw(noise)]
        else:
            head, *rest = dump({key: value}, flow=False).splitlines(keepends=True)
            wider = " " * draw(st.integers(0, 5)) * isinstance(value, dict)
            parts += [head, *(wider + line if line.startswith(" ") else line for line in rest), draw(noise)]
    text = "".join(parts)
    return text if draw(st.booleans()) else text.rstrip("\n")


@given(files(), values)
def test_in_any_file_the_data_grow_by_the_entry_and_the_text_by_one_piece(before, value):
    data = YamlFile(PATH, before.encode()).data
    entry = {"kind": "x", "value": value}
    after = add(before, entry)
    wanted = {**data["devices"], "fan": entry}
    assert list(YamlFile(PATH, after.encode()).data["devices"].items()) == list(wanted.items())
    if data["devices"]:
        grown(before, after)


pieces = st.sampled_from(
    [
        "devices:",
        "devices: ",
        "fan:",
        "a: ",
        "b",
        " ",
        "  ",
        "\n",
        "\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "- ",
        "# c",
        "|",
        ">-",
        "&x ",
        "*x",
        "!!map ",
        "'",
        '"',
        "---",
        "...",
        "? ",
        "\t",
        "\r\n",
        "\ufeff",
        "\u2028",
        "<<: ",
    ]
)


@given(st.lists(pieces, max_size=14).map("".join))
def test_whatever_stands_there_it_is_edited_or_refused(before):
    try:
        after = add(before)
    except (CannotEdit, ConfigError):
        return
    assert YamlFile(PATH, after.encode()).data["devices"]["fan"] == FAN
