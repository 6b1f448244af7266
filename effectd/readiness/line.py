"""The status line of a gate (section 4 of the contract), and the name of this run of the program."""

import os

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One line of a gate. `at`: Unix ms at which `state` or `reason` last changed (a heartbeat repeats the line).

    `generation` names this run of the program, `broker_generation` the run of the broker under which it is ready;
    `config` is a hash over its part of the configuration, None until that has been read. `address`: of the broker
    program, where its external broker is, or the node of it that it has chosen.
    """

    name: str
    pid: int
    state: str  # starting, waiting, ready, degraded, stopping
    generation: str
    broker_generation: str | None = None
    reason: str = ""
    at: int = 0
    config: str | None = None
    address: str | None = None


def this_generation() -> str:
    """Start time (clock ticks since boot, proc(5) stat field 22) and pid: no two runs on one boot share it."""
    with open("/proc/self/stat", "rb") as stat:
        started = stat.read().rpartition(b")")[2].split()[19].decode()
    return f"{started}-{os.getpid()}"
