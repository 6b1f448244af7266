"""What the predecessor's clients publish; targets and fades."""

import json

import pytest

from effectd.base.errors import EffectRefused
from effectd.messages.effect import from_set
from effectd.messages.published import decode
from tests.unit.effect.decoding import of, refusal


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
