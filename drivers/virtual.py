"""Devices without hardware: they do every effect type, and log in one clear line what a real device would do."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from effectd.config.address import Address
from effectd.driver import Bus, Driver, Effect, Options

# those that the contract names, so that a misspelt parameter shows already without hardware
UNDERSTOOD = ("color", "rgb", "scent", "direction", "temperature", "pattern")


class VirtualOptions(Options):
    apply_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0  # how long the simulated actuator takes to move


class Virtual(Driver):
    options: VirtualOptions

    def understands(self) -> tuple[str, ...]:
        return UNDERSTOOD

    def apply(self, effect: Effect) -> None:
        time.sleep(self.options.apply_ms / 1000)
        self.log.info("%s", _in_words(effect))

    def off(self) -> None:
        self.log.info("off")


class VirtualBus(Bus):
    options: VirtualOptions

    def __init__(self, bus: str, options: VirtualOptions, broker: Address, devices: Mapping[str, Any]) -> None:
        super().__init__(bus, options, broker, devices)
        self._shown: dict[str, Effect | None] = {}

    def understands(self, _device: str) -> tuple[str, ...]:
        return UNDERSTOOD

    def open(self) -> None:
        self._shown.clear()

    def show(self, levels: dict[str, Effect | None]) -> None:
        time.sleep(self.options.apply_ms / 1000)
        for name, level in levels.items():
            if name not in self._shown or level != self._shown[name]:
                self.log.info("%s: %s", name, "off" if level is None else _in_words(level))
        self._shown = dict(levels)


def _in_words(effect: Effect) -> str:
    lasts = f"for {effect.duration / 1000:g} s" if effect.duration else "until stopped"
    details = "".join(f" {key}={_short(value)}" for key, value in effect.parameters.items())
    return f"{effect.effect_type} {effect.intensity:g} %{details} {lasts} (effect {effect.id})"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
