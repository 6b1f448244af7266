"""Buttons and contacts on the pins of a Raspberry Pi, by gpiozero."""

from collections.abc import Callable
from typing import Any

from effectd.base.errors import ConfigError
from effectd.config.reader import FILE, Config
from effectd.config.schema import Button


def check(tree: Config) -> None:
    """Raises ConfigError where gpiozero is not installed."""
    try:
        import gpiozero  # noqa: F401
    except ImportError:
        line = tree.file.line("buttons")
        raise ConfigError(tree.home / FILE, line, "buttons", "needs gpiozero: pip install 'effectd[gpio]'") from None


class Pin:
    """One input. `changed` is called on a thread of gpiozero's; `pressed` asks the pin itself."""

    def __init__(self, button: Button, changed: Callable[[], object]) -> None:
        import gpiozero

        # to the other rail: what is wired to ground is low when it is closed
        self._closed_is_pressed = not button.normally_closed
        self._button: Any = gpiozero.Button(
            button.pin, pull_up=button.pull_up, bounce_time=button.bounce_ms / 1000 or None
        )
        self._button.when_pressed = self._button.when_released = changed

    @property
    def pressed(self) -> bool:
        return bool(self._button.is_pressed) is self._closed_is_pressed

    def close(self) -> None:
        self._button.close()
