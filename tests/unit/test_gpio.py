"""The gpio driver on gpiozero's own mock pins: off before anything, the duty or the level, and the pin let go."""

from collections.abc import Callable, Iterator
from typing import Any

import gpiozero
import msgspec
import pytest
from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

from drivers.gpio import Gpio, GpioOptions
from effectd.config.address import Address
from effectd.messages.effect import Effect


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    factory = gpiozero.Device.pin_factory = MockFactory(pin_class=MockPWMPin)
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


@pytest.fixture
def opened(pins: MockFactory) -> Iterator[Callable[..., Gpio]]:
    drivers_ = list[Gpio]()

    def opened(**options: Any) -> Gpio:
        drivers_.append(Gpio("fan", msgspec.convert(options, GpioOptions), Address(host="127.0.0.1")))
        drivers_[-1].open()
        return drivers_[-1]

    yield opened
    for driver in drivers_:
        driver.close()


def wind(intensity: float) -> Effect:
    return Effect(id="e-1", effect_type="wind", intensity=intensity, duration=1000)


def test_a_pwm_pin_is_off_from_the_start_and_follows_the_intensity(pins, opened):
    driver = opened(pin=18, frequency=250)
    pin = pins.pin("GPIO18")
    assert (pin.function, pin.state, pin.frequency) == ("output", 0, 250)
    driver.apply(wind(60))
    assert pin.state == 0.6
    driver.off()
    assert pin.state == 0


@pytest.mark.parametrize(("active_high", "off", "on"), [(True, 0, 1), (False, 1, 0)])
def test_a_relay_is_off_from_the_start_also_where_low_is_on(pins, opened, active_high, off, on):
    pin: MockPin = pins.pin("GPIO17")
    pin.clear_states()
    driver = opened(pin="BOARD11", mode="relay", active_high=active_high, threshold=50)
    assert {state for _, state in pin.states[1:]} <= {off}, "it was on for a moment"
    assert pin.state == off
    driver.apply(wind(50))
    assert pin.state == on
    driver.apply(wind(49))
    assert pin.state == off


def test_a_pwm_pin_that_is_on_when_low_is_off_when_high(pins, opened):
    driver = opened(pin=18, active_high=False)
    assert pins.pin("GPIO18").state == 1
    driver.apply(wind(75))
    assert pins.pin("GPIO18").state == 0.25


def test_close_lets_the_pin_go_so_that_it_can_be_opened_again(pins, opened):
    driver = opened(pin=18)
    driver.apply(wind(60))
    driver.close()
    driver.close()
    assert pins.pin("GPIO18").function == "input"
    driver.open()
    assert pins.pin("GPIO18").state == 0


def test_a_pin_that_is_not_there_or_taken_raises(opened):
    opened(pin=18)
    for pin, told in [(99, "99"), (18, "18")]:
        with pytest.raises(gpiozero.GPIOZeroError, match=told):
            opened(pin=pin)


def test_min_duty_of_an_older_home_goes_on_working_and_names_the_range_that_replaces_it(pins, opened, caplog):
    driver = opened(pin=18, min_duty=30)
    driver.apply(wind(5))
    assert pins.pin("GPIO18").state == 0.3
    assert "`range: [30, 100]`" in caplog.text
