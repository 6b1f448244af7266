"""What a gate says to those who connect."""

import json
import os
import time

from effectd.readiness import gate as gate_module
from effectd.readiness.gate import Gate
from effectd.readiness.line import this_generation
from effectd.testing import FakeLoop
from tests.unit.gate.owner import Reader


def test_who_connects_is_told_the_state_at_once(monkeypatch, run, loop):
    monkeypatch.setattr(gate_module, "HEARTBEAT_S", 3600.0)  # so that no heartbeat can be what is heard
    gate = Gate(run, "fan")
    gate.open(wait=False)
    gate.attach(loop)
    reader = Reader(run, loop)
    line = reader.line()
    reader.sock.close()
    gate.close(release=True)
    assert (line["name"], line["pid"], line["state"]) == ("fan", os.getpid(), "starting")
    assert line["generation"] == this_generation()
    assert line["broker_generation"] is None
    assert abs(line["at"] - time.time() * 1000) < 60_000


def test_each_change_is_told_once_and_what_is_no_change_is_not_told(loop, reader, gate):
    reader.line()
    gate.say("waiting", "broker is not running")
    gate.say("waiting", "broker is not running")
    gate.say("ready", broker_generation="b7")
    lines = [reader.line(), reader.line()]
    assert [(line["state"], line["reason"], line["broker_generation"]) for line in lines] == [
        ("waiting", "broker is not running", None),
        ("ready", "", "b7"),
    ]
    assert reader.nothing()


def test_a_heartbeat_repeats_the_line_each_half_second(run, loop):
    gate, clock = Gate(run, "fan"), FakeLoop()
    gate.open(wait=False)
    gate.attach(clock)
    reader = Reader(run, loop)
    gate._accept()
    first = reader.line()
    for _ in range(3):
        clock.advance(0.499)
        assert reader.nothing()
        clock.advance(0.001)
        assert reader.line() == first
    gate.close()
    clock.advance(10)
    assert reader.ended()
    assert reader.nothing()
    reader.sock.close()
    gate._lock.release()


def test_after_stopping_a_gate_says_nothing_else(loop, reader, gate):
    gate.say("stopping")
    gate.say("ready")
    assert (gate.line.state, reader.line()["state"]) == ("stopping", "stopping")


def test_the_mirror_file_holds_the_last_line_for_cat(run, gate):
    gate.say("degraded", "no fan")
    mirrored = json.loads((run / "fan.state").read_text())
    assert (mirrored["state"], mirrored["reason"], mirrored["pid"]) == ("degraded", "no fan", os.getpid())


def test_a_mirror_that_cannot_be_written_stops_nobody(run, loop, reader, gate):
    reader.line()
    (run / "fan.state.new").mkdir()
    gate.say("ready")
    assert reader.line()["state"] == "ready"


def test_the_end_of_a_gate_is_the_end_of_the_connection(loop, reader, gate):
    reader.line()
    gate.close()
    assert loop.until(reader.ended)
