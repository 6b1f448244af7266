"""The table of programs: the name of each, its module, its start priority, and what it waits for.

A new program is one row here and one package with a `__main__.py`. Its section in supervisor.conf, `check`, the start
order, the watchdog, `health` and the reserved device names all follow from the row.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from effectd.messages.topics import DEVICE_ID

BROKER, DISPATCHER, BUTTONS, PAGE = "broker", "dispatcher", "buttons", "page"
WATCHDOG = "watchdog"  # no program: it lives inside supervisord, but has a gate

# `stop all`, the watchdog's gate, and the programs that the contract names and that have no row yet
_KEPT_FREE = ("all", WATCHDOG, "playsem")


class Program(NamedTuple):
    """One row. `priority`: supervisord starts low ones first. `waits_for`: programs that have to be ready first.

    `rereads`: it reads config.yaml again at SIGHUP, and goes on.
    """

    name: str  # "" in the devices' row: there is one program per device, named by its id
    module: str
    priority: int
    waits_for: tuple[str, ...] = ()
    numbered: bool = False  # it may also be called NAME-1, NAME-2, ...
    wanted: Callable[[Any], bool] = lambda _tree: True  # whether a home with this Config runs it
    rereads: bool = False

    def is_called(self, name: str) -> bool:
        return name == self.name or (self.numbered and re.fullmatch(rf"{self.name}-[0-9]+", name) is not None)


DEVICE = Program("", "drivers", 30, (BROKER,))
TABLE = [
    Program(BROKER, "broker_proc", 10),
    Program(
        DISPATCHER, "dispatcher_proc", 20, (BROKER,), numbered=True, wanted=lambda tree: tree.dispatcher, rereads=True
    ),
    Program(BUTTONS, "buttons_proc", 25, (BROKER,), wanted=lambda tree: bool(tree.buttons)),
    DEVICE,
    Program(PAGE, "page_proc", 40, (BROKER,), wanted=lambda tree: tree.page is not None, rereads=True),
]


def of(name: str) -> Program:
    """The row of the program `name`; any name that is not in the table is a device's."""
    return next((row for row in TABLE if row.name and row.is_called(name)), DEVICE)


def named(tree: Any) -> list[str]:
    """The programs of this Config other than the devices', in the order in which effects need them."""
    return [row.name for row in TABLE if row.name and row.wanted(tree)]


def command(name: str) -> str:
    """What `python -m` is to run for the program `name`."""
    row = of(name)
    return row.module if row.name else f"{row.module} {name}"


def modules() -> list[str]:
    return [row.module for row in TABLE]


def is_device(name: str) -> bool:
    """Whether a device may have this name."""
    return bool(DEVICE_ID.fullmatch(name)) and name not in _KEPT_FREE and of(name) is DEVICE


def id_rule() -> str:
    """What `is_device` allows, in words."""
    taken = {*_KEPT_FREE, *(word for row in TABLE for word in (row.name, f"{row.name}-N" * row.numbered) if word)}
    return "1 to 32 of a-z 0-9 -, beginning with a letter or digit, and none of " + ", ".join(sorted(taken))
