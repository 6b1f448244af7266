"""Benches for tests of a driver, a bus or the dispatcher, on a clock that the test moves (docs/write-a-driver.md).

A bench uses internals of its package, so it lives there: `drivers` and `dispatcher_proc` build on `effectd`, and
nothing here imports them. This module loads a bench by its name on demand, so authors have one stable import, and the
test of a driver never loads the dispatcher.
"""

from importlib import import_module
from typing import Any

from effectd.testing.fake_link import FakeLink
from effectd.testing.fake_loop import FakeLoop
from effectd.testing.memory_journal import MemoryJournal

__all__ = ["ActuatorBench", "BusBench", "DispatcherBench", "DriverBench", "FakeLink", "FakeLoop", "MemoryJournal"]

_BENCHES = {
    "ActuatorBench": "drivers.actuator_bench",
    "BusBench": "drivers.bus_bench",
    "DriverBench": "drivers.driver_bench",
    "DispatcherBench": "dispatcher_proc.bench",
}


def __getattr__(name: str) -> Any:
    if name not in _BENCHES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_BENCHES[name]), name)
