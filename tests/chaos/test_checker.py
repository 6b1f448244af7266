"""The checker finds each class of defect in a history that has it, and none in one that has none."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.messages import history
from effectd.messages.history import Accepted, Acked, Actuated, Ended, Event, Program, Published, Stopped
from tests.chaos import checker
from tests.chaos import events as own
from tests.chaos.events import Crowded, Fenced, Stalled, Struck
from tests.chaos.over_time import Bounds
from tests.chaos.verdict import DEFECTS, OF_TIMELINES, Verdict

WALL = 1_700_000_000_000  # Unix ms at mono 0
MAX_ON_MS = {"fan": 2000, "lamp": 2000, "scent": 2000, **{f"s{n}": 2000 for n in range(1, 7)}}
BOUNDS = Bounds(budgets={"scent": (1000, 10_000)}, flashes=[(("s1", "s2"), 3), (("s3", "s4", "s5", "s6"), 3)])


def at(mono: float) -> dict[str, Any]:
    return {"at": WALL + int(mono), "mono_ms": float(mono), "source": "harness"}


def published(mono: float, id_: str = "a", *, by: str = "c1", ttl_ms: int = 1000, duration: int = 100) -> Event:
    payload = {"id": id_, "ttl_ms": ttl_ms, "duration": duration}
    return Published(**(at(mono) | {"source": by}), id=id_, topic="effects/wind", payload=payload)


def accepted(mono: float, id_: str = "a") -> Event:
    return Accepted(**at(mono), id=id_)


def acked(mono: float, id_: str = "a", device: str = "fan") -> Event:
    return Acked(**(at(mono) | {"source": "record"}), id=id_, device=device, status="done")


def ended(mono: float, id_: str = "a", status: str = "done", *, latency_ms: float = 5, device: str = "fan") -> Event:
    return Ended(
        **at(mono),
        id=id_,
        effect_type="wind",
        status=status,
        devices={device: status},
        latency_ms=latency_ms,
        said_at=WALL + int(mono),
    )


def seen(mono: float, id_: str | None, device: str = "fan", level: float = 0) -> Event:
    on = {"on": id_ is not None, "id": id_, "intensity": level}
    return Actuated(**(at(mono) | {"source": "witness"}), device=device, **on)


def stopped(mono: float, by: str = "c1") -> Event:
    return Stopped(**(at(mono) | {"source": by}))


def fenced(mono: float, token: str = "1", device: str = "fan") -> Event:
    return Fenced(**at(mono), device=device, token=token)


def program(mono: float, name: str, state: str = "ready", run: str = "r1", reason: str = "") -> Event:
    return Program(**(at(mono) | {"source": "record"}), name=name, state=state, reason=reason, broker_generation=run)


def struck(mono: float, *hangs: str, over: bool = False) -> Event:
    return Struck(**at(mono), fault="Pause", hangs=list(hangs), over=over)


def judge(*events: Event) -> Verdict:
    return checker.judge(sorted(events, key=lambda event: event.mono_ms), MAX_ON_MS, bounds=BOUNDS)


def found(*events: Event) -> set[str]:
    return {word for word, texts in judge(*events).defects.items() if texts}


def whole(id_: str, start: float, device: str = "fan") -> list[Event]:
    """An effect as it should be: 100 ms on, and off."""
    return [
        published(start, id_),
        seen(start + 4, id_, device),
        ended(start + 6, id_, device=device),
        seen(start + 104, None, device),
    ]


ALL_READY = [program(0, name) for name in ("broker", "dispatcher", "fan")]


def superseded(times: range) -> list[Event]:
    return [
        event
        for number, mono in enumerate(times)
        for event in (published(mono, f"n{number}"), ended(mono + 5, f"n{number}", "superseded"))
    ]


def strobe(*starts: float, level: float = 100, lamps: Sequence[str] = ("s1", "s2")) -> list[Event]:
    """Flashes of 50 ms of lamps in turn."""
    return [
        event
        for number, (start, lamp) in enumerate(zip(starts, itertools.cycle(lamps), strict=False))
        for event in (
            published(start - 5, f"s{number}", duration=50),
            ended(start + 5, f"s{number}", device=lamp),
            seen(start, f"s{number}", lamp, level),
            seen(start + 50, None, lamp),
        )
    ]


FOUR = ("s3", "s4", "s5", "s6")


def smells(*starts: float) -> list[Event]:
    """A scent of 600 ms at each of these moments."""
    return [
        event
        for number, start in enumerate(starts)
        for event in (
            published(start - 5, f"n{number}", duration=600),
            ended(start + 5, f"n{number}", device="scent"),
            seen(start, f"n{number}", "scent"),
            seen(start + 600, None, "scent"),
        )
    ]


GOOD = {
    "a scent within its budget": smells(0, 10_500, 21_000),
    "three flashes in a second, and again": strobe(0, 400, 800, 1100, 1500, 1900),
    "four lamps together, three times a second": strobe(
        *(at + more for at in (0, 300, 600) for more in (0, 5, 8, 11)), lamps=FOUR
    ),
    "many small changes": strobe(*range(0, 1000, 100), level=9),
    "held, and driven afterwards": [
        program(0, "fan", reason="held by door: open"),
        program(1000, "fan"),
        *whole("a", 1100),
    ],
    "the call that ran when the hold came": [
        published(0),
        program(5, "fan", reason="held by door: open"),
        seen(8, "a"),
        ended(9),
        seen(12, None),
    ],
    "held by a higher priority for a while": [*ALL_READY, *superseded(range(10, 4000, 100))],
    "newest wins while the device is away": superseded(range(0, 7000, 100)),
    "one effect, done": whole("a", 0),
    "the machine was crowded when it should have gone off": [
        published(0),
        seen(4, "a"),
        ended(5),
        *(Crowded(**at(mono), waited_ms=100) for mono in (200, 300, 400)),
        seen(500, None),
    ],
    "the driver's call to the device was slow": [published(0), seen(4, "a"), acked(600), ended(605), seen(720, None)],
    "asked again and told again": [*whole("a", 0), published(600), published(1100)],
    "told otherwise": [published(0), accepted(100), ended(1000, status="expired", latency_ms=1000)],
    "received long after it was first published": [
        published(0),
        published(5000),
        seen(5900, "a"),
        ended(5905, latency_ms=900),
        seen(6000, None),
    ],
    "one id on two devices": [*whole("a", 0), seen(5, "a", "lamp"), seen(100, None, "lamp")],
    "replaced by a newer one": [published(0, duration=0), seen(4, "a"), ended(5), *whole("b", 500)],
    "held until max_on_ms": [published(0, duration=0), seen(4, "a"), ended(5), seen(2010, None)],
    "driven before the stop": [*whole("a", 0), stopped(200), seen(210, None), fenced(215)],
    "published behind the stop": [stopped(0), fenced(3), seen(5, None), *whole("a", 10)],
    "published again behind the stop": [
        published(0),
        stopped(10),
        fenced(12),
        seen(14, None),
        published(500),
        seen(505, "a"),
        ended(507, latency_ms=5),
        seen(605, None),
    ],
    "another connection's effect": [
        published(0, by="c2"),
        stopped(1),
        fenced(3),
        seen(5, None),
        seen(400, "a"),
        ended(401, latency_ms=390),
        seen(500, None),
    ],
    "the call that ran when the stop came": [
        published(0),
        seen(1, None),
        stopped(0.5),
        fenced(2),
        seen(5, "a"),
        seen(9, None),
        ended(10),
    ],
    "a hung driver's device, on until it was killed": [
        published(0),
        seen(4, "a"),
        ended(5),
        struck(50, "fan"),
        seen(2400, None),
        struck(2500, "fan", over=True),
    ],
    "off late because the machine stood still": [
        published(0),
        seen(4, "a"),
        ended(5),
        Stalled(**at(500), late_ms=390),
        seen(501, None),
    ],
    "expired while the driver was away": [
        *ALL_READY,
        program(10, "fan", "gone"),
        published(20),
        program(500, "fan"),
        ended(1020, status="expired", latency_ms=1000),
    ],
    "expired on a machine that had no time for anybody": [
        *ALL_READY,
        published(10),
        *(Crowded(**at(mono), waited_ms=100) for mono in range(100, 1000, 100)),
        ended(1020, status="expired", latency_ms=1010),
    ],
    "expired while the driver hung and its gate still said ready": [
        *ALL_READY,
        struck(10, "fan"),
        published(20, ttl_ms=1500),
        ended(1520, status="expired", latency_ms=1500),
        struck(2500, "fan", over=True),
    ],
}

BAD = {
    "lost": {
        "accepted, no end": [published(0), accepted(100)],
        "never receipted": [published(0), published(500)],
        "driven, no end": [published(0), accepted(100), seen(110, "a"), seen(210, None)],
    },
    "duplicated": {
        "driven twice": [*whole("a", 0), seen(300, "a"), seen(400, None)],
        "twice in a row": [published(0), seen(4, "a"), seen(5, "a"), ended(6), seen(105, None)],
    },
    "late": {
        "by its latency": [published(0), seen(1400, "a"), ended(1401, latency_ms=1390), seen(1500, None)],
        "by its first receipt": [
            published(0),
            accepted(100),
            seen(1500, "a"),
            Ended(**at(1600), id="a", effect_type="wind", status="failed", said_at=WALL + 1600),
            seen(1600, None),
        ],
    },
    "after a stop": {
        "published before it on the same connection": [
            published(0, ttl_ms=5000),
            stopped(10),
            seen(12, None),
            fenced(13),
            seen(100, "a"),
            ended(101, latency_ms=100),
            seen(200, None),
        ],
        "accepted before it, published by another": [
            published(0, by="c2", ttl_ms=5000),
            accepted(5),
            stopped(10),
            seen(12, None),
            fenced(13),
            seen(900, "a"),
            ended(901, latency_ms=900),
            seen(1000, None),
        ],
        "at once, but it stays on": [
            published(0),
            stopped(1),
            seen(2, None),
            fenced(3),
            seen(5, "a"),
            ended(6),
            seen(105, None),
        ],
    },
    "endless": {
        "no off": [published(0), seen(4, "a"), ended(5), *whole("b", 3000, "lamp")],
        "off late": [published(0), seen(4, "a"), ended(5), seen(500, None)],
        "off late by more than a crowd excuses": [
            published(0),
            seen(4, "a"),
            ended(5),
            *(Crowded(**at(mono), waited_ms=100) for mono in range(100, 3000, 100)),
            seen(2000, None),
        ],
        "off late after a slow call": [published(0), seen(4, "a"), acked(600), ended(605), seen(1100, None)],
        "the machine had stood still before": [
            published(0),
            seen(4, "a"),
            ended(5),
            Stalled(**at(100), late_ms=90),
            seen(500, None),
        ],
        "held beyond max_on_ms": [published(0, duration=0), seen(4, "a"), ended(5), seen(2400, None)],
        "another device hung": [
            published(0),
            seen(4, "a"),
            ended(5),
            struck(50, "lamp"),
            seen(900, None),
            struck(1000, "lamp", over=True),
        ],
    },
    "unheard": {"told done": [published(0), ended(5)]},
    "contradicted": {
        "expired, but driven": [published(0), seen(4, "a"), ended(50, status="expired"), seen(104, None)],
        "two ends": [*whole("a", 0), ended(900, status="failed")],
    },
    "unexcused": {
        "everything was ready": [*ALL_READY, published(10), ended(1020, status="expired", latency_ms=1010)],
    },
    "over budget": {
        "one effect after another": smells(0, 700, 1400),
        "slowly": smells(0, 4000, 9000),
    },
    "flashes": {
        "two lamps in turn": strobe(0, 150, 300, 450),
        "four lamps in turn": strobe(0, 220, 440, 660, lamps=FOUR),
        "one of four lamps": strobe(0, 150, 300, 450, lamps=FOUR[:1]),
    },
    "held": {
        "driven while held": [program(0, "fan", reason="held by door: open"), *whole("a", 1000), program(2000, "fan")],
        "driven while held for ever": [program(0, "fan", reason="held by door: open"), *whole("a", 1000)],
    },
    "deaf": {"nothing but superseded for seconds": [*ALL_READY, *superseded(range(10, 7000, 100))]},
}
EACH_BAD = [(word, name) for word, cases in BAD.items() for name in cases]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_in_a_good_history(name: str) -> None:
    verdict = judge(*GOOD[name])
    assert verdict.good, str(verdict)


@pytest.mark.parametrize(("word", "name"), EACH_BAD)
def test_the_defect_and_no_other_is_found(word: str, name: str) -> None:
    assert found(*BAD[word][name]) == {word}


def test_every_class_has_a_history_that_fails_it() -> None:
    assert {*BAD, *OF_TIMELINES} == set(DEFECTS)  # those of timelines: test_shows


@given(st.data())
def test_any_number_of_good_effects_at_any_times_is_good_and_one_bad_among_them_is_found(data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True))
    events = [event for number, slot in enumerate(starts) for event in whole(f"g{number}", slot * 400.0)]
    assert judge(*events).good
    word, name = data.draw(st.sampled_from(EACH_BAD))
    shift = 40_000.0 + data.draw(st.integers(0, 1000))
    for event in BAD[word][name]:
        moved = json.loads(history.line(event))
        moved["mono_ms"] += shift
        moved["at"] += int(shift)
        if "said_at" in moved:
            moved["said_at"] += int(shift)
        events.append(msgspec.json.decode(json.dumps(moved), type=own.KINDS))
    assert word in found(*events)


def test_a_recorders_lines_alone_can_be_judged_and_beside_the_harness_they_are_not_counted_twice() -> None:
    alone = [published(0, by="record"), ended(6, status="failed")]
    assert judge(*alone).ends == {"failed": 1}
    both = [*whole("a", 0), published(1, by="record"), published(2, "foreign", by="record")]
    assert judge(*both).good
    assert judge(*both).effects == 1


def test_a_torn_last_line_is_left_out_and_two_files_are_put_in_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(history.line(published(5)) + b'{"event":"pub')
    two.write_bytes(history.line(accepted(3)) + history.line(ended(9)))
    assert [event.mono_ms for event in own.load(one, two)] == [3, 5, 9]
