"""What a driver is: numbers in, a moved actuator out; plain synchronous code (docs/write-a-driver.md).

    class Lamp(Driver):
        effects = ("light",)
        options: LampOptions

        def open(self) -> None: ...                  # take the device; raise whatever goes wrong
        def apply(self, effect: Effect) -> None: ... # move the actuator; return when it has moved
        def off(self) -> None: ...                   # as before any effect; must be safe to repeat
        def check(self) -> None: ...                 # optional: raise where an idle device has gone
        def close(self) -> None: ...                 # optional

An exception is the whole error protocol: the host tells the publisher, opens the device again, with growing pauses, and
switches it off first. All are called from one thread, never two at a time. The host clamps, shapes, times, repeats and
reports; no MQTT, no thread and no timer belongs here. A Bus drives several devices at once: `show` in place of `apply`
and `off`.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import msgspec

from effectd.base.errors import DeviceFailed
from effectd.config.address import Address
from effectd.messages.effect import Effect

__all__ = ["Bus", "DeviceFailed", "Driver", "Effect", "Options"]


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """A driver's `options:` in config.yaml: subclass it, one field an option; unknown keys and types are refused."""


class _Connected:
    """What a Driver and a Bus have in common: something is opened, looked after and closed."""

    effects: ClassVar[tuple[str, ...]] = ()  # the effect types it can do; () = any
    uses_out: ClassVar[bool] = False  # True is the author's word that whatever leaves for the device leaves by `out`
    options: Any  # a subclass says which: `options: LampOptions`; Options where it has none

    def __init__(self, name: str, options: Options, broker: Address) -> None:
        self.options = options
        self.broker = broker  # the home's own broker, for a driver that speaks MQTT itself
        self.log = logging.getLogger(name)
        self.instead: Callable[[bytes | str], object] | None = None  # set in a dry run and by a vector file
        self.back: Callable[[], object] = lambda: None  # call it, from any thread: what failed may work again, now

    def open(self) -> None:
        """Take the device. Default: nothing to take."""

    def check(self) -> None:
        """Raise where the device has gone; called each second while nothing else is to do, so that it shows at once."""

    def reopen(self) -> None:
        """Open again after a failure: what it left half open is let go first."""
        try:
            self.close()
        except Exception as error:  # noqa: BLE001 - a broken device may well not close; opening it decides
            self.log.info("closing the failed device: %s: %s", type(error).__name__, error)
        self.open()

    def close(self) -> None:
        """Let the device go. Default: nothing to do."""

    def claims(self) -> dict[str, bool]:
        """What it takes of this machine, such as {"pin 18": True}; True: for itself alone, so no other may have it.

        `effectd check` compares what stands in a home. Called before `open`.
        """
        return {}

    def publishes(self) -> dict[str, str]:
        """The topics on the home's own broker to which it publishes, by the option that names each.

        One of effectd's own is refused: the device would feed itself. Called before `open`.
        """
        return {}

    def out(self, what: bytes | str, act: Callable[[], object]) -> None:
        """Do `act`, which brings `what` (the very bytes, or the call in words) to the device; in a dry run only say it.

        `act` is the only place that may touch what `open` took: a dry run opens nothing.
        """
        if self.instead is None:
            act()
        else:
            self.instead(what)


class Driver(_Connected):
    """Base of every driver of one device."""

    def __init__(self, device: str, options: Options, broker: Address) -> None:
        super().__init__(device, options, broker)
        self.device = device

    def apply(self, effect: Effect) -> None:  # noqa: ARG002
        """Drive the actuator as `effect` says: intensity 0-100, `parameters` as published. Return when it has moved."""
        raise TypeError(f"{type(self).__name__} has no apply")

    def off(self) -> None:
        """Back to rest. Called first of all, at every end, and again at will."""
        raise TypeError(f"{type(self).__name__} has no off")

    def understands(self) -> Collection[str] | None:
        """The published parameters of which it makes something; None: any, or it does not say.

        What no device of an effect understands is named in the effect's receipt.
        """
        return None


class Bus(_Connected):
    """Base of every driver of several devices behind one open connection (a key of `buses:`).

    `devices` is annotated with the struct of each device's own options: `devices: Mapping[str, FixtureOptions]`.
    """

    refresh_hz: ClassVar[float] = 40.0  # `show` is called at most so often
    repeat_s: ClassVar[float] = 0.0  # and, while nothing changes, again after so long; 0 = only when something changes
    devices: Any

    def __init__(self, bus: str, options: Options, broker: Address, devices: Mapping[str, Any]) -> None:
        super().__init__(bus, options, broker)
        self.devices = devices

    def show(self, levels: dict[str, Effect | None]) -> None:  # noqa: ARG002
        """Bring out what each of `devices` is to do from now on, None = off; all are off at the first call."""
        raise TypeError(f"{type(self).__name__} has no show")

    def understands(self, device: str) -> Collection[str] | None:  # noqa: ARG002
        """As a Driver's, for one of `devices`."""
        return None

    def claims_of(self, device: str) -> dict[str, bool]:  # noqa: ARG002
        """What one of `devices` takes of this bus, such as {"channel 12": True}; as `claims`."""
        return {}
