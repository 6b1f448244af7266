"""Any bytes at all, from a publisher or at a device."""

import json
import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages.effect import ID, LABEL, Deadline, Effect, from_set, to_set
from effectd.messages.published import NESTING, best_id, decode
from tests.unit.effect.decoding import of, refusal

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
