"""What nobody would hear is said once, with the cure; and it is said in our own log only, never answered."""

from typing import Any

import pytest

from dispatcher_proc.near_misses import NearMisses
from dispatcher_proc.table import Table
from effectd.base.once import Once
from effectd.config import reader


def table(home: Any, text: str = "") -> Table:
    (home / "config.yaml").write_text(f"{text}effects: {{light: , wind: }}\n")
    found = Table()
    found.add([NearMisses(reader.load(home))])
    return found


@pytest.mark.parametrize(
    ("root", "topic", "right"),
    [
        ("", "Effects/light", "effects/light"),
        ("", "effect/wind/left", "effects/wind"),
        ("", "light", "effects/light"),
        ("", "/effects/light", "effects/light"),
        ("", "EFFECTS/ligth", "effects/<type>"),
        ("room1", "effects/light", "room1/effects/light"),
        ("room1", "room1/wind", "room1/effects/wind"),
    ],
)
def test_a_slip_in_the_topic_is_one_line_with_the_right_one(home, caplog, root, topic, right):
    near = table(home, f"topic_root: '{root}'\n")
    for _ in range(3):
        near.take(topic, b"60", False)
    assert [record.getMessage() for record in caplog.records] == [
        f"no program listens on {topic!r}: effects are published on {right}"
    ]


def test_a_retained_or_empty_message_is_none(home, caplog):
    near = table(home)
    near.take("light", b"60", True)
    near.take("light", b"", False)
    assert caplog.records == []


def test_on_somebody_elses_broker_those_topics_may_have_a_meaning(home):
    external = "broker: {embedded: false, external: {host: a}}\n"
    assert table(home, external).subscriptions == []


def test_what_was_said_is_said_again_after_a_while_and_for_others_at_once():
    now = [0.0]
    once = Once(60, lambda: now[0])
    assert [once.first("a"), once.first("a"), once.first("b")] == [True, False, True]
    now[0] = 60.0
    assert [once.first("a"), once.first("a")] == [True, False]


def test_only_so_many_are_remembered():
    once = Once(60, lambda: 0.0)
    assert all(once.first(number) for number in range(201))
    assert once.first(0)
    assert not once.first(200)
