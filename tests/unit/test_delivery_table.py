"""A share of an effect goes exactly where the table in delivery.py's docstring leads, whatever happens to it."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc import delivery as delivery_module
from dispatcher_proc.delivery import Delivery
from dispatcher_proc.lane import ASK_AGAIN_S, Lane
from dispatcher_proc.open_effect import OpenEffect, Share
from effectd.config.schema import Device
from effectd.messages.effect import Effect
from tests.unit.delivery.room import Room

_ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in re.findall(r"^\|.*\|$", delivery_module.__doc__ or "", re.MULTILINE)
]
STATES = _ROWS[0][1:]
TABLE = {
    (state, row[0]): frozenset(cell.split(" / ")) - {"-"}
    for row in _ROWS[2:]
    for state, cell in zip(STATES, row[1:], strict=True)
}
TABLE |= {("settled", row[0]): frozenset({"settled"}) for row in _ROWS[2:]}  # the sentence below the table

DEVICES = ("fan", "lamp")
Key = tuple[str, str]  # effect id, device
Step = tuple[Any, ...]


def state_of(lane: Lane, share: Share) -> str:
    """A word of the table, for a share that is not settled."""
    if share.stopped:
        return "stopped"
    if not share.delivered:
        return "waiting"
    return "again" if share.effect.id in lane.waiting else "sent"


class Watched(Room):
    """A fan that acknowledges and a lamp that does not; each event is compared with the table."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.ways: set[tuple[str, str, str]] = set()
        self.sent_keys: list[Key] = []  # of what is in `taken`
        super().__init__(*DEVICES)
        self.kinds["lamp"] = Device(kind="remote", effects=("wind",), options={"ack": False})
        self.delivery.configure(self.kinds)
        self.all_kinds = dict(self.kinds)

    def states(self) -> dict[Key, str]:
        lanes = self.delivery._lanes
        shares = {(name, device): lanes[device].shares.get(name) for name, device in self.keys if device in lanes}
        return {key: state_of(lanes[key[1]], share) if (share := shares.get(key)) else "settled" for key in self.keys}

    @contextmanager
    def event(self, event: str, keys: Iterable[Key] | None = None) -> Iterator[None]:
        """What happens within changes these shares (None: any) as the table says, and no others."""
        before = self.states()
        concerned = set(before) if keys is None else set(keys)
        yield
        for key, after in self.states().items():
            if key not in concerned:
                assert after == before[key], (event, key)
            else:
                assert after in TABLE[before[key], event], (event, key, before[key], after)
                self.ways.add((before[key], event, after))

    def of(self, device: str | None) -> list[Key]:
        return [key for key in self.keys if device in (None, key[1])]

    def _send(self, device: str, effect: Effect, taken: Callable[[], None] | None) -> bool:
        went = super()._send(device, effect, taken)
        if went and taken is not None:
            self.sent_keys.append((effect.id, device))
        return went

    def forget_sent(self) -> None:
        self.sent_keys.clear()
        self.taken.clear()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The events that timers bring are watched, too."""
        pump, ask, expire, give_up = Lane.pump, Lane._ask_again, Delivery._expire, Delivery._give_up

        def device(lane: Lane) -> list[Key]:
            return [key for name, other in self.delivery._lanes.items() if other is lane for key in self.of(name)]

        def pumped(lane: Lane) -> None:
            with self.event("send", device(lane)):
                pump(lane)

        def asked(lane: Lane) -> None:
            with self.event("ask again", device(lane)):
                ask(lane)

        def expired(delivery: Delivery, opened: OpenEffect, why: str = "") -> None:
            with self.event("time is up", [(opened.effect.id, name) for name in opened.shares]):
                expire(delivery, opened, why)

        def gave_up(delivery: Delivery, share: Share) -> None:
            with self.event("no answer", [(share.effect.id, share.device)]):
                give_up(delivery, share)

        with (
            patch.object(Lane, "pump", pumped),
            patch.object(Lane, "_ask_again", asked),
            patch.object(Delivery, "_expire", expired),
            patch.object(Delivery, "_give_up", gave_up),
        ):
            yield

    def do(self, what: str, *details: Any) -> None:
        match what, details:
            case "accept", [devices, ttl_ms]:
                name = f"e{len(self.keys)}"
                self.keys += [(name, device) for device in devices]
                if set(devices) <= set(self.kinds):  # as the plan made of the configuration has it
                    self.accept(name, *devices, ttl_ms=ttl_ms)
            case "ready", [device, run] if device in self.kinds:
                with self.event("driver ready", self.of(device)):
                    self.delivery.ready(device, run)
            case "not ready", [device] if device in self.kinds:
                before = self.states()
                self.delivery.not_ready(device, "away")
                assert self.states() == before
            case "ack", [which]:
                for name, device in self.keys[-1 - which : len(self.keys) - which]:
                    with self.event("ack", [(name, device)]):
                        self.ack(device, name)
            case "broker has it", []:
                for key, taken in zip(self.sent_keys, self.taken, strict=True):
                    with self.event("broker has it", [key]):
                        taken()
                self.forget_sent()
            case "stop", [device]:
                with self.event("stop", self.of(device)):
                    self.delivery.stop(device)
            case "fence", [device]:
                with self.event("fence", self.of(device)):
                    self.delivery.fenced(device)
            case "remove", [device]:
                self.kinds = {name: kind for name, kind in self.all_kinds.items() if name != device}
                with self.event("device removed", self.of(device)):
                    self.delivery.configure(self.kinds)
            case "return", []:
                self.kinds = dict(self.all_kinds)
                self.delivery.configure(self.kinds)
            case "death", []:
                self.forget_sent()
                with self.event("death"):
                    self.die()
            case "time", [seconds]:
                self.loop.advance(seconds)
            case "reachable", [reachable]:
                self.reachable = reachable


def play(history: list[Step]) -> set[tuple[str, str, str]]:
    room = Watched()
    with room.watching():
        for step in history:
            room.do(*step)
    return room.ways


device = st.sampled_from(DEVICES)
step = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from([("fan",), ("lamp",), DEVICES]), st.sampled_from([200, 5000])),
    st.tuples(st.just("ready"), device, st.sampled_from(["g1", "g2"])),
    st.tuples(st.just("ready"), device, st.sampled_from(["g1", "g2"])),
    st.tuples(st.sampled_from(["not ready", "stop", "fence", "remove"]), device),
    st.tuples(st.just("ack"), st.integers(0, 3)),
    st.tuples(st.just("time"), st.sampled_from([0.0, 0.3, ASK_AGAIN_S + 0.1])),
    st.tuples(st.just("reachable"), st.booleans()),
    st.sampled_from([("broker has it",), ("return",), ("death",), ("stop", None)]),
)


@given(st.lists(step, max_size=40))
def test_a_part_goes_only_where_the_table_leads(history: list[Step]) -> None:
    play(history)


def test_every_way_of_the_table_is_gone() -> None:
    chance, seen = random.Random(1), set[tuple[str, str, str]]()
    ways = {(*at, after) for at, cell in TABLE.items() for after in cell}
    sent = [("return",), ("reachable", True), ("ready", "fan", "g1"), ("accept", ("fan",), 5000)]
    again = [*sent, ("reachable", False), ("ready", "fan", "g2")]
    rare: list[list[Step]] = [
        [*again, ("reachable", True), ("time", ASK_AGAIN_S + 0.1)],
        [*again, ("time", ASK_AGAIN_S + 0.1)],
        [*again, ("fence", "fan")],
        [*again, ("not ready", "fan"), ("fence", "fan")],
        [*again, ("ack", 0)],
        [*sent, ("not ready", "fan"), ("fence", "fan")],
        [*sent, ("stop", "fan"), ("not ready", "fan"), ("fence", "fan")],
    ]
    for _ in range(1000):
        steps: list[Callable[[], Step]] = [
            *[lambda: ("accept", chance.choice([("fan",), ("lamp",), DEVICES]), chance.choice([200, 5000]))] * 6,
            *[lambda: ("ready", chance.choice(DEVICES), chance.choice(["g1", "g2"]))] * 4,
            *[lambda: ("time", chance.choice([0.0, 0.3, ASK_AGAIN_S + 0.1]))] * 4,
            *[lambda: ("reachable", chance.random() < 0.7)] * 2,
            lambda: (chance.choice(["not ready", "stop", "fence", "remove"]), chance.choice(DEVICES)),
            lambda: ("ack", chance.randrange(3)),
            lambda: chance.choice([("broker has it",), ("return",), ("death",), ("stop", None)]),
        ]
        seen |= play([chance.choice(steps)() for _ in range(30)] + chance.choice(rare))
        if ways <= seen:
            break
    assert ways - seen == set()
