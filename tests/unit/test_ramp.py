"""A fade's levels are on a straight line, in steps that are no closer than allowed, and end at what was asked for."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ramp import Ramp
from effectd.messages.effect import Effect

percents = st.floats(0, 100)
RED, BLUE = {"color": "#ff0000"}, {"rgb": [0, 0, 255]}


def level(intensity: float, fade: int = 0, **parameters: Any) -> Effect:
    return Effect(id="e", effect_type="light", intensity=intensity, duration=0, fade=fade, parameters=parameters)


def steps(ramp: Ramp) -> list[Effect]:
    """Each step of a device that misses none."""
    elapsed_s, found = 0.0, list[Effect]()
    while not found or found[-1] is not ramp.end:
        found.append(ramp.at(elapsed_s))
        elapsed_s = ramp.following_s(elapsed_s)
    return found


@pytest.mark.parametrize(
    ("start", "to", "fade", "rate_hz", "levels"),
    [
        (None, 100, 100, 1000, [20, 40, 60, 80, 100]),
        (20.0, 60, 100, 60, [28, 36, 44, 52, 60]),
        (60.0, 0, 80, 50, [45, 30, 15, 0]),
        (None, 100, 1000, 4, [25, 50, 75, 100]),
        (None, 90, 90, 50, [20, 40, 60, 80, 90]),  # the last step is shorter
        (None, 50, 5, 50, [50]),  # shorter than a step
        (40.0, 40, 60, 50, [40, 40, 40]),
    ],
)
def test_the_levels_of_a_fade(start, to, fade, rate_hz, levels):
    ramp = Ramp(None if start is None else level(start), level(to, fade), rate_hz)
    assert [step.intensity for step in steps(ramp)] == pytest.approx(levels)


@pytest.mark.parametrize(
    ("before", "after", "colours"),
    [
        (RED, BLUE, [(128, 0, 128), (0, 0, 255)]),
        ({}, BLUE, [(128, 128, 255), (0, 0, 255)]),  # a light without a colour is white
        (RED, {}, [(255, 128, 128), (255, 255, 255)]),
    ],
)
def test_colours_move_in_rgb_and_end_as_they_were_published(before, after, colours):
    ramp = Ramp(level(100, **before), level(100, 40, **after), 50)
    assert [step.rgb() for step in steps(ramp)] == colours
    assert steps(ramp)[-1].parameters == after


def test_a_light_that_comes_up_has_its_colour_from_the_first_step_on():
    ramp = Ramp(None, level(100, 40, **RED), 50)
    assert [step.parameters for step in steps(ramp)] == [RED, RED]


def test_on_the_way_down_a_device_keeps_its_parameters():
    ramp = Ramp(level(100, direction="left", **RED), level(0, 40), 50)
    assert [(s.intensity, s.parameters) for s in steps(ramp)] == [(50, {"direction": "left", **RED}), (0, {})]


@given(percents, percents, st.integers(1, 60_000), st.floats(0.01, 1000))
def test_a_fade_never_turns_back_is_as_long_as_asked_and_ends_where_it_was_asked_to(before, after, fade, rate_hz):
    ramp = Ramp(level(before), level(after, fade), rate_hz)
    found = [before, *(float(step.intensity) for step in steps(ramp))]
    assert ramp.step_s >= 1 / 50
    assert ramp.step_s >= 1 / rate_hz
    assert len(found) - 1 == max(1, math.ceil(fade / 1000 / ramp.step_s - 1e-6))
    assert found[-1] == after
    assert all((b - a) * (after - before) >= -1e-3 for a, b in itertools.pairwise(found))
