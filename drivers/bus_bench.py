"""A bench for a bus behind real actuators: what it shows and when, and the answers to the publishers."""

from collections.abc import Callable
from typing import Any

import msgspec

from drivers.actuator_bench import ActuatorBench
from drivers.kinds import device_options_of, options_of
from drivers.program_bench import ProgramBench
from drivers.refresh import Refresh
from drivers.scaling import shown
from effectd.config.address import Address
from effectd.config.schema import Device
from effectd.driver import Bus
from effectd.messages.effect import Effect
from effectd.testing import FakeLoop


class _Member(ActuatorBench):
    def __init__(self, device: Device, name: str, loop: FakeLoop, wake: Callable[[], None]) -> None:
        super().__init__(device, name, loop)
        self._wake = wake

    def wake(self) -> None:
        self._wake()


class BusBench:
    """Calls the bus as its program does; `bench["left"]` is the bench of one device: `send`, `stop`, `acks`, `states`.

    calls  each call: ms since the start, the method's name
    shown  each `show` that succeeded: ms since the start, the intensity of each device (off = 0)
    out    what was written by `Bus.out`, if `dry_run` keeps the device untouched
    """

    def __init__(
        self,
        bus: type[Bus],
        options: dict[str, Any] | None = None,
        devices: dict[str, dict[str, Any]] | None = None,
        *,
        dry_run: bool = False,
    ) -> None:
        """`devices` are their sections in config.yaml, without `bus`. Raises ValueError where one of them is wrong."""
        self.loop = FakeLoop()
        known = {"kind": bus.__name__, "effects": bus.effects or ("any",)}
        sections = {name: msgspec.convert(known | section, Device) for name, section in (devices or {}).items()}
        self._members = {name: _Member(each, name, self.loop, self._wake) for name, each in sections.items()}
        self._levels: dict[str, Effect | None] = dict.fromkeys(sections)
        own = {name: msgspec.convert(each.options, device_options_of(bus)) for name, each in sections.items()}
        self.bus = bus("bus", msgspec.convert(options or {}, options_of(bus)), Address(host="127.0.0.1"), own)
        self.shown: list[tuple[int, dict[str, float]]] = []
        self._program = ProgramBench(self.loop, self.bus, dry_run=dry_run, change=self._change, lost=self._lost)
        self.calls, self.out = self._program.calls, self._program.out
        self._refresh = Refresh(self.loop, self.bus, self._wake, self._again)
        self._wake()

    def __getitem__(self, device: str) -> ActuatorBench:
        return self._members[device]

    def advance(self, seconds: float) -> None:
        """Advance the bench's clock; no real time passes."""
        self.loop.advance(seconds)

    def close(self) -> None:
        """SIGTERM: all off, and the bus is closed."""
        self._program.end()
        for member in self._members.values():
            member.actuator.end()

    def _wake(self) -> None:
        self._program.wake()

    def _change(self) -> bool:
        if not self._refresh.allows():
            return False
        changes = {name: change for name, each in self._members.items() if (change := each.actuator.next())}
        if not changes:
            return False
        for name, change in changes.items():
            self._levels[name] = shown(change.level, self._members[name].device)
        raised = self._show()
        for name, change in changes.items():
            self._members[name].actuator.moved(raised)
            if raised is None and change.effect is None:
                self._program.is_off()
        return True

    def _show(self) -> Exception | None:
        self._refresh.shown()
        raised = self._program.call("show", dict(self._levels))
        if raised is None:
            shown = {name: float(level.intensity) if level else 0.0 for name, level in self._levels.items()}
            self.shown.append((self._program.ms, shown))
        return raised

    def _again(self) -> None:
        if self._program.ready:
            self._show()

    def _lost(self) -> None:
        for member in self._members.values():
            member.actuator.lost()
