"""What a driver is: numbers in, a moved actuator out; plain synchronous code (docs/write-a-driver.md).

    class Lamp(Driver):
        effects = ("light",)
        options: LampOptions

        def open(self) -> None: ...                  # take the device; raise whatever goes wrong
        def apply(self, effect: Effect) -> None: ... # move the actuator; return when it has moved
        def off(self) -> None: ...                   # as before any effect; must be safe to repeat
        def check(self) -> None: ...                 # optional: raise where an idle device has gone
        def close(self) -> None: ...                 # optional

An exception is the whole error protocol: the host reports it to the publisher, reopens the device, with growing pauses,
and switches it off first. All are called from one thread, never two at a time. The host clamps, scales, times, repeats
and reports; no MQTT, no thread and no timer belongs here. A Bus drives several devices at once: `show` in place of
`apply` and `off`.
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
    """The common base of Driver and Bus: something is opened, checked and closed."""

    effects: ClassVar[tuple[str, ...]] = ()  # the effect types it can do; () = any
    uses_out: ClassVar[bool] = False  # True: the author asserts that everything sent to the device goes through `out`
    options: Any  # a subclass says which: `options: LampOptions`; Options where it has none

    def __init__(self, name: str, options: Options, broker: Address) -> None:
        self.options = options
        self.broker = broker  # the home's own broker, for a driver that speaks MQTT itself
        self.log = logging.getLogger(name)
        self.instead: Callable[[bytes | str], object] | None = None  # set in a dry run and by a vector file
        self.back: Callable[[], object] = lambda: None  # call it, from any thread, when a failed device may work again

    def open(self) -> None:
        """Open the device. Default: nothing to do."""

    def check(self) -> None:
        """Raise if the device is gone; called once a second while it is idle, so that a loss is noticed at once."""

    def reopen(self) -> None:
        """Open again after a failure: close first what the failure left half open."""
        try:
            self.close()
        except Exception as error:  # noqa: BLE001 - a broken device may well not close; opening it decides
            self.log.info("closing the failed device: %s: %s", type(error).__name__, error)
        self.open()

    def close(self) -> None:
        """Close the device. Default: nothing to do."""

    def claims(self) -> dict[str, bool]:
        """The resources of this machine that it uses, such as {"pin 18": True}; True: exclusively.

        `effectd check` compares those of all devices in a home. Called before `open`.
        """
        return {}

    def publishes(self) -> dict[str, str]:
        """The topics on the home's own broker to which it publishes, by the option that names each.

        One of effectd's own is refused: the device would feed itself. Called before `open`.
        """
        return {}

    def out(self, what: bytes | str, act: Callable[[], object]) -> None:
        """Do `act`, which sends `what` (the bytes, or the call in words) to the device; in a dry run only log it.

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
        """The published parameters that it uses; None: any, or unknown.

        Parameters that no device of an effect understands are named in its receipt.
        """
        return None


class Bus(_Connected):
    """Base of every driver of several devices behind one open connection (a key of `buses:`).

    `devices` is annotated with the struct of each device's own options: `devices: Mapping[str, FixtureOptions]`.
    """

    refresh_hz: ClassVar[float] = 40.0  # `show` is called at most so often
    repeat_s: ClassVar[float] = 0.0  # and again after so long without a change; 0 = only at changes
    devices: Any

    def __init__(self, bus: str, options: Options, broker: Address, devices: Mapping[str, Any]) -> None:
        super().__init__(bus, options, broker)
        self.devices = devices

    def show(self, levels: dict[str, Effect | None]) -> None:  # noqa: ARG002
        """Show the present effect of each of `devices`, None = off; all are off at the first call."""
        raise TypeError(f"{type(self).__name__} has no show")

    def understands(self, device: str) -> Collection[str] | None:  # noqa: ARG002
        """As a Driver's, for one of `devices`."""
        return None

    def claims_of(self, device: str) -> dict[str, bool]:  # noqa: ARG002
        """The resources of this bus that one of `devices` uses, such as {"channel 12": True}; as `claims`."""
        return {}
