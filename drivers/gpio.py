"""A pin of a Raspberry Pi: a fan, pump or LED strip by PWM (through a MOSFET), or a relay; by gpiozero."""

import re
from typing import Annotated, Literal

import gpiozero
from msgspec import Meta

from effectd.config.schema import Percent
from effectd.driver import Driver, Effect, Options

# of the 40 pins of the header, those that are GPIO: BOARD12 is GPIO18
_BOARD = {3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9, 22: 25}
_BOARD |= {23: 11, 24: 8, 26: 7, 27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26, 38: 20, 40: 21}


class GpioOptions(Options):
    pin: int | str  # BCM number, or a name that gpiozero knows: GPIO18, BOARD12
    mode: Literal["pwm", "relay"] = "pwm"
    active_high: bool = True  # false: the pin is low when on, as most relay boards are
    frequency: Annotated[int, Meta(ge=1, le=10_000)] = 100  # PWM, Hz
    min_duty: Percent = 0  # PWM, for configurations from before `range`: any level above off is at least this
    threshold: Annotated[float, Meta(gt=0, le=100)] = 1  # relay: on from this intensity up


class Gpio(Driver):
    uses_out = True
    options: GpioOptions
    _pin: gpiozero.PWMOutputDevice | gpiozero.DigitalOutputDevice | None = None

    def open(self) -> None:
        """The pin becomes an output that is off."""
        if self.options.min_duty:
            least = f"{self.options.min_duty:g}"
            self.log.warning("min_duty still works; `range: [%s, 100]` of the device does more and replaces it", least)
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

    def understands(self) -> tuple[str, ...]:
        return ()

    def claims(self) -> dict[str, bool]:
        name, pin = re.fullmatch(r"(GPIO|BCM|BOARD)?([0-9]+)", str(self.options.pin).upper()), self.options.pin
        if name is not None:
            pin = _BOARD.get(int(name[2]), pin) if name[1] == "BOARD" else int(name[2])
        return {f"pin {pin}": True}

    def close(self) -> None:
        """Off, and the pin an input again."""
        if self._pin is not None:
            self._pin.close()
            self._pin = None

    def _set(self, value: float | bool) -> None:
        shown = ("on" if value else "off") if isinstance(value, bool) else f"{value:.6g}"
        self.out(f"pin {self.options.pin} = {shown}", lambda: setattr(self._pin, "value", value))
