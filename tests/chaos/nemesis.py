"""Which faults strike, and in which order."""

import random
from collections.abc import Iterator

from tests.chaos.deaths import Kill, KillBurst, KillStarting, KillSupervisord, StaleFiles, StopAmidKill
from tests.chaos.fault import Fault
from tests.chaos.hangs import Pause, PauseSupervisord, Slow, StuckApply, StuckLoop
from tests.chaos.holds import HeldAmidKill
from tests.chaos.links import LinkCut, StopAmidCut, StopAndDeathAmidCut
from tests.chaos.misc_faults import (
    AnyOrder,
    Descriptors,
    Malformed,
    NodeDies,
    NodeDiesToo,
    NodeStandsStill,
    Outage,
    Packets,
    PortTaken,
    Restarts,
    StopAll,
)
from tests.chaos.page_faults import DeafReaders, StopByPage
from tests.chaos.pairs import DeadTogether, PausedTogether, PauseSupervisordAndKill
from tests.chaos.sweeps import Swept, SweptAll

AMID_CUTS = (StopAmidCut, StopAndDeathAmidCut)
SUFFIXES = ("gate", "state", "starts", "pid", "sock", "journal", "seen", "log")


def everything(
    programs: list[str],
    chance: random.Random,
    *,
    external: bool = False,
    pair: bool = False,
    remote: bool = False,
    page: bool = False,
) -> list[Fault]:
    """Each fault once, in a random order; which device it hits is chance."""
    devices = [name for name in programs if name not in ("broker", "dispatcher")]

    def device() -> str:
        return chance.choice(devices)

    faults: list[Fault] = [
        *(Kill(program) for program in programs),
        KillBurst(programs),
        *(KillStarting(program) for program in ("broker", "dispatcher", device())),
        *(Pause(program) for program in ("broker", "dispatcher", device())),
        PauseSupervisord(),
        StuckLoop(device()),
        StuckApply(device()),
        Slow(device()),
        KillSupervisord(),
        StaleFiles(),
        AnyOrder(device()),
        *(StopAll() for _ in range(4)),
        *(StopAmidKill(program) for program in ("broker", "dispatcher", device())),
        *(HeldAmidKill(program) for program in ("broker", "dispatcher", device())),
        *(PauseSupervisordAndKill(program) for program in ("broker", "dispatcher", device())),
        DeadTogether("broker", "dispatcher"),
        DeadTogether("dispatcher", device()),
        PausedTogether(*chance.sample(programs, 2)),
        *(Swept(suffix) for suffix in SUFFIXES),
        SweptAll(),
        Malformed(),
        Packets(),
    ]
    if remote:
        faults += [LinkCut(0.3), LinkCut(3), LinkCut(20), *(kind(s) for kind in AMID_CUTS for s in (1, 20))]
    if pair:
        faults += [*(NodeDies() for _ in range(4)), NodeDiesToo(), NodeStandsStill()]
    else:
        faults += [Outage()] if external else [Restarts(), PortTaken(), Descriptors()]
    if page:
        faults += [Kill("page"), Pause("page"), DeafReaders()]
        faults += [StopByPage(program) for program in ("broker", "dispatcher", device())]
    chance.shuffle(faults)
    return faults


def forever(programs: list[str], chance: random.Random, **which: bool) -> Iterator[Fault]:
    while True:
        yield from everything(programs, chance, **which)
