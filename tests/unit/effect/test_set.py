"""The effect on its way to one device."""

import json

import pytest

from effectd.base.errors import EffectRefused
from effectd.messages.effect import ID, from_set


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
