"""A supervisord that stands still is woken by its programs: not at one moment, and never one that only waits."""

import os
import signal

import pytest

from effectd.program import supervisord_guard
from effectd.program.supervisord_guard import SupervisordGuard
from effectd.readiness.gate_watcher import GateView
from effectd.readiness.line import Line
from effectd.testing import FakeLoop


class Stage:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "wind") -> None:
        self.loop, self.gate, self.stopped = FakeLoop(), GateView("watchdog"), False
        self.signals: list[tuple[float, int]] = []
        self.gate.line = Line("watchdog", os.getppid(), "ready", "g")
        monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
        monkeypatch.delenv("INVOCATION_ID", raising=False)
        monkeypatch.setattr(supervisord_guard, "stopped", lambda _pid: self.stopped)
        monkeypatch.setattr(
            supervisord_guard.os, "kill", lambda _pid, sig: self.signals.append((self.loop.now - 1000, sig))
        )
        SupervisordGuard(self.loop, self, name)

    def watch(self, _name, _listener):
        return self.gate


def test_one_that_beats_is_left_alone(monkeypatch):
    stage = Stage(monkeypatch)
    stage.stopped = True
    stage.loop.advance(100)
    assert stage.signals == []


@pytest.mark.parametrize("heard", [True, False])
def test_one_that_is_silent_and_stopped_is_woken_within_seven_seconds(monkeypatch, heard):
    stage = Stage(monkeypatch)
    stage.gate.stale, stage.stopped = True, True
    if not heard:
        stage.gate.line = None  # its gate was removed before this program could hear it
    stage.loop.advance(7)
    assert stage.signals
    assert stage.signals[0][1] == signal.SIGCONT
    assert 3 < stage.signals[0][0] < 7


def test_one_that_is_silent_and_only_busy_is_neither_woken_nor_ended(monkeypatch):
    stage = Stage(monkeypatch)
    stage.gate.stale = True
    stage.loop.advance(100)
    assert stage.signals == []


def test_one_that_is_stuck_is_ended_where_systemd_starts_it_again(monkeypatch):
    stage = Stage(monkeypatch)
    monkeypatch.setenv("INVOCATION_ID", "x")
    stage.gate.stale = True
    stage.loop.advance(30)
    assert stage.signals == []
    stage.loop.advance(5)
    assert stage.signals[0][1] == signal.SIGKILL


def test_the_programs_of_a_home_do_not_all_act_at_one_moment(monkeypatch):
    moments = set()
    for name in ("broker", "dispatcher", "light", "wind", "vibration", "scent"):
        stage = Stage(monkeypatch, name)
        stage.gate.stale, stage.stopped = True, True
        stage.loop.advance(8)
        moments.add(stage.signals[0][0])
    assert len(moments) > 1
