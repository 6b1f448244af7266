"""Receipts: told again byte for byte, and remembered for 60 s."""

import json
from typing import Any

import pytest

from dispatcher_proc.ledger import Ledger
from dispatcher_proc.receipts import Receipts
from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect, boot_id
from effectd.messages.topics import Topics
from effectd.testing import FakeLoop, MemoryJournal


@pytest.fixture
def told() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def clock() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def receipts(told: list[tuple[str, bytes]], clock: FakeLoop, memory: MemoryJournal) -> Receipts:
    ledger = Ledger(memory, boot_id())
    return Receipts(lambda topic, payload, _had: told.append((topic, payload)), Topics("room1"), clock.time, ledger)


@pytest.fixture
def memory() -> MemoryJournal:
    return MemoryJournal()


def wind(effect_id: str = "e1", **fields: Any) -> Effect:
    return Effect(**{"id": effect_id, "effect_type": "wind", **fields})


def test_the_same_effect_again_is_told_its_latest_receipt_byte_for_byte(receipts, told, clock):
    assert receipts.check_id(wind(intensity=3)) == "new"
    receipts.repeat("e1")
    assert told == []
    receipts.publish(wind(intensity=3), "accepted", devices={}, reason="", latency_ms=None)
    clock.advance(1)
    receipts.publish(wind(intensity=3), "done", devices={"fan": "done"}, reason="", latency_ms=1.5)
    clock.advance(59)
    assert receipts.check_id(wind(intensity=3)) == "repeated"
    receipts.repeat("e1")
    assert told[-1] == told[-2] != told[-3]
    assert {topic for topic, _ in told} == {"room1/receipts/e1"}


def test_the_order_of_the_parameters_makes_no_other_effect_but_any_value_does(receipts):
    assert receipts.check_id(wind(parameters={"a": 1, "b": 2})) == "new"
    assert receipts.check_id(wind(parameters={"b": 2, "a": 1})) == "repeated"
    for other in ({"intensity": 99}, {"priority": 6}, {"parameters": {"a": 1, "b": 2, "c": 3}}, {"extra": {"x-a": 1}}):
        assert receipts.check_id(wind(**{"parameters": {"a": 1, "b": 2}, **other})) == "conflicting"


def test_an_id_is_remembered_while_its_effect_is_open_and_for_60_s_after_its_end(receipts, clock):
    receipts.check_id(wind())
    clock.advance(1000)
    assert receipts.check_id(wind()) == "repeated"
    receipts.publish(wind(), "done", devices={}, reason="", latency_ms=0)
    clock.advance(60)
    assert receipts.check_id(wind()) == "repeated"
    clock.advance(0.001)
    assert receipts.check_id(wind(intensity=5)) == "new"


def test_what_was_mended_after_a_refusal_is_new_and_is_remembered_for_its_own_time(receipts, clock):
    receipts.check_id(wind(intensity="gale"))
    receipts.refuse(wind(intensity="gale"), "effects/wind", b"e1", EffectRefused("intensity", "unknown label"))
    assert receipts.check_id(wind(intensity="gale")) == "repeated"
    clock.advance(30)
    assert receipts.check_id(wind(intensity=80)) == "new"
    clock.advance(31)  # 60 s after the refusal, while the mended effect may still be open
    assert receipts.check_id(wind(intensity=80)) == "repeated"


def test_undecoded_effects_with_one_id_are_told_apart_by_their_payloads(receipts):
    assert receipts.check_id(wind(), b'{"intensity": 999}') == "new"
    receipts.refuse(wind(), "effects/wind", b"e1", EffectRefused("intensity", "0 to 100"))
    assert receipts.check_id(wind(), b'{"intensity": 999}') == "repeated"
    assert receipts.check_id(wind(), b'{"intensity": 998}') == "new"


def test_a_refusal_that_is_not_to_be_remembered_leaves_nothing_behind_and_the_id_is_new(receipts, told, memory):
    effect = wind("e1", message_id=5)
    for _ in range(2):
        assert receipts.first_id(effect, "effects/wind") == "e1"
        assert receipts.check_id(effect) == "new"
        receipts.publish(effect, "refused", devices={}, reason="overload: x", latency_ms=None, remember=False)
    assert len(told) == 2
    assert receipts.first_id(wind("e2", message_id=5), "effects/wind") == "e2"
    assert (receipts._known, receipts._ended, memory.kept) == ({}, {}, {})


def test_the_refusal_of_an_effect_whose_id_was_made_here_is_not_remembered_for_nobody_can_repeat_it(
    receipts, told, memory
):
    receipts.check_id(wind("e-18c-4f"))
    receipts.refuse(wind("e-18c-4f"), "effects/wind", b'{"intensity": 999}', EffectRefused("intensity", "0 to 100"))
    assert [topic.partition("/")[2] for topic, _ in told] == ["receipts/e-18c-4f", "dead-letters/refused"]
    assert (receipts._known, receipts._ended, memory.kept) == ({}, {}, {})


def test_a_message_id_is_the_same_effect_on_the_same_topic_within_1_s_only(receipts, clock):
    assert receipts.first_id(wind("a", message_id=1), "effects/wind") == "a"
    receipts.check_id(wind("a", message_id=1))
    clock.advance(0.999)
    assert receipts.first_id(wind("b", message_id=1), "effects/wind") == "a"
    assert receipts.first_id(wind("c", message_id=1), "effects/wind/2") == "c"
    assert receipts.first_id(wind("d", message_id="1"), "effects/wind") == "d"
    assert receipts.first_id(wind("e"), "effects/wind") == "e"
    clock.advance(0.002)
    assert receipts.first_id(wind("f", message_id=1), "effects/wind") == "f"


def test_nothing_is_remembered_for_ever(receipts, clock):
    for number in range(100):
        effect = wind(f"e{number}", message_id=number)
        receipts.first_id(effect, "effects/wind")
        receipts.check_id(effect)
        receipts.publish(effect, "done", devices={}, reason="", latency_ms=0)
    clock.advance(61)
    receipts.first_id(wind("last", message_id="last"), "effects/wind")
    receipts.check_id(wind("last"))
    assert [len(memory) for memory in (receipts._known, receipts._ended, receipts._messages)] == [1, 0, 1]


def test_a_publishers_own_field_never_changes_a_receipts(receipts, told):
    effect = wind(extra={"x-status": "mine"})
    receipts.publish(effect, "done", devices={}, reason="", latency_ms=None)
    assert json.loads(told[0][1]).items() >= {"status": "done", "x-status": "mine", "latency_ms": None}.items()
