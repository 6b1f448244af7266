"""An effect that is read the short way is the same as by the long way, or is left to it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages import published
from effectd.messages.effect import Effect
from effectd.timeline import plain_effect

NUMBERS = st.one_of(
    st.integers(-2, 110), st.floats(-1, 101), st.sampled_from([2**53, 2**64, 1e300, True, None, "60", "60%"])
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "effect_type": st.sampled_from(["wind", "light", "", "x" * 65, 3, None]),
    "timestamp": NUMBERS,
    "duration": NUMBERS,
    "intensity": st.one_of(NUMBERS, st.sampled_from(["low", "on", "!", "", "a" * 40])),
    "location": st.sampled_from(["left", "everywhere", "x" * 201, None, 5]),
    "fade": NUMBERS,
    "priority": NUMBERS,
    "target": st.sampled_from([["fan"], "fan", [], None]),
    "parameters": st.sampled_from(
        [
            {},
            None,
            {"color": "red"},
            {"color": "no"},
            {"rgb": [1, 2, 3]},
            {"rgb": [1, 2]},
            {"ttl_ms": 5},
            {"n": 2**70},
            {"a": "x" * 5000},
            {"a": [[[[[[[[1]]]]]]]]},
        ]
    ),
    "x-note": st.just(1),
    "nonsense": st.just(1),
    "event_id": st.sampled_from(["e", 4]),
}


def by_the_long_way(fields: dict[str, Any], priority: int | None) -> Effect | None:
    try:
        published.check_size(fields)
        return msgspec.structs.replace(
            published.from_fields(({} if priority is None else {"priority": priority}) | fields | {"id": "0"}, None),
            id="",
        )
    except (EffectMalformed, EffectRefused):
        return None


@given(st.fixed_dictionaries({}, optional=VALUES), st.sampled_from([None, 0, 7]))
def test_the_short_way_gives_what_the_long_way_gives_or_nothing(fields: dict[str, Any], priority: int | None) -> None:
    effect = plain_effect.decode(json.dumps(fields).encode(), priority)
    if effect is not None:
        assert effect == by_the_long_way(fields, priority)


@pytest.mark.parametrize("intensity", [40, 55.5, "low"])
def test_a_usual_effect_goes_the_short_way(intensity: float | str) -> None:
    fields = {"effect_type": "wind", "timestamp": 5, "duration": 40, "intensity": intensity, "parameters": {"a": [1]}}
    effect = plain_effect.decode(json.dumps(fields).encode(), 3)
    assert effect is not None
    assert effect == by_the_long_way(fields, 3)
