"""Payloads that are no object: bare values, what is malformed, and what a refused one still names."""

import pytest

from effectd.base.errors import EffectMalformed
from effectd.messages.effect import ID
from effectd.messages.published import best_id, decode
from tests.unit.effect.decoding import of, refusal

# --- bare payloads ------------------------------------------------------------------------------------------------


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


# --- malformed ----------------------------------------------------------------------------------------------------


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


# --- what a refused payload still names ---------------------------------------------------------------------------


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
