"""Which devices an effect goes to, and what it is there: labels, durations, places; nothing but its arguments."""

from pathlib import Path

import msgspec
import pytest

from dispatcher_proc.routing import plan
from effectd.base.errors import EffectRefused
from effectd.config.reader import Config
from effectd.config.schema import Broker, Device, EffectType
from effectd.messages.effect import Effect

LABELS = {"off": 0, "low": 25, "medium": 50, "high": 100}


def room(**devices: str | tuple[str, tuple[str, ...]]) -> Config:
    """Devices by placement, of type wind where no other is given."""
    placed = {
        name: Device(kind="virtual", effects=given[1], location=given[0])
        if isinstance(given, tuple)
        else Device(kind="virtual", effects=("wind",), location=given)
        for name, given in devices.items()
    }
    types = {"wind": EffectType({**LABELS, "gale": 80}, 2000), "light": EffectType(LABELS, 0)}
    return Config(Path("/nowhere"), "", Broker(), placed, types, ())


def wind(**fields: object) -> Effect:
    return Effect(**{"id": "w1", "effect_type": "wind", **fields})


def chosen(location: str, config: Config) -> set[str]:
    return set(plan(wind(location=location), config).devices)


def test_an_effect_everywhere_goes_to_every_device_of_its_type_and_to_no_other():
    config = room(a="left", b="right", lamp=("everywhere", ("light",)), both=("top", ("light", "wind")))
    assert chosen("everywhere", config) == {"a", "b", "both"}


def test_a_device_placed_everywhere_gets_every_effect_of_its_type():
    assert chosen("left:top:front", room(a="everywhere")) == {"a"}


def test_a_place_reaches_all_devices_that_match_on_every_axis_that_both_name():
    config = room(a="left:top", b="left", c="right:top", d="front")
    assert chosen("left", config) == {"a", "b", "d"}
    assert chosen("top:left:*", config) == {"a", "b", "d"}
    assert chosen("top", config) == {"a", "b", "c", "d"}


def test_the_urn_of_the_standard_reaches_the_same_devices_as_its_terms():
    config = room(a="left", b="right")
    assert chosen("urn:mpeg:mpeg-v:01-SI-LocationCS-NS:right:*:*", config) == {"b"}


def test_where_no_device_matches_the_nearest_takes_it_and_the_note_says_so():
    made = plan(wind(location="centerright"), room(a="left", b="right"))
    assert set(made.devices) == {"b"}
    assert made.note == "no device at centerright; the nearest took it: b"


def test_all_that_are_equally_near_take_it():
    made = plan(wind(location="center:middle"), room(a="left", b="centerleft", c="centerright", d="right:top"))
    assert set(made.devices) == {"b", "c"}
    assert "b, c" in made.note


def test_steps_are_summed_over_the_axes():
    assert chosen("left:bottom:back", room(a="right:bottom:back", b="centerleft:top:midway", c="left:top:front")) == {
        "a",
        "b",
        "c",
    }
    assert chosen("left:bottom:back", room(a="right:middle:back", b="centerleft:top:back")) == {"b"}


def test_a_match_carries_no_note():
    assert plan(wind(location="left"), room(a="left")).note == ""


@pytest.mark.parametrize(("label", "percent"), [("off", 0), ("low", 25), ("medium", 50), ("high", 100), ("gale", 80)])
def test_a_label_becomes_the_types_number(label, percent):
    (resolved,) = plan(wind(intensity=label), room(a="left")).devices.values()
    assert (resolved.intensity, type(resolved.intensity)) == (percent, float)


def test_a_number_stays_the_number():
    (resolved,) = plan(wind(intensity=33), room(a="left")).devices.values()
    assert (resolved.intensity, type(resolved.intensity)) == (33.0, float)


@pytest.mark.parametrize(("asked", "lasts"), [(None, 2000), (0, 0), (70, 70)])
def test_the_types_duration_fills_in_only_where_none_is_given(asked, lasts):
    (resolved,) = plan(wind(duration=asked), room(a="left")).devices.values()
    assert resolved.duration == lasts


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"effect_type": "fog"}, "effect_type", "wind, light"),
        ({"intensity": "breeze"}, "intensity", "off, low, medium, high, gale"),
        ({"location": "upstairs"}, "location", "upstairs"),
        ({"location": "left:right"}, "location", "right"),
    ],
)
def test_what_is_unknown_is_refused_by_its_field_with_what_is_known(fields, field, told):
    with pytest.raises(EffectRefused) as caught:
        plan(wind(**fields), room(a="left"))
    assert caught.value.field == field
    assert told in caught.value.rule


def test_a_known_type_that_no_device_does_has_no_device_and_says_so():
    made = plan(wind(effect_type="light"), room(a="left"))
    assert made.devices == {}
    assert "light" in made.note


def test_a_label_that_is_unknown_is_refused_even_where_no_device_does_the_type():
    with pytest.raises(EffectRefused):
        plan(wind(effect_type="light", intensity="gale"), room(a="left"))


def test_the_same_question_has_the_same_answer_and_changes_neither_effect_nor_room():
    config, asked = room(a="left", b="right"), wind(intensity="low", location="center")
    before = msgspec.json.encode((asked, config.devices, config.effects))
    assert plan(asked, config) == plan(asked, config)
    assert msgspec.json.encode((asked, config.devices, config.effects)) == before


# --- target and fade -------------------------------------------------------------------------------------------------


def seats() -> Config:
    """Three fans in two rows, a lamp in the first."""
    config = room(a="left", b="right", c="left", lamp=("everywhere", ("light",)))
    zones = {"a": ("row-a",), "b": ("row-a", "aisle"), "c": ("row-b",), "lamp": ("row-a",)}
    placed = {k: msgspec.structs.replace(v, zones=zones[k]) for k, v in config.devices.items()}
    return msgspec.structs.replace(config, devices=placed)


@pytest.mark.parametrize(
    ("target", "location", "there"),
    [
        (("a",), "everywhere", {"a"}),
        (("row-a",), "everywhere", {"a", "b"}),
        (("row-a", "c"), "everywhere", {"a", "b", "c"}),
        (("row-a",), "left", {"a"}),
        (("row-a", "row-b"), "left", {"a", "c"}),
    ],
)
def test_a_target_chooses_its_devices_and_zones_where_the_placement_matches(target, location, there):
    assert set(plan(wind(target=target, location=location), seats()).devices) == there


def test_nothing_outside_a_target_is_chosen_also_not_as_the_nearest():
    made = plan(wind(target=("aisle",), location="left"), seats())
    assert made.devices == {}
    assert made.note == "no device in aisle is at left"


def test_a_target_without_a_device_of_the_type_is_undeliverable():
    made = plan(wind(target=("lamp",)), seats())
    assert (made.devices, made.note) == ({}, "no device in lamp does wind")


def test_an_unknown_target_is_refused_with_the_names_that_are_known():
    with pytest.raises(EffectRefused, match="'row-z' is neither a device nor a zone; known are a, b, c, lamp, aisle"):
        plan(wind(target=("a", "row-z")), seats())


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"fade": 500, "duration": 500}, True),
        ({"fade": 501, "duration": 500}, False),
        ({"fade": 60_000, "duration": 0}, True),
        ({"fade": 2000}, True),  # of type wind, whose duration is 2000
        ({"fade": 2001}, False),
        ({"fade": 9000, "intensity": 0}, True),  # the way down has no duration
    ],
)
def test_a_fade_may_not_be_longer_than_a_duration_above_0(fields, fits):
    if fits:
        assert plan(wind(**fields), seats()).devices["a"].fade == fields["fade"]
    else:
        with pytest.raises(EffectRefused, match="fade: "):
            plan(wind(**fields), seats())


@pytest.mark.parametrize(
    ("said", "percent"),
    [("OFF", 0), ("False", 0), ("on", 100), ("ON", 100), ("true", 100), ("HIGH", 100), ("Gale", 80), ("gale", 80)],
)
def test_a_label_is_the_same_in_any_case_and_on_and_off_are_understood_as_everywhere(said, percent):
    assert plan(wind(intensity=said), room(a="left")).devices["a"].intensity == percent


def test_a_label_of_the_configuration_wins_over_the_words_of_other_systems():
    config = room(a="left")
    dim = msgspec.structs.replace(config.effects["wind"], labels={**config.effects["wind"].labels, "On": 40})
    config = msgspec.structs.replace(config, effects={**config.effects, "wind": dim})
    assert plan(wind(intensity="on"), config).devices["a"].intensity == 40
