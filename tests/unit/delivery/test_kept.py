"""What is in the journal at each moment, and what a successor makes of it."""

import pytest

from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect
from effectd.testing import MemoryJournal


def test_an_id_that_was_refused_then_mended_and_accepted_is_open_after_a_death_wherever_its_records_stand(room):
    refused = Effect(id="e1", effect_type="wind", intensity="gale")
    assert room.receipts.check_id(refused) == "new"
    room.receipts.refuse(refused, "effects/wind", b"e1", EffectRefused("intensity", "unknown label"))
    room.receipts.check_id(Effect(id="e1", effect_type="wind", intensity=60.0, duration=100))
    room.accept("e1")
    final = room.journal.kept.pop("f:e1")  # a rotation carries it on, behind what is newer
    room.journal.kept["f:e1"] = final
    room.die()
    room.delivery.ready("fan", "g1")
    assert room.sent_ids() == ["e1"]
    room.ack("fan", "e1")
    assert room.statuses("e1") == ["refused", "done"]
    room.die()
    room.die()
    assert len(room.delivery) == 0


def test_at_no_moment_is_neither_the_opening_of_an_effect_nor_its_end_alive_in_the_journal(room):
    alive, missing = set[str](), list[str]()

    class Watched(MemoryJournal):
        def put(self, key: str, value: bytes) -> bool:
            alive.add(key)
            return super().put(key, value)

        def forget(self, key: str) -> None:
            alive.discard(key)
            if not alive & {"a:e1", "f:e1"}:
                missing.append(key)

    room.journal = Watched()
    room.live()
    room.delivery.ready("fan", "g1")
    room.accept("e1")
    room.loop.advance(0.2)
    room.ack("fan", "e1")
    assert missing == []
    assert alive == {"f:e1", "number"}


def test_nothing_is_carried_on_over_deaths_but_what_is_open_or_remembered(room):
    for number in range(5):
        room.delivery.ready("fan", "g1")
        room.accept(f"e{number}")
        room.ack("fan", f"e{number}")
    room.accept("open")
    room.loop.advance(0.2)
    forgotten = set[str]()

    class Counted(MemoryJournal):
        def forget(self, key: str) -> None:
            forgotten.add(key)

    room.journal = Counted(room.journal.kept)
    room.loop.clear()
    room.live()
    finals = {f"f:e{number}" for number in range(5)}
    assert room.journal.found.keys() - forgotten == finals | {"a:open", "r:open", "s:fan:open", "number"}


def test_a_record_that_cannot_be_read_costs_itself_alone(room):
    room.accept("e1")
    room.journal.kept["a:e2"] = b"\xc1"
    room.journal.kept["f:e3"] = b""
    room.die()
    assert len(room.delivery) == 1


def test_an_effect_that_cannot_be_noted_or_told_leaves_nothing_behind(room):
    for number in range(3):
        name = f"e{number}"
        effect = Effect(id=name, effect_type="wind", intensity=60.0, duration=100, parameters={"n": 2**64})
        room.receipts.check_id(effect)
        with pytest.raises(OverflowError):
            room.delivery.accept(effect, {"fan": effect}, "", "effects/wind", b"")
        room.receipts.check_id(effect)
        with pytest.raises(TypeError):
            room.receipts.publish(effect, "refused", devices={"fan": object()}, reason="", latency_ms=None)
    assert (len(room.delivery), room.loop.waiting, room.receipts._known) == (0, 0, {})
    assert not any(lane.shares for lane in room.delivery._lanes.values())


def test_a_device_that_is_taken_out_and_brought_back_gets_rising_numbers_and_no_timer_of_the_old_one_is_left(room):
    room.delivery.ready("fan", "g1")
    for number in range(3):
        room.accept(f"e{number}")
    room.delivery.stop("fan")
    room.delivery.configure({"lamp": room.kinds["lamp"]})
    assert room.loop.waiting == 0
    room.delivery.configure(room.kinds)
    room.delivery.ready("fan", "g1")
    room.accept("later")
    seqs = [effect.seq for _, effect in room.sent]
    assert seqs == sorted(set(seqs))
