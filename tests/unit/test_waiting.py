"""Waiting ends as soon as it is pointless, and never before; what it looks like, and what is to be done, is told."""

import re

import pytest

from effectd.cli import style, waiting
from effectd.cli.waiting import Patience, Rows, cure
from effectd.supervision import health
from effectd.supervision.health import LEFT_OVER, Row


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def rows(**states: Row | str) -> Rows:
    return {name: row if isinstance(row, Row) else Row(state=row) for name, row in states.items()}


def over(found: Rows, after: float = 0.0) -> bool:
    """Whether it is pointless after the rows have been like that for so many seconds."""
    clock = Clock()
    patience = Patience(clock)
    first = patience.over(found)
    clock.now = after
    return patience.over(found) if after else first


NOT_HERE = Row(state="gone", reason="supervisord is not running: effectd up")
REFUSED = Row(state="waiting", reason="broker.example:1883 refused the connection: Not authorized")


@pytest.mark.parametrize(
    ("wind", "after"),
    [
        (Row(state="gone", reason="FATAL: Exited too quickly"), 0),
        (Row(state="gone", reason="EXITED: config.yaml:3: kind: ..."), 0),
        (Row(state="stopped"), 0),
        (Row(state="degraded", reason="no such port"), 2),
        (Row(state="waiting", reason="crash-loop: it starts again after 8 s"), 0),
    ],
)
def test_it_is_pointless_to_wait_for_what_needs_somebody(wind, after):
    assert over(rows(broker="ready", wind=wind), after)


@pytest.mark.parametrize(
    "wind",
    [
        Row(state="starting"),
        Row(state="waiting", reason="connecting to the broker"),
        Row(state="gone", reason="RUNNING: does not answer"),
        Row(state="degraded", reason="no such port"),  # it has been tried only once
    ],
)
def test_it_is_not_pointless_to_wait_for_what_can_still_come(wind):
    assert not over(rows(broker="ready", wind=wind))


def test_one_that_can_still_come_is_waited_for_however_hopeless_the_others_are():
    found = rows(broker="ready", wind=Row(state="degraded", reason="no such port"), light="starting")
    assert not over(found, 100)


def test_who_waits_for_a_broker_that_refuses_us_waits_in_vain():
    waits = Row(state="waiting", reason="broker is waiting: ...")
    assert over(rows(broker=REFUSED, dispatcher=waits, wind=waits))
    starting = Row(state="waiting", reason="cannot connect to broker.example:1883")
    assert not over(rows(broker=starting, dispatcher=waits, wind=waits))


def test_where_all_are_ready_or_left_over_there_is_nothing_to_give_up():
    assert not over(rows(broker="ready", wind="ready", old=Row(state="degraded", reason=f"{LEFT_OVER}: ...")), 5)


def test_a_device_that_came_back_meanwhile_has_its_time_again():
    clock = Clock()
    patience = Patience(clock)
    away, there = rows(wind=Row(state="degraded")), rows(wind=Row(state="starting"))
    patience.over(away)
    clock.now = 1.0
    patience.over(there)
    clock.now = 2.0
    assert not patience.over(away)
    clock.now = 4.0
    assert patience.over(away)


def test_a_device_on_the_homes_own_broker_is_waited_for_once_that_is_back():
    clock = Clock()
    patience = Patience(clock)
    lost = Row(state="degraded", reason="no broker answers at run/broker.sock: Connection refused")
    closed = Row(state="degraded", reason="the connection to the device's broker is lost")
    for lamp, before_long in ((lost, False), (closed, True)):
        clock.now += 100
        patience.over(rows(broker="starting", lamp=lamp))
        clock.now += 5
        assert not patience.over(rows(broker="ready", lamp=lamp)), "the broker has been back for no time"
        clock.now += 2
        assert patience.over(rows(broker="ready", lamp=lamp)) is before_long


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (Row(state="degraded"), "as soon as its device answers"),
        (
            Row(state="degraded", reason="the environment has no ROOM_PW, which is to hold the password"),
            "set what is missing in this shell",
        ),
        (Row(state="gone", reason="FATAL: x"), "correct what its reason names, then: effectd up"),
        (REFUSED, "supervisord keeps the environment of its start: effectd down, effectd up"),
        (Row(state="starting"), ""),
    ],
)
def test_what_to_do_is_told(row, told):
    said = cure("wind", row, "effectd up")
    assert told in said
    assert bool(said) == bool(told)


def test_without_a_terminal_each_program_is_said_to_be_ready_once(capsys):
    with waiting.shown({"light": "restarted: kind"}) as show:
        show(rows(broker="ready", light="starting", wind="starting"))
        show(rows(broker="ready", light="ready", wind="starting"))
        show(rows(broker="ready", light="ready", wind="ready"))
    assert capsys.readouterr().out.splitlines() == ["light: ready (restarted: kind)", "wind: ready"]


def test_what_all_programs_have_to_say_is_said_once():
    table = health.table({"broker": NOT_HERE, "wind": NOT_HERE, "light": NOT_HERE}, {})
    assert table.count(NOT_HERE.reason) == 1
    assert table.splitlines()[-1] == NOT_HERE.reason
    assert health.table({"broker": NOT_HERE}, {}).splitlines()[-1].endswith(NOT_HERE.reason)


def test_a_long_sentence_is_broken_between_words_and_a_path_in_it_never():
    path = "/a/home-with-a-name/that/is/longer/than/the/line"
    assert style.prose(f"mend {path} and then wait a while", 16).splitlines() == [
        "mend",
        path,
        "and then wait a",
        "while",
    ]


def test_a_table_that_is_wider_than_the_terminal_has_its_reasons_on_lines_of_their_own():
    table = "PROGRAM  STATE     PID\nwind     degraded  7    no such port\nbroker   ready     8"
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", style.health(table, 24))
    assert narrow.splitlines() == [
        "PROGRAM  STATE     PID",
        "wind     degraded  7",
        "         no such port",
        "broker   ready     8",
    ]
    assert re.sub(r"\x1b\[[0-9;]*m", "", style.health(table, 80)) == table
