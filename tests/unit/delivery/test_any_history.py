"""Whatever happens, in whatever order: one final status each, and receipts that never contradict."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from effectd.messages import answers
from effectd.messages.effect import Effect
from tests.unit.delivery.room import FINAL, Room

DEVICES = ("fan", "lamp")
device = st.sampled_from(DEVICES)
effect_id = st.integers(0, 11).map(lambda number: f"e{number}")
event = st.one_of(
    st.tuples(st.just("accept"), st.sets(device, min_size=1), st.sampled_from([1, 150, 2000]), st.booleans()),
    st.tuples(st.just("ready"), device, st.sampled_from(["g1", "g2"])),
    st.tuples(st.just("not_ready"), device),
    st.tuples(st.just("ack"), device, effect_id, st.sampled_from(["done", "expired", "failed", "superseded", "odd"])),
    st.tuples(st.just("stop"), st.none() | device),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 0.05, 0.2, 3.0])),
    st.tuples(st.just("reachable"), st.booleans()),
    st.tuples(st.just("fenced"), device),
    st.tuples(st.just("die")),
    st.tuples(st.just("broker_has"), st.booleans()),
)


@settings(max_examples=120)
@given(st.lists(event, max_size=60))
def test_whatever_happens_each_effect_gets_exactly_one_final_status_and_receipts_never_contradict(history):
    room = Room(*DEVICES)
    asked, generation, had = dict[str, set[str]](), dict[str, str | None](), defaultdict[tuple[str, str], set[Any]](set)
    ended_at_send, stopped = list[str](), set[tuple[str, str]]()

    def sent(name: str, effect: Effect) -> None:
        had[name, effect.id].add(effect.seq)
        if FINAL & set(room.statuses(effect.id)) or (name, effect.id) in stopped:
            ended_at_send.append(effect.id)

    room.on_sent = sent
    for what, *details in history:
        match what, details:
            case "accept", [devices, ttl_ms, past]:
                name = f"e{len(asked)}"
                asked[name] = devices
                expires_at = answers.unix_ms() - 5 if past else None
                room.accept(name, *sorted(devices), ttl_ms=ttl_ms, expires_at=expires_at)
            case "ready", [name, run]:
                generation[name] = run
                room.delivery.ready(name, run)
            case "not_ready", [name]:
                room.delivery.not_ready(name, f"{name} is away")
            case "ack", [name, which, status]:
                room.ack(name, which, status)
            case "stop", [name]:
                stopped |= {(lane, which) for which in asked for lane in DEVICES if name in (None, lane)}
                room.delivery.stop(name)
            case "advance", [seconds]:
                room.loop.advance(seconds)
            case "reachable", [reachable]:
                room.reachable = reachable
            case "fenced", [name]:
                room.delivery.fenced(name)
            case "die", []:
                room.die()
            case "broker_has", [has]:
                room.broker_has = has
    room.loop.advance(60)

    for name, devices in asked.items():
        statuses = room.statuses(name)
        assert Counter(status in FINAL for status in statuses)[True] == 1, statuses
        assert statuses in (statuses[-1:], ["accepted", statuses[-1]])
        final = room.receipts_of(name)[-1]
        assert set(final["devices"]) == devices
        assert final["status"] == answers.overall(final["devices"])
        for receipt in room.receipts_of(name):
            assert receipt["devices"].items() <= final["devices"].items()
    assert not ended_at_send  # neither after its end nor after a stop
    assert all(len(seqs) == 1 for seqs in had.values())  # only ever under one seq
    assert (len(room.delivery), room.loop.waiting) == (0, 0)
