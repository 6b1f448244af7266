"""In time, or not at all."""

import pytest

from effectd.messages import answers
from effectd.messages.effect import Deadline

pytestmark = pytest.mark.usefixtures("no_inotify")


def test_what_arrives_late_is_expired_and_never_driven(stage):
    stage.set("e1", ttl_ms=-1)
    stage.set("e2", deadline=Deadline("another boot", 1), expires_at=answers.unix_ms() - 1)
    stage.set("e3", deadline=None, expires_at=answers.unix_ms() - 1)
    assert [stage.ack(name) for name in ("e1", "e2", "e3")] == ["expired"] * 3
    stage.loop.spend(0.03)
    assert stage.fan.calls == []


def test_on_the_same_boot_only_the_monotonic_deadline_counts_and_elsewhere_the_wall_clock(stage):
    stage.set("e1", expires_at=1)
    stage.until_acked("e1", "done")
    stage.set("e2", deadline=Deadline("another boot", 1), expires_at=answers.unix_ms() + 60_000)
    stage.until_acked("e2", "done")
    stage.set("e3", deadline=None)
    stage.until_acked("e3", "done")


def test_what_waits_for_a_slow_device_is_expired_at_its_deadline_and_not_later(stage):
    slow = stage.fan.hold("apply e1")
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2", ttl_ms=40)
    stage.until_acked("e2", "expired")  # the device is still busy
    slow.set()
    stage.until_acked("e1", "done")
    assert stage.fan.calls == ["apply e1"]


def test_what_waits_is_not_driven_late_when_the_wall_clock_jumps_meanwhile(stage, monkeypatch):
    slow, now = stage.fan.hold("apply e1"), answers.unix_ms()
    stage.set("e1")
    stage.until_calls("apply e1")
    stage.set("e2", deadline=None, expires_at=now + 60_000)
    monkeypatch.setattr(answers, "unix_ms", lambda: now + 60_001)
    slow.set()
    stage.until_acked("e2", "expired")
    assert stage.fan.calls == ["apply e1"]


def test_what_waits_for_max_rate_hz_is_expired_at_its_deadline_and_not_later(new):
    stage = new("max_rate_hz: 0.01").start()
    stage.set("e1")
    stage.until_acked("e1", "done")
    stage.set("e2", ttl_ms=40)
    stage.until_acked("e2", "expired")
    stage.set("e3", deadline=None)  # without a deadline it may wait for ever
    stage.loop.spend(0.02)
    assert stage.ack("e3") == ""
