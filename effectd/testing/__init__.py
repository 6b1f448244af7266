"""Play a driver, a bus or the dispatcher in a test, on a clock that the test moves (docs/write-a-driver.md).

A bench knows the inside of the room that it plays, so it lives there: `drivers` and `dispatcher_proc` stand on
`effectd`, and nothing here imports them. This module finds a bench by its name when a test asks for it, so authors have
one import that stays valid, and the test of a driver never loads the dispatcher.
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
