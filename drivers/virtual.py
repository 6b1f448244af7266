"""A device without hardware: it does every effect type, and says in one clear line what a real one would do."""

import time
from typing import Annotated, Any

from msgspec import Meta

from effectd.driver import Driver, Effect, Options


class VirtualOptions(Options):
    apply_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0  # how long the pretended actuator takes to move


class Virtual(Driver):
    options: VirtualOptions

    def understands(self) -> tuple[str, ...]:
        """Those that the contract names: a word that no real device would know is to show here already."""
        return ("color", "rgb", "scent", "direction", "temperature", "pattern")

    def apply(self, effect: Effect) -> None:
        time.sleep(self.options.apply_ms / 1000)
        lasts = f"for {effect.duration / 1000:g} s" if effect.duration else "until stopped"
        details = "".join(f" {key}={_short(value)}" for key, value in effect.parameters.items())
        self.log.info("%s %g %%%s %s (effect %s)", effect.effect_type, effect.intensity, details, lasts, effect.id)

    def off(self) -> None:
        self.log.info("off")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
