"""One run: a home that is tormented while effects come, its history, and the verdict.

`python -m tests.chaos.storm --minutes N --seed S [--external]` is the long one (scripts/chaos).
"""

import argparse
import contextlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effectd.messages import history
from effectd.supervision.control import Supervisor
from tests.chaos import checker, events, nemesis, page_faults, places, witness
from tests.chaos.deaths import Kill
from tests.chaos.director import Director
from tests.chaos.events import Struck
from tests.chaos.fault import Arena, Fault, Node
from tests.chaos.gates import Gates
from tests.chaos.generator import Generator
from tests.chaos.log import Log
from tests.chaos.over_time import Bounds
from tests.chaos.places import FAR
from tests.chaos.pulse import Pulse
from tests.chaos.verdict import Verdict
from tests.chaos.witness import Witness
from tests.system import namespace
from tests.system.home import Home, free_port, wait_for
from tests.system.test_external import broker

START_S, READY_S = 120.0, 30.0  # a cluster takes its time for each subscription
END_S = 40.0  # for the last ends to be told, everything being ready
DEVICES = {"light": ["light"], "wind": ["wind"], "fan": ["wind"], "vibration": ["vibration"], "lamp": ["light"]}
BUSES = {"fan": "stage", "lamp": "stage", "strobe-3": "stage", "strobe-4": "stage"}
TYPES = ("light", "wind", "vibration")
# what is bounded over time: not everything that is asked of it is done
BOUNDED = {"scent": ["scent"]} | {f"strobe-{n}": ["flash"] for n in (1, 2, 3, 4)}
BOUNDED_TYPES = ("scent", "flash")
LIMITS: dict[str, dict[str, object]] = {
    "scent": {"budget": {"on_ms": 3000, "window_ms": 12000}},
    **{f"strobe-{n}": {"max_flash_hz": 3} for n in (1, 2, 3, 4)},
}
# of the first each rise counts; of the second, which has more lights than a second has flashes, what rises together
ZONES = {"strobes": ("strobe-1", "strobe-2"), "many": ("strobe-1", "strobe-2", "strobe-3", "strobe-4")}
BOUNDS = Bounds(budgets={"scent": (3000, 12000)}, flashes=[(lights, 3) for lights in ZONES.values()])

Faults = Callable[[list[str], random.Random], Iterator[Fault]]


@dataclass
class Outcome:
    """`complaints`: what is wrong beside the effects; `recovered`: fault -> seconds from its strike to all ready."""

    path: Path
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)
    recovered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: float = 0.0
    orders: int = 0  # for timelines, obeyed
    gone_on: list[float] = field(default_factory=list)  # seconds from a node's death to the next effect that ended

    def __str__(self) -> str:
        lines = [f"history: {self.path}", str(self.verdict), f"{'orders obeyed':<16}{self.orders:>8}  by timelines"]
        lines += [f"complaint: {text}" for text in self.complaints]
        lines += self._that_matter()
        if self.gone_on:
            lines.append(
                f"{len(self.gone_on)} nodes died: going on after {statistics.median(self.gone_on):.2f} s (median), "
                f"at most {max(self.gone_on):.2f} s"
            )
        lines.append(f"{'fault':<28}{'times':>6}{'median s':>10}{'max s':>8}   from the strike to all ready")
        for name, times in sorted(self.recovered.items()):
            lines.append(f"{name:<28}{len(times):>6}{statistics.median(times):>10.2f}{max(times):>8.2f}")
        return "\n".join(lines)

    def _that_matter(self) -> list[str]:
        """Of the first effect of each class of defect, what the history says of it."""
        ids = [found[0].partition(":")[0] for found in self.verdict.defects.values() if found]
        said = events.load(*sorted(self.path.glob("*.jsonl"))) if ids else []
        return [history.line(e).decode().rstrip() for id_ in ids for e in said if getattr(e, "id", None) == id_][:60]


def run(
    seed: int,
    seconds: float,
    rate: float,
    faults: Faults,
    *,
    pause_s: float = 0.3,
    external: bool = False,
    pair: bool = False,
    remote: bool = False,
    page: bool = False,
    nodes: Sequence[Node] = (),
    tell: Callable[[str], None] = print,
    timelines: bool = True,
    types: Sequence[str] = (*TYPES, *BOUNDED_TYPES),
    **generator: Any,
) -> Outcome:
    """Torment a home for so long; every choice follows from the seed (what the machine makes of it does not)."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    log = Log(folder / "harness.jsonl")
    outcome = Outcome(folder)
    tell(f"seed {seed}, history {folder}")
    with contextlib.ExitStack() as stack:
        stack.callback(log.close)
        stack.enter_context(Pulse(log))
        link = stack.enter_context(namespace.elsewhere()) if remote else None
        aside_port = free_port()
        seen_at = stack.enter_context(broker(*([f"listener {aside_port} {link.aside}"] if link else [])))
        at = places.place(stack, link, nodes, external=external, pair=pair)
        wanted = {name: effects for name, effects in {**DEVICES, **BOUNDED}.items() if set(effects) & set(types)}
        devices: dict[str, Any] = dict.fromkeys(("scent", *DEVICES)) | {
            name: witness.device(effects, seen_at.port, name, BUSES.get(name), LIMITS.get(name, {}))
            for name, effects in wanted.items()
        }
        for name in set(wanted) & set(BOUNDED):
            devices[name]["zones"] = [zone for zone, lights in ZONES.items() if name in lights]
        if link is not None:
            there = witness.device(DEVICES[FAR], aside_port, FAR, None, {}, host=link.aside)
            devices[FAR] = {"kind": "remote", "effects": DEVICES[FAR]}
            places.far_home(stack, link, at, there)
        home = stack.enter_context(Home(devices, buses={"stage": {"kind": "faulty"}}, page=page, **at.top))
        home.config["effects"]["flash"] = {}
        home.write()
        shutil.copy(Path(__file__).with_name("faulty.py"), home.path)
        home.start()
        home.wait_ready(START_S)
        watching = Witness(seen_at.port, log)
        stack.callback(watching.close)
        stack.enter_context(_recorder(home, folder / "record.jsonl"))
        port = at.port or home.port
        where = _where(home, port) if at.nodes else port
        generating = Generator(where, log, seed, rate, types, way=at.way, **generator)
        stack.callback(generating.close)
        directing = None
        if timelines and not at.nodes:  # it stays at one broker
            directing = Director(port, log, seed, TYPES, watching.sees, at.way)
            stack.callback(directing.close)
        gates = Gates(home)
        stack.callback(gates.close)
        arena = Arena(home, gates, generating, watching, random.Random(seed), port, at.external)
        arena.complaints, arena.gone_on, arena.nodes = outcome.complaints, outcome.gone_on, at.nodes
        arena.link = link
        began = time.monotonic()
        try:
            gates.wait_ready(READY_S)
            for fault in faults(arena.programs, arena.random):
                if time.monotonic() - began > seconds:
                    break
                _strike(arena, fault, log, outcome, tell)
                arena.more(max(1, round(pause_s * rate)), 20)
            outcome.seconds = time.monotonic() - began
            generating.rest()
            try:
                wait_for(lambda: not generating.left, END_S, f"the ends of {generating.left} effects")
            except AssertionError as error:
                outcome.complaints.append(str(error))
            gates.wait_ready(READY_S)
            if directing is not None:
                directing.rest(END_S)
                outcome.orders = directing.orders
            states = {name: info["statename"] for name, info in Supervisor(home.path).programs().items()}
            outcome.complaints += [f"{name} is {s}" for name, s in states.items() if s not in ("RUNNING", "STARTING")]
            if not watching.alive:
                outcome.complaints.append("the witness lost its own connection: this run says nothing")
            # the last effects that are on have to end as well
            wait_for(lambda: all(said == witness.OFF for said in watching.last.values()), 10, "every device off")
            if page:
                wait_for(lambda: not page_faults.untrue(arena), 10, "the page shows what is so")
        except AssertionError as error:
            outcome.complaints.append(str(error))
        finally:
            for name in ("supervisord", *arena.programs):
                (folder / f"{name}.log").write_text(home.log(name))
    heard = events.load(log.path, folder / "record.jsonl")
    outcome.verdict = checker.judge(heard, dict.fromkeys((*DEVICES, *BOUNDED), witness.MAX_ON_MS), BUSES, BOUNDS)
    return outcome


def _strike(arena: Arena, fault: Fault, log: Log, outcome: Outcome, tell: Callable[[str], None]) -> None:
    arena.gates.wait_ready(READY_S)
    before = arena.gates.pids()
    log.write(Struck(fault=str(fault), hangs=list(fault.hangs), source="harness"))
    began = time.monotonic()
    try:
        fault.strike(arena)
        arena.gates.wait_ready(READY_S)
    except Exception as error:  # noqa: BLE001 - whatever went wrong with one fault, the history so far is judged
        outcome.complaints.append(f"{fault}: {type(error).__name__}: {error}")
        arena.gates.wait_ready(2 * READY_S)
    took = time.monotonic() - began
    log.write(Struck(fault=str(fault), hangs=list(fault.hangs), over=True, source="harness"))
    outcome.recovered[str(fault)].append(took)
    tell(f"{fault}: all ready after {took:.2f} s; {arena.generator.published} effects, {arena.generator.left} open")
    arena.home.pids()  # so that none of the new ones can outlive the run
    if not fault.everything:
        for name, pid in arena.gates.pids().items():
            if name not in fault.disturbs and pid != before[name]:
                outcome.complaints.append(f"{fault} disturbed {name}: pid {before[name]} became {pid}")


@contextlib.contextmanager
def _recorder(home: Home, path: Path) -> Iterator[None]:
    """`effectd record` beside it: the programs' states, from their gates."""
    command = [sys.executable, "-m", "effectd.cli", "--home", str(home.path), "record", str(path)]
    with subprocess.Popen(command) as process:
        try:
            wait_for(lambda: path.exists() and b'"record"' in path.read_bytes(), what="the recorder")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _where(home: Home, first: int) -> Callable[[], int]:
    """Where the home's broker program says that it is."""
    port = [first]

    def ask() -> int:
        if address := (home.line("broker") or {}).get("address"):
            port[0] = int(address.rpartition(":")[2])
        return port[0]

    return ask


def mixed(**which: bool) -> Faults:
    return lambda programs, chance: nemesis.forever(programs, chance, **which)


def only_kills(programs: list[str], chance: random.Random) -> Iterator[Fault]:
    """kill -9 on and on, of programs that have worked: one killed again within 2 s counts as crashing and is braked."""
    last: deque[str] = deque(maxlen=len(programs) - 2)
    while True:
        program = chance.choice([name for name in programs if name not in last])
        last.append(program)
        yield Kill(program)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--rate", type=float, default=60.0, help="effects a second")
    parser.add_argument("--external", action="store_true", help="mosquitto in place of our own broker")
    parser.add_argument("--only-kills", action="store_true", help="25 effects a second, ttl 5 s, nothing but kill -9")
    parser.add_argument("--no-timelines", action="store_true", help="nothing but live effects, for a comparison")
    parser.add_argument("--pair", action="store_true", help="two mosquittos as the nodes of one broker")
    parser.add_argument("--remote", action="store_true", help="a device on another machine, by a link that is cut")
    given = parser.parse_args()
    if given.only_kills:
        outcome = run(given.seed, given.minutes * 60, 25, only_kills, pause_s=0.6, **STEADY)
    else:
        which = {"external": given.external, "pair": given.pair, "remote": given.remote, "page": True}
        faults = mixed(**which)
        outcome = run(given.seed, given.minutes * 60, given.rate, faults, timelines=not given.no_timelines, **which)
    print(outcome)
    return 0 if outcome.verdict.good and not outcome.complaints else 1


STEADY: dict[str, Any] = {
    "timelines": False,
    "types": TYPES,
    "ttl_ms": (5000, 5000),
    "priorities": (5,),
    "holds": 0.0,
    "durations": (60,),
}


if __name__ == "__main__":
    sys.exit(main())
