"""Each field of an effect: its default, its rule, and the refusal that names it (section 1 of the contract)."""

import pytest

from effectd.messages.effect import ID, new_id
from effectd.messages.published import decode
from tests.unit.effect.decoding import of, refusal

# --- defaults, every field ----------------------------------------------------------------------------------------


def test_an_empty_object_is_the_topics_type_at_full_intensity_everywhere():
    effect = of()
    assert (effect.effect_type, effect.intensity, effect.location, effect.parameters) == ("wind", 100, "everywhere", {})
    assert (effect.priority, effect.ttl_ms, effect.timestamp) == (5, 2000, 0)
    assert (effect.duration, effect.expires_at, effect.event_id, effect.message_id) == (None, None, None, None)


def test_every_field_is_carried_as_it_was_published():
    fields = {
        "effect_type": "light",
        "id": "scene-1.a:b_c",
        "intensity": 12.5,
        "duration": 250,
        "location": "left:middle:front",
        "target": ("row-a", "fan"),
        "fade": 100,
        "parameters": {"color": "#00ff00", "deep": [{"a": None}]},
        "priority": 9,
        "ttl_ms": 60000,
        "expires_at": 1_900_000_000_000,
        "timestamp": 17,
        "event_id": "e1",
        "message_id": 4,
    }
    effect = of(**fields)
    assert {name: getattr(effect, name) for name in fields} == fields


def test_the_type_in_the_payload_wins_over_the_topics():
    assert of(effect_type="light").effect_type == "light"


@pytest.mark.parametrize("topic_type", [None, ""])
def test_an_effect_without_any_type_is_refused_by_the_name_of_the_field(topic_type):
    assert refusal({}, topic_type).field == "effect_type"


def test_a_null_field_is_as_good_as_an_absent_one():
    names = "effect_type id idempotency_key intensity duration location parameters priority ttl_ms expires_at timestamp"
    nulls = of(**dict.fromkeys([*names.split(), "event_id", "message_id"]))
    assert nulls == of(id=nulls.id)


def test_an_id_is_made_where_none_is_given_and_no_two_are_alike():
    made = {of().id for _ in range(1000)} | {new_id() for _ in range(1000)}
    assert len(made) == 2000
    assert all(ID.fullmatch(one) for one in made)


def test_idempotency_key_is_another_name_for_id():
    assert of(idempotency_key="abc").id == "abc"
    assert of(idempotency_key="abc", id="abc").id == "abc"
    assert refusal({"idempotency_key": "abc", "id": "abd"}).field == "id"


def test_ttl_ms_may_stand_in_the_parameters():
    assert of(parameters={"ttl_ms": 300}).ttl_ms == 300
    assert of(parameters={"ttl_ms": 300}, ttl_ms=300).ttl_ms == 300
    assert of(parameters={"ttl_ms": None}).ttl_ms == 2000
    assert refusal({"parameters": {"ttl_ms": 300}, "ttl_ms": 301}).field == "ttl_ms"


@pytest.mark.parametrize("ttl", [0, 60001, 1.5, True, "300", [300]])
def test_a_bad_ttl_in_the_parameters_is_refused_like_one_outside(ttl):
    assert refusal({"parameters": {"ttl_ms": ttl}}).field == "parameters.ttl_ms"
    assert refusal({"ttl_ms": ttl}).field == "ttl_ms"


@pytest.mark.parametrize("name", ["duration", "ttl_ms", "priority", "timestamp", "expires_at", "event_id"])
def test_a_float_that_is_whole_is_a_whole_number(name):
    value = getattr(decode(f'{{"{name}": 7.0}}'.encode(), "wind"), name)
    assert (value, type(value)) == (7, int)
    assert refusal({name: 7.5}).field == name


def test_a_whole_float_is_a_whole_number_as_ttl_in_the_parameters_too():
    assert decode(b'{"parameters": {"ttl_ms": 2000.0}}', "wind").ttl_ms == 2000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("intensity", value) for value in (-1, -0.001, 100.001, 101, [], {}, "101%", "a b", "", "1low", "x" * 33)),
        *(("duration", value) for value in (-1, 0.5, "1000", True, 2**53 + 1, 10**30, [])),
        *(("priority", value) for value in (-1, 10, "5", 5.5)),
        *(("ttl_ms", value) for value in (-1, "2000")),
        *(("expires_at", value) for value in (-1, "tomorrow", 10**30)),
        *(("timestamp", value) for value in (-1, "0", 10**30)),
        *(("event_id", value) for value in (1.5, [], {}, True, 10**30)),
        *(("message_id", value) for value in (1.5, [], {}, True)),
        *(("location", value) for value in (5, [], "x" * 201)),
        *(("parameters", value) for value in ([], "a", 5)),
        *(("effect_type", value) for value in ("", 5, "x" * 65)),
        *(("id", value) for value in ("", "a b", "x" * 65, "ä", "a/b", "a#", "a\n")),
        ("id", 5),
    ],
)
def test_a_field_outside_its_rule_is_refused_by_its_name_and_told_the_rule(field, value):
    refused = refusal({field: value})
    assert refused.field == field
    assert refused.rule
    assert str(refused).startswith(f"{field}: ")


@pytest.mark.parametrize("value", [0, 0.0, 100, 100.0, 33.3, "low", "off", "a-b_c9", "x" * 32])
def test_an_intensity_within_the_rule_is_taken(value):
    assert of(intensity=value).intensity == value


def test_an_unknown_field_is_refused_by_its_name_with_those_that_are_known():
    refused = refusal({"intensty": 50})
    assert refused.field == "intensty"
    assert "intensity" in refused.rule


def test_fields_that_begin_with_x_are_carried_and_everything_else_is_not():
    effect = of(**{"x-trace": {"a": [1]}, "x-": None, "intensity": 5})
    assert effect.extra == {"x-trace": {"a": [1]}, "x-": None}


def test_seq_and_deadline_are_the_dispatchers_own_and_no_publisher_may_set_them():
    assert refusal({"seq": 1}).field == "seq"
    assert refusal({"deadline": None}).field == "deadline"
    assert refusal({"extra": {}}).field == "extra"


# --- colour -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "rgb"),
    [
        ({}, (255, 255, 255)),
        ({"color": None, "rgb": None}, (255, 255, 255)),
        ({"color": "#0080fF"}, (0, 128, 255)),
        ({"color": "RebeccaPurple"}, (0x66, 0x33, 0x99)),
        ({"color": "dark blue"}, (0, 0, 0x8B)),
        ({"rgb": [1, 2, 3]}, (1, 2, 3)),
        ({"rgb": [1, 2, 3], "color": "red"}, (1, 2, 3)),
    ],
)
def test_a_colour_is_hex_or_a_css_name_or_three_numbers(parameters, rgb):
    assert of(parameters=parameters).rgb() == rgb


@pytest.mark.parametrize(
    "parameters",
    [
        {"color": "#12345"},
        {"color": "#1234567"},
        {"color": "nocolour"},
        {"color": 5},
        {"color": "ff0000"},
        {"rgb": [1, 2]},
        {"rgb": [1, 2, 256]},
        {"rgb": [-1, 2, 3]},
        {"rgb": [1, 2, True]},
        {"rgb": "red"},
        {"rgb": {}},
    ],
)
def test_what_is_no_colour_is_refused_before_any_device_hears_of_it(parameters):
    field = "parameters.rgb" if "rgb" in parameters else "parameters.color"
    assert refusal({"parameters": parameters}).field == field


@pytest.mark.parametrize(
    ("intensity", "top", "level"), [(0, 255, 0), (50, 255, 128), (100, 255, 255), (33.3, 1023, 341)]
)
def test_level_counts_the_intensity_on_the_devices_own_scale(intensity, top, level):
    assert of(intensity=intensity).level(top) == level
