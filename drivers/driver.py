"""What a driver is: numbers in, a moved actuator out; plain synchronous code (docs/write-a-driver.md).

    class Lamp(Driver):
        effects = ("light",)
        options: LampOptions

        def open(self) -> None: ...          # take the device; raise whatever goes wrong
        def apply(self, effect: Effect) -> None:  # noqa: ARG002 ...   # move the actuator; return when it has moved
        def off(self) -> None: ...           # as before any effect; must be safe to repeat
        def close(self) -> None: ...         # optional

An exception is the whole error protocol: the host tells the publisher, opens the device again, with growing pauses, and
switches it off first. All four are called from one thread, never two at a time. The host clamps, times, repeats and
reports; no MQTT, no thread and no timer belongs here.
"""

import logging
from typing import Any, ClassVar

import msgspec

from effectd.config import Address
from effectd.effect import Effect

__all__ = ["Driver", "Effect", "Options"]


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """A driver's `options:` in config.yaml: subclass it, one field an option; unknown keys and types are refused."""


class Driver:
    """Base of every driver. `effects`: the effect types it can do; () = any."""

    effects: ClassVar[tuple[str, ...]] = ()
    options: Any  # a subclass says which: `options: LampOptions`; Options where it has none

    def __init__(self, device: str, options: Options, broker: Address) -> None:
        self.device = device
        self.options = options
        self.broker = broker  # the home's own broker, for a driver that speaks MQTT itself
        self.log = logging.getLogger(device)

    def open(self) -> None:
        """Take the device. Default: nothing to take."""

    def apply(self, effect: Effect) -> None:  # noqa: ARG002
        """Drive the actuator as `effect` says: intensity 0-100, `parameters` as published. Return when it has moved."""
        raise TypeError(f"{type(self).__name__} has no apply")

    def off(self) -> None:
        """Back to rest. Called first of all, at every end, and again at will."""
        raise TypeError(f"{type(self).__name__} has no off")

    def close(self) -> None:
        """Let the device go. Default: nothing to do."""
