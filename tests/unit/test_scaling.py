"""What a device makes of an effect: clamped by its limits, then mapped onto its useful range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.scaling import limited, shaped
from effectd.config.schema import Device, Limits
from effectd.messages.effect import Effect

percents = st.floats(0, 100)


def device(low: float = 0, high: float = 100, curve: float = 1, **limits: float) -> Device:
    return Device("virtual", ("wind",), range=(low, high), curve=curve, limits=Limits(**limits))


def wind(intensity: float) -> Effect:
    return Effect(id="e-1", effect_type="wind", intensity=intensity, duration=2000, parameters={"direction": "left"})


@pytest.mark.parametrize(
    ("low", "high", "curve", "intensity", "level"),
    [
        (0, 100, 1, 33.3, 33.3),
        (30, 80, 1, 0, 0),  # off is off, not the device's least
        (30, 80, 1, 50, 55),
        (30, 80, 1, 100, 80),
        (0, 100, 2, 50, 25),
        (20, 100, 2.2, 100, 100),
        (20, 100, 0.5, 25, 60),
    ],
)
def test_an_intensity_above_0_is_mapped_onto_the_range_by_the_curve(low, high, curve, intensity, level):
    assert shaped(wind(intensity), device(low, high, curve)).intensity == level


@given(percents, percents, st.floats(0.1, 10), st.floats(0.01, 100))
def test_what_is_on_stays_within_the_range(one, other, curve, intensity):
    low, high = sorted((one, other))
    assert low - 1e-4 <= shaped(wind(intensity), device(low, high, curve)).intensity <= high + 1e-4


@given(st.floats(0.1, 10), percents, percents)
def test_more_is_never_less(curve, one, other):
    weaker, stronger = (shaped(wind(i), device(10, 90, curve)).intensity for i in sorted((one, other)))
    assert weaker <= stronger


def test_nothing_else_of_the_effect_changes():
    before = wind(50)
    after = shaped(before, device(30, 80))
    assert after == Effect(id="e-1", effect_type="wind", intensity=55, duration=2000, parameters={"direction": "left"})
    assert shaped(before, device()) is before


def test_the_limits_come_first_and_are_on_the_scale_of_effects():
    clamped = limited(wind(90), device(30, 80, max_intensity=50, max_on_ms=700))
    assert (clamped.intensity, clamped.duration) == (50, 700)
    assert shaped(clamped, device(30, 80)).intensity == 55
