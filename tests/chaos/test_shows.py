"""What timelines do wrong is found in a history, and nothing in one where they do right."""

from typing import Any

import pytest

from effectd.messages.history import Dead, Event, Set
from tests.chaos.events import Fenced
from tests.chaos.shows import Loaded, Ordered, Showed
from tests.chaos.test_checker import at, ended, found, judge, published, seen, struck
from tests.chaos.verdict import OF_TIMELINES

LOADED = Loaded(**at(0), timeline="film", durations=[100, 400])


def ordered(mono: float, word: str) -> Event:
    return Ordered(**at(mono), timeline="film", word=word)


def showed(mono: float, status: str, position: float = 0, **more: Any) -> Event:
    said: dict[str, Any] = {"length_ms": 60_000, "loop": False, "said_at": at(mono)["at"]} | more
    return Showed(**at(mono), timeline="film", status=status, position_ms=position, **said)


def fence(mono: float) -> Event:
    return Fenced(**at(mono), device="fan", token=f"all-{mono:.0f}")


def driven(mono: float, id_: str = "film.a.0", lasts: float = 100) -> list[Event]:
    return [seen(mono, id_), ended(mono + 1, id_), seen(mono + lasts, None)]


PLAYED = [LOADED, ordered(5, "play"), showed(10, "playing"), *driven(11)]
PAUSED = [*PLAYED, ordered(500, "pause"), showed(505, "paused", 495)]

GOOD = {
    "played to its end": [*PLAYED, showed(1010, "playing", 1000), showed(1500, "ended", 1490)],
    "restored in another run": [*PAUSED, ordered(900, "resume"), showed(905, "playing", 495), *driven(910, "film.b.0")],
    "the call that ran when the pause came": [*PAUSED, *driven(600, "film.b.1", 300)],
    "on and off at once after a pause": [*PAUSED, seen(2000, "film.b.1"), ended(2001, "film.b.1"), seen(2020, None)],
    "its driver hung when the pause came": [
        *PAUSED[:-2],
        struck(400, "fan"),
        *PAUSED[-2:],
        struck(3000, "fan", over=True),
        *driven(3100, "film.a.1"),
    ],
    "a receipt that went down with the broker": [*PLAYED[:-2], seen(111, None)],
    "moved by an order": [*PLAYED, ordered(300, "seek"), showed(310, "playing", 9000), showed(810, "playing", 9500)],
    "slewed": [*PLAYED, ordered(300, "seek"), showed(310, "playing", 300), showed(5310, "playing", 5390)],
    "looped": [
        *PLAYED,
        showed(1010, "playing", 900, loop=True, length_ms=1000),
        showed(1510, "playing", 400, loop=True, length_ms=1000),
    ],
    "asked for since a stop of everything": [
        *PLAYED,
        fence(3000),
        ordered(3500, "play"),
        showed(3510, "playing", 10),
        showed(4010, "playing", 510),
    ],
    "it hears of a stop when it is back": [
        *PLAYED,
        fence(3000),
        showed(4000, "playing", 3990),
        showed(4010, "loaded"),
    ],
    "stopped, and a live effect": [*PAUSED, published(2000), *driven(2010, "a")],
    "switched off by a pause": [*PAUSED, ended(506, "film.b.off")],
    "restored, with what is left of it": [
        *PLAYED,
        Set(**at(700), id="film.b.1", device="fan", duration=150),
        *driven(701, "film.b.1", 150),
    ],
}
BAD = {
    "unasked": {
        "driven after a pause": [*PAUSED, *driven(2000, "film.b.1", 400)],
        "it plays on after a stop of everything": [
            *PLAYED,
            fence(3000),
            showed(4000, "playing", 3990),
            showed(4500, "playing", 4490),
        ],
        "driven after a stop": [*PLAYED, ordered(500, "stop"), showed(505, "loaded"), *driven(2000, "film.b.1", 400)],
    },
    "out of place": {
        "it stood still": [*PLAYED, showed(2500, "playing", 2490), showed(4000, "playing", 2990)],
        "it jumped": [*PLAYED, showed(2500, "playing", 2490), showed(3000, "playing", 9000)],
    },
    "duplicated": {
        "twice in a run": [*PLAYED, *driven(700, "film.a.0-1")],
        "asked for twice": [
            *PLAYED,
            Dead(**at(20), word="refused", id="film.a.0", topic="timelines/film/play", detail="id: was used"),
        ],
    },
    "endless": {"longer than its document says": [*PLAYED, *driven(700, "film.a.1", 900)]},
    "late": {
        "after its ttl": [
            *PLAYED,
            seen(3000, "film.a.1"),
            ended(3001, "film.a.1", latency_ms=2400),
            seen(3400, None),
        ]
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_where_timelines_do_right(name: str) -> None:
    verdict = judge(*GOOD[name])
    assert verdict.good, str(verdict)


@pytest.mark.parametrize(("word", "name"), [(word, name) for word, cases in BAD.items() for name in cases])
def test_what_a_timeline_does_wrong_is_found_and_nothing_else(word: str, name: str) -> None:
    assert found(*BAD[word][name]) == {word}


def test_each_class_of_timelines_has_a_history_that_fails_it() -> None:
    assert set(OF_TIMELINES) <= set(BAD)
