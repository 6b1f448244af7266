"""config.yaml changed in place: the one value, and nothing else, whatever way the file is written in."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from effectd.config import yamlchange
from effectd.config.yamlfile import YamlFile
from effectd.config.yamlsafe import CannotEdit

PATH = Path("/nowhere/config.yaml")
ROOM = """\
# our room
devices:
  # the tall one
  fan:
    kind: virtual        # no hardware yet
    effects: [wind]
    limits: {max_on_ms: 20000, max_rate_hz: 60}  # hard
    # below the fan
  lamp:
    kind: mqtt
    effects:
      - light
    options:             # of the lamp
      topic: a/b
      payload: |
        on
        off

# the types
effects:
  wind: {}
  light:
"""
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab:#, '\"{[", max_size=5)
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(SCALARS, lambda x: st.dictionaries(st.sampled_from("abc"), x) | st.lists(x, max_size=2), max_leaves=6),
    min_size=1,
)


def put(text: str, keys: str, value: Any) -> str:
    return yamlchange.put(PATH, text.encode(), tuple(keys.split(".")), value).decode()


def take(text: str, keys: str) -> str:
    return yamlchange.take(PATH, text.encode(), tuple(keys.split("."))).decode()


@pytest.mark.parametrize(
    ("keys", "value", "old", "new"),
    [
        ("devices.fan.kind", "mqtt", "kind: virtual   ", "kind: mqtt   "),
        ("devices.fan.limits.max_on_ms", 500, "max_on_ms: 20000", "max_on_ms: 500"),
        ("devices.fan.limits.max_intensity", 50, "max_rate_hz: 60}", "max_rate_hz: 60, max_intensity: 50}"),
        ("devices.fan.effects", ["wind", "scent"], "[wind]", "[wind, scent]"),
        ("devices.fan.location", "left", "    # below the fan\n", "    # below the fan\n    location: left\n"),
        ("devices.lamp.effects", ["light"], "effects:\n      - light\n", "effects: [light]\n"),
        ("devices.lamp.options.topic", "c", "topic: a/b", "topic: c"),
        ("devices.lamp.options.payload", "x", "payload: |\n        on\n        off\n", "payload: x\n"),
        ("devices.lamp.options.off_payload", "0", "        off\n", "        off\n      off_payload: '0'\n"),
        (
            "devices.lamp.options",
            {},
            ROOM[ROOM.index(" " * 13 + "# of") :],
            " {}" + ROOM[ROOM.index(" " * 13 + "# of") :],
        ),
        ("effects.light.duration_ms", 5, "  light:\n", "  light: {duration_ms: 5}\n"),
        ("effects.wind.duration_ms", 5, "wind: {}", "wind: {duration_ms: 5}"),
    ],
)
def test_a_value_is_changed_where_it_stands(keys, value, old, new):
    if keys == "devices.lamp.options":
        assert put(ROOM, keys, value).startswith(
            ROOM[: ROOM.index("options:")] + "options: {}             # of the lamp\n"
        )
        return
    assert put(ROOM, keys, value) == ROOM.replace(old, new, 1)


@pytest.mark.parametrize(
    ("keys", "gone"),
    [
        ("devices.fan", ROOM[ROOM.index("  fan:") : ROOM.index("  lamp:")]),
        ("devices.fan.kind", "    kind: virtual        # no hardware yet\n"),
        ("devices.fan.limits.max_on_ms", "max_on_ms: 20000, "),
        ("devices.fan.limits.max_rate_hz", ", max_rate_hz: 60"),
        ("devices.lamp.options", ROOM[ROOM.index("    options:") : ROOM.index("\n# the types")]),
        ("effects.light", "  light:\n"),
    ],
)
def test_an_entry_is_taken_out_with_its_own_comments_and_no_other(keys, gone):
    assert take(ROOM, keys) == ROOM.replace(gone, "", 1)


def test_the_last_entry_of_an_inner_mapping_takes_that_with_it_the_last_device_leaves_an_empty_section():
    assert take("devices:\n  fan:\n    kind: a\n    limits:\n      x: 1\n", "devices.fan.limits.x") == (
        "devices:\n  fan:\n    kind: a\n"
    )
    assert take("devices:\n  fan:\n    kind: a\n", "devices.fan") == "devices:\n"
    assert take("devices: {fan: {kind: a}}\n", "devices.fan") == "devices: {}\n"


def test_windows_line_ends_and_a_byte_order_mark_stay():
    text = "\ufeff" + ROOM.replace("\n", "\r\n")
    assert put(text, "devices.fan.limits.max_on_ms", 5) == text.replace("20000", "5")
    assert take(text, "devices.fan.kind") == text.replace("    kind: virtual        # no hardware yet\r\n", "")


@given(TREES, st.lists(st.sampled_from("abc"), min_size=1, max_size=3), SCALARS | TREES, st.booleans())
def test_whatever_is_written_either_exactly_that_one_value_changes_or_it_is_refused(tree, keys, value, flow):
    text = "# head\n" + yaml.safe_dump(tree, default_flow_style=flow)
    try:
        done = YamlFile(PATH, yamlchange.put(PATH, text.encode(), tuple(keys), value)).data
    except CannotEdit:
        return
    place = done
    for key in keys:
        place = place[key]
    assert place == value


@given(TREES, st.booleans())
def test_whatever_is_written_an_entry_that_is_taken_out_is_gone_and_the_others_are_not(tree, flow):
    key = next(iter(tree))
    text = "# head\n" + yaml.safe_dump({"top": tree}, default_flow_style=flow) + "tail: 1\n" * (not flow)
    done = YamlFile(PATH, yamlchange.take(PATH, text.encode(), ("top", key))).data
    assert (done["top"] or {}) == {name: value for name, value in tree.items() if name != key}
