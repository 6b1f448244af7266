"""What any client may publish on effects/<type>, and what becomes of each field (sections 1 and 2 of the contract)."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages.effect import ID, LABEL, Deadline, Effect, from_set, new_id, to_set
from effectd.messages.published import NESTING, best_id, decode


def of(*, topic_type: str | None = "wind", **fields: Any) -> Effect:
    return decode(json.dumps(fields).encode(), topic_type)


def refusal(payload: bytes | dict[str, Any], topic_type: str | None = "wind") -> EffectRefused:
    with pytest.raises(EffectRefused) as caught:
        decode(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), topic_type)
    return caught.value


# --- defaults, every field ------------------------------------------------------------------------------------------


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


# --- colour ---------------------------------------------------------------------------------------------------------


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


# --- bare payloads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "intensity"),
    [
        (b"60", 60),
        (b" 12.5\n", 12.5),
        (b"0", 0),
        (b"off", "off"),
        (b'"off"', "off"),
        (b"High", "High"),
        (b'"a-b"', "a-b"),
    ],
)
def test_a_bare_number_or_word_is_the_intensity_quoted_or_not(payload, intensity):
    effect = decode(payload, "wind")
    assert effect.intensity == intensity
    assert effect.effect_type == "wind"


@pytest.mark.parametrize(
    "payload",
    [b"101", b"-1", b'"-1"', b"101%", b'"6 0"', b'"a b"', b'""', b"1e30", b"1" + b"0" * 30, b"1" + b"0" * 400],
)
def test_a_bare_value_outside_the_intensitys_rule_is_refused_as_intensity(payload):
    assert refusal(payload).field == "intensity"


@pytest.mark.parametrize(
    "payload", [b"60%", b'"60"', b'"60%"', b'"60 %"', b'{"intensity": "60"}', b'{"intensity": "60.0%"}']
)
def test_a_number_as_text_and_in_percent_is_that_number(payload):
    assert decode(payload, "wind").intensity == 60


@pytest.mark.parametrize(("payload", "word"), [(b'{"intensity": true}', "on"), (b'{"intensity": false}', "off")])
def test_true_and_false_are_on_and_off(payload, word):
    assert decode(payload, "wind").intensity == word


@pytest.mark.parametrize("payload", [b"[]", b"[1]", b'[{"intensity": 5}]'])
def test_a_json_array_is_no_effect(payload):
    assert refusal(payload).field == "payload"


@pytest.mark.parametrize("word", [b"null", b"true", b"NaN", b"Infinity"])
def test_a_word_that_json_or_python_would_read_otherwise_is_only_a_label(word):
    assert decode(word, "wind").intensity == word.decode()


# --- malformed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"\x00",
        b"\xff\xfe",
        b"{",
        b'{"intensity": }',
        b"{'intensity': 5}",
        b"intensity: 5",
        b"low high",
        b"x" * 33,
        b"l\xc3\xa4rm",
        b'{"intensity": NaN}',
        b'{"intensity": Infinity}',
        b'{"intensity": -Infinity}',
        b"-Infinity",
        b'{"intensity": 1e999}',
        b"1" + b"0" * 5000,
        b'"\\ud800"',
        b'{"parameters": {"a": "\\udfff"}}',
        b"<SEM/>",
    ],
)
def test_what_is_neither_json_nor_a_word_is_malformed(payload):
    with pytest.raises(EffectMalformed):
        decode(payload, "wind")


def test_a_payload_of_64_kib_is_taken_and_one_byte_more_is_malformed():
    padding = 64 * 1024 - len(b"{}")
    assert decode(b"{" + b" " * padding + b"}", "wind").intensity == 100
    with pytest.raises(EffectMalformed, match="65537 bytes; at most 65536"):
        decode(b"{" + b" " * (padding + 1) + b"}", "wind")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_of_8_is_taken_and_9_is_malformed(opening, closing):
    def nested(levels: int) -> bytes:  # the effect itself and its parameters are the first two
        inner = levels - 2
        return f'{{"parameters":{{"p":{opening * inner}0{closing * inner}}}}}'.encode()

    assert decode(nested(8), "wind").parameters
    with pytest.raises(EffectMalformed, match="deeper than 8"):
        decode(nested(9), "wind")


@pytest.mark.parametrize("levels", [500, 10_000, 32_000])
def test_a_tower_of_brackets_is_malformed_and_breaks_no_stack(levels):
    for payload in (b"[" * levels, b'{"parameters":' + b"[" * levels + b"]" * levels + b"}"):
        with pytest.raises(EffectMalformed):
            decode(payload, "wind")


def test_strings_of_4_kib_are_taken_and_longer_ones_are_malformed_wherever_they_stand():
    assert of(parameters={"a": "ä" * 2048}).parameters["a"] == "ä" * 2048
    for fields in ({"parameters": {"a": "ä" * 2048 + "b"}}, {"x" * 4097: 1}, {"x-a": ["y" * 4097]}):
        with pytest.raises(EffectMalformed, match="string"):
            of(**fields)


# --- what a refused payload still names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b'{"id": "a1", "foo": 1}', "a1"),
        (b'{"idempotency_key": "a1", "foo": 1}', "a1"),
        (b'{"id": "not good"}', None),
        (b'{"id": 5}', None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_a_refused_payloads_id_is_kept_where_it_is_a_good_one(payload, named):
    found = best_id(payload)
    assert found == named if named else ID.fullmatch(found)


# --- over the wire to one device ------------------------------------------------------------------------------------


def test_a_microcontroller_needs_only_three_fields():
    effect = from_set(b'{"effect_type": "wind", "intensity": 60, "duration": 500}')
    assert (effect.effect_type, effect.intensity, effect.duration) == ("wind", 60.0, 500)
    assert (effect.parameters, effect.priority, effect.seq, effect.deadline) == ({}, 5, 0, None)
    assert ID.fullmatch(effect.id)


@pytest.mark.parametrize(
    "payload", [b"", b"60", b"{}", b'{"effect_type":"wind","intensity":"low","duration":1}', b"[" * 9999]
)
def test_a_set_that_is_none_is_refused_and_nothing_else(payload):
    with pytest.raises(EffectRefused):
        from_set(payload)


@pytest.mark.parametrize(
    ("asked", "limits", "given"),
    [
        ((80, 500), (60, 60000), (60, 500)),
        ((40, 90000), (60, 60000), (40, 60000)),
        ((-3, 500), (100, 60000), (0, 500)),
        ((1e300, 0), (100, 60000), (100, 0)),
    ],
)
def test_clamped_is_within_the_limits_and_0_still_means_hold(asked, limits, given):
    payload = json.dumps({"effect_type": "wind", "intensity": asked[0], "duration": asked[1]}).encode()
    clamped = from_set(payload).clamped(*limits)
    assert (clamped.intensity, clamped.duration) == given


# --- any input at all -----------------------------------------------------------------------------------------------

keys = st.sampled_from(
    ["effect_type", "id", "intensity", "duration", "location", "parameters", "priority", "ttl_ms", "timestamp", "x-a"]
)
wholes = (
    st.integers() | st.integers(-(2**70), 2**70) | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**400])
)
scalars = st.one_of(
    st.none(), st.booleans(), wholes, st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
encodable = st.recursive(  # what an effect within the rules may hold
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
hostile = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass")),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(keys | st.text(max_size=5), json_values).map(lambda value: json.dumps(value).encode()),
)


@given(hostile, st.none() | st.text(max_size=10))
@example(b'{"intensity": 1e309}', "wind")
@example(b'{"parameters": {"rgb": [1, 2, 1e30]}}', "wind")
def test_any_bytes_are_an_effect_or_malformed_or_refused_and_nothing_else(payload, topic_type):
    assert ID.fullmatch(best_id(payload))
    try:
        effect = decode(payload, topic_type)
    except (EffectMalformed, EffectRefused):
        return
    assert ID.fullmatch(effect.id)
    assert effect.effect_type
    assert isinstance(effect.intensity, str) or 0 <= effect.intensity <= 100
    assert 1 <= effect.ttl_ms <= 60000
    # whatever was taken can be written into the journal, carried to a receipt and handed to a device
    msgspec.msgpack.encode(effect)
    msgspec.json.encode(effect)
    if not isinstance(effect.intensity, str):
        to_set(effect)


@pytest.mark.parametrize("number", [2**64, 10**30, -(2**63) - 1])
@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ('{"id": "a-1", "parameters": {"n": %d}}', "parameters.n"),
        ('{"id": "a-1", "parameters": {"n": {"deep": [1, [%d]]}}}', "parameters.n.deep[1][0]"),
        ('{"id": "a-1", "x-tag": %d}', "x-tag"),
        ('{"id": "a-1", "intensity": %d}', "intensity"),
        ('{"id": "a-1", "duration": %d}', "duration"),
        ('{"id": "a-1", "event_id": %d}', "event_id"),
        ('{"id": "a-1", "message_id": [%d]}', "message_id[0]"),
    ],
)
def test_a_whole_number_beyond_64_bits_is_refused_by_its_place_wherever_it_stands(number, payload, path):
    error = refusal((payload % number).encode())
    assert error.field == path
    assert "64 bits" in error.rule
    assert best_id((payload % number).encode()) == "a-1"


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63)])
def test_the_largest_whole_number_of_64_bits_is_carried(number):
    assert from_set(to_set(of(parameters={"n": number}))).parameters == {"n": number}


@given(hostile)
def test_any_bytes_at_a_device_are_a_set_or_refused_and_nothing_else(payload):
    try:
        effect = from_set(payload)
    except EffectRefused:
        return
    assert math.isfinite(effect.clamped(100, 60000).intensity)
    msgspec.msgpack.encode(effect)


@pytest.mark.parametrize(
    "field", ['"seq": %d', '"parameters": {"n": %d}', '"deadline": {"boot": "b", "ms": %d}', '"duration": %d']
)
def test_a_set_with_a_number_beyond_64_bits_is_refused(field):
    payload = '{"effect_type": "wind", "intensity": 1, "duration": 1, ' + field % 10**30 + "}"
    with pytest.raises(EffectRefused):
        from_set(payload.encode())


ids = st.from_regex(ID, fullmatch=True)
percents = st.floats(0, 100) | st.integers(0, 100)


def depth(value: object) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


parameters = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key not in ("ttl_ms", "rgb", "color")), encodable, max_size=3
).filter(lambda found: depth(found) < NESTING)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "effect_type": st.text(min_size=1, max_size=64),
            "id": ids,
            "intensity": percents | st.from_regex(LABEL, fullmatch=True),
            "duration": st.integers(0, 2**53),
            "location": st.text(max_size=200),
            "parameters": parameters,
            "priority": st.integers(0, 9),
            "ttl_ms": st.integers(1, 60000),
            "expires_at": st.integers(0, 2**53),
            "timestamp": st.integers(0, 2**53),
            "event_id": st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1),
            "message_id": st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1),
        },
    )
)
def test_an_object_within_the_rules_means_exactly_what_it_says(fields):
    effect = of(**fields)
    assert {name: getattr(effect, name) for name in fields} == fields
    absent = {"priority": 5, "ttl_ms": 2000, "location": "everywhere", "intensity": 100, "effect_type": "wind"}
    assert all(getattr(effect, name) == default for name, default in absent.items() if name not in fields)


effects = st.builds(
    Effect,
    id=ids,
    effect_type=st.text(min_size=1, max_size=20),
    intensity=percents,
    duration=st.integers(0, 2**53),
    parameters=parameters,
    priority=st.integers(0, 9),
    seq=st.integers(0, 2**62),
    expires_at=st.none() | st.integers(0, 2**53),
    deadline=st.none() | st.builds(Deadline, boot=st.text(max_size=36), ms=st.integers(0, 2**53)),
)


@given(effects)
def test_a_resolved_effect_reaches_the_device_with_its_meaning(effect):
    assert from_set(to_set(effect)) == effect


def test_a_label_cannot_be_sent_to_a_device():
    with pytest.raises(ValueError, match="low"):
        to_set(of(intensity="low"))


# --- the predecessor's clients --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic_type", "payload", "meaning"),
    [
        # examples/clients/test_mqtt_client.py and examples/protocols/mqtt_demo.py of Python_PlaySEM
        ("light", {"effect_type": "light", "timestamp": 0, "duration": 1000, "intensity": 100}, ("light", 1000, 100)),
        ("wind", {"effect_type": "wind", "timestamp": 0, "duration": 2000, "intensity": 75}, ("wind", 2000, 75)),
        (
            "scent",
            {
                "effect_type": "scent",
                "timestamp": 0,
                "duration": 3000,
                "intensity": 60,
                "parameters": {"type": "lavender"},
            },
            ("scent", 3000, 60),
        ),
        (
            "demo_device",
            {"effect_type": "light", "duration": 1000, "intensity": 80, "parameters": {"color": "white"}},
            ("light", 1000, 80),
        ),
        (
            "demo_device",
            {"effect_type": "wind", "duration": 750, "intensity": 60, "parameters": {"speed": 3}},
            ("wind", 750, 60),
        ),
        # every field of its EffectMetadata, the absent ones as null
        (
            "test",
            {
                "effect_type": "vibration",
                "timestamp": 0,
                "duration": 0,
                "intensity": None,
                "location": "everywhere",
                "parameters": {"pattern": "pulse", "ttl_ms": 500},
                "event_id": None,
                "message_id": "m-1",
                "idempotency_key": "k-1",
            },
            ("vibration", 0, 100),
        ),
    ],
)
def test_what_the_clients_of_python_playsem_publish_is_understood(topic_type, payload, meaning):
    effect = decode(json.dumps(payload).encode(), topic_type)
    assert (effect.effect_type, effect.duration, effect.intensity) == meaning


@pytest.mark.parametrize(("given", "meant"), [("fan", ("fan",)), (["row-a", "fan"], ("row-a", "fan")), (None, None)])
def test_a_target_is_a_name_or_a_list_of_names(given, meant):
    assert of(target=given).target == meant


@pytest.mark.parametrize("target", [[], [1], 5, {}, [["a"]], True])
def test_what_is_no_target_is_refused_by_its_field(target):
    assert refusal({"target": target}).field.startswith("target")


@pytest.mark.parametrize("fade", [-1, "fast", 1.5, True, []])
def test_what_is_no_fade_is_refused_by_its_field(fade):
    assert refusal({"fade": fade}).field == "fade"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"50", "set"),
        (b'"on"', "set"),
        (b"{", "set"),
        (b'{"effect_type": "a", "intensity": 1, "duration": "x"}', "set.duration"),
    ],
)
def test_a_set_that_is_none_is_told_by_its_field_with_the_cure(payload, field):
    with pytest.raises(EffectRefused) as caught:
        from_set(payload)
    assert caught.value.field == field
    assert "comes from the dispatcher: publish effects" in caught.value.rule
    assert "Expected" not in str(caught.value)
