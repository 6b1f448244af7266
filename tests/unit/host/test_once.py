"""Driven once, and noted before; what cannot be noted is not driven, and no timer is left."""

import errno
import json
import os

import pytest

from drivers.reporter import JOURNAL_BYTES, Reporter
from effectd.base.journal import Journal
from effectd.config import reader
from effectd.messages import answers
from effectd.messages.effect import Effect
from effectd.messages.topics import Topics
from tests.unit.host.stage import HOME

pytestmark = pytest.mark.usefixtures("no_inotify")

# --- once ---------------------------------------------------------------------------------------------------------


def test_an_effect_that_is_sent_again_is_driven_once_and_its_ack_is_repeated_byte_for_byte(stage):
    slow = stage.fan.hold("apply e1")
    payload = stage.set("e1")
    stage.until_calls("apply e1")
    stage.send("devices/fan/set", payload)
    assert stage.on("ack") == []
    slow.set()
    stage.until_acked("e1", "done")
    for _ in range(3):
        stage.send("devices/fan/set", payload)
    stage.loop.spend(0.02)
    acks = [sent for topic, sent, _, _ in stage.wire.published if topic == "devices/fan/ack"]
    assert len(acks) == 4
    assert len(set(acks)) == 1
    assert stage.fan.calls == ["apply e1"]


def test_an_id_that_is_used_again_after_its_time_is_another_effect(stage):
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.wire.published.clear()
    stage.set("e1")
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1", "apply e1"]


def test_an_ack_says_when_the_effect_came_and_when_it_was_done(stage):
    before = answers.unix_ms()
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.loop.spend(0.03)
    slow.set()
    stage.until_acked("e1", "done")
    (ack,) = stage.on("ack")
    assert before <= ack["received_at"] <= ack["done_at"] - 25
    assert ack["done_at"] <= answers.unix_ms()


@pytest.mark.parametrize(
    "payload", [b"", b"60", b"{", b"\xff", b"{}", b"[" * 9999, b'{"effect_type":"w","intensity":"x"}']
)
def test_a_set_that_cannot_be_read_changes_nothing(stage, payload):
    stage.send("devices/fan/set", payload)
    stage.set("e1")
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1"]


def test_a_set_by_hand_with_three_fields_is_driven(stage):
    stage.send("devices/fan/set", b'{"effect_type": "wind", "intensity": 500, "duration": 30}')
    stage.loop.until(
        lambda: stage.fan.calls == [f"apply {stage.fan.effects_[0].id}", "off"] if stage.fan.effects_ else 0
    )
    assert stage.fan.effects_[0].intensity == 100


# --- what cannot be noted -----------------------------------------------------------------------------------------


def test_what_cannot_be_noted_is_not_driven_but_failed_and_switching_off_still_works(stage, monkeypatch):
    stage.set("on")
    stage.until_acked("on", "done")
    with monkeypatch.context() as disk:
        disk.setattr("os.pwrite", full_disk)
        stage.set("e1")
        stage.until_acked("e1", "failed")
        assert stage.reason("e1") == "cannot be noted: run/ is full: No space left on device"
        assert (stage.gate, stage.process.gate.line.reason) == ("degraded", "run/ is full: No space left on device")
        stage.set("e2", intensity=0)
        stage.until_acked("e2", "done")
    stage.loop.until(lambda: stage.process.gate.line.reason != "run/ is full: No space left on device")
    stage.set("e3")
    stage.until_acked("e3", "done")
    assert stage.fan.calls == ["apply on", "off", "apply e3"]


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_fence_that_cannot_be_noted_is_raised_all_the_same_and_said(stage, monkeypatch, caplog):
    monkeypatch.setattr("os.pwrite", full_disk)
    stage.send("devices/fan/stop")
    stage.set("e1")
    assert stage.ack("e1") == "stopped"
    assert "its fence cannot be noted" in caplog.text


def test_any_number_of_long_failure_texts_leaves_room_for_the_notes_of_what_comes(home, loop):
    (home / "config.yaml").write_text(HOME.format(limits=""))
    journal = Journal(home / "run" / "fan.seen", 64 << 10)
    reporter = Reporter(loop, Topics(), "fan", reader.load(home).device("fan"), journal)
    for number in range(3000):
        effect = Effect(id=f"e{number}" + "-" * 50, effect_type="wind", seq=number + 1)
        assert reporter.first_time(effect)
        assert reporter.seen(effect)
        reporter.ack(effect, "failed", "Traceback: " + "x" * 5000)
        assert len(json.loads(reporter._acks[effect.id, effect.seq])["reason"]) == 200
    journal.close()
    again = Journal(home / "run" / "fan.seen", 64 << 10)
    assert f"s:3000:e2999{'-' * 50}" in again.found
    again.close()


def test_a_driver_whose_notes_are_damaged_raises_a_fence_for_one_may_be_lost(home, new):
    journal = Journal(home / "run" / "fan.seen", JOURNAL_BYTES)
    journal.put("fence", b"abc")
    journal.close()
    with (home / "run" / "fan.seen").open("r+b") as file:
        file.write(b"damaged")
    stage = new()
    stage.until_calls("open", "off")
    stage.member.connected()
    stage.set("e1")
    assert stage.ack("e1") == "stopped"
    assert (stage.gate, stage.process.gate.line.reason[:27]) == ("degraded", "run/fan.seen has a damaged ")
    stage.resume()
    stage.set("e2")
    stage.until_acked("e2", "done")


# --- timers -------------------------------------------------------------------------------------------------------


def test_of_effects_that_were_superseded_no_timer_is_left(stage):
    held = stage.fan.hold("apply e0")
    stage.set("e0")
    stage.until_calls("apply e0")
    before = sum(not timer.cancelled for _, _, timer in stage.loop._timers)
    for number in range(1, 500):
        stage.set(f"e{number}", ttl_ms=60_000)
    timers = [timer for _, _, timer in stage.loop._timers]
    assert sum(not timer.cancelled for timer in timers) == before + 1
    assert len(timers) < 300
    held.set()
    stage.until_acked("e499", "done")
