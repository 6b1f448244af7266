"""A pin of a Raspberry Pi: a fan, pump or LED strip by PWM (through a MOSFET), or a relay; by gpiozero."""

from typing import Annotated, Literal

import gpiozero
from msgspec import Meta

from effectd.config.schema import Percent
from effectd.driver import Driver, Effect, Options


class GpioOptions(Options):
    pin: int | str  # BCM number, or a name that gpiozero knows: GPIO18, BOARD12
    mode: Literal["pwm", "relay"] = "pwm"
    active_high: bool = True  # false: the pin is low when on, as most relay boards are
    frequency: Annotated[int, Meta(ge=1, le=10_000)] = 100  # PWM, Hz
    min_duty: Percent = 0  # PWM: anything above off is at least this, for a fan that does not start below it
    threshold: Annotated[float, Meta(gt=0, le=100)] = 1  # relay: on from this intensity up


class Gpio(Driver):
    uses_out = True
    options: GpioOptions
    _pin: gpiozero.PWMOutputDevice | gpiozero.DigitalOutputDevice | None = None

    def open(self) -> None:
        """The pin becomes an output that is off."""
        if self.options.mode == "pwm":
            self._pin = gpiozero.PWMOutputDevice(
                self.options.pin,
                active_high=self.options.active_high,
                initial_value=0,
                frequency=self.options.frequency,
            )
        else:
            self._pin = gpiozero.DigitalOutputDevice(
                self.options.pin, active_high=self.options.active_high, initial_value=False
            )

    def apply(self, effect: Effect) -> None:
        if self.options.mode == "pwm":
            self._set(max(float(effect.intensity), self.options.min_duty) / 100)
        else:
            self._set(float(effect.intensity) >= self.options.threshold)

    def off(self) -> None:
        self._set(0.0 if self.options.mode == "pwm" else False)

    def close(self) -> None:
        """Off, and the pin an input again."""
        if self._pin is not None:
            self._pin.close()
            self._pin = None

    def _set(self, value: float | bool) -> None:
        shown = ("on" if value else "off") if isinstance(value, bool) else f"{value:.6g}"
        self.out(f"pin {self.options.pin} = {shown}", lambda: setattr(self._pin, "value", value))
