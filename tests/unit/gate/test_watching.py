"""Who is ready, as others see it: at once, and never too late."""

import os
import shutil
import signal
import socket
import time

from effectd.readiness import gate_watcher as watcher_module
from effectd.readiness.gate import Gate
from effectd.readiness.gate_watcher import GateWatcher
from effectd.readiness.line import this_generation
from effectd.testing import FakeLoop
from tests.unit.gate.owner import ignore


def test_an_owner_that_appears_later_is_found_without_polling(run, loop, watcher):
    seen = list[str]()
    watch = watcher.watch("fan", lambda watch: seen.append(watch.blocker))
    assert watch.blocker == "fan is not running"
    loop.spend(0.02)
    gate = Gate(run, "fan")
    gate.open(wait=False)
    gate.attach(loop)
    gate.say("ready")
    loop.until(lambda: watch.ready)
    gate.say("waiting", "broker is not running")
    loop.until(lambda: not watch.ready)
    gate.close()
    loop.until(lambda: watch.line is None)
    assert seen[-3:] == ["", "fan is waiting: broker is not running", "fan is not running"]
    gate._lock.release()


def test_a_killed_owner_is_not_ready_at_once_and_its_successor_is_found(run, loop, watcher, owner):
    watch = watcher.watch("fan", ignore)
    first = owner()
    loop.until(lambda: watch.ready)
    assert watch.line.pid == first.pid
    began = time.monotonic()
    first.kill()
    loop.until(lambda: not watch.ready)
    assert time.monotonic() - began < 0.5  # 50 ms is the contract's word; a busy machine gets more here
    assert watch.blocker == "fan is not running"

    assert (run / "fan.gate").is_socket()  # the dead one's socket still lies there: nobody believes it
    late = watcher.watch("fan2", ignore)
    shutil.copy(run / "fan.state", run / "fan2.state")
    (run / "fan2.gate").write_text('{"name":"fan2","pid":1,"state":"ready","generation":"g"}\n')
    again = GateWatcher(loop, run)
    stale = again.watch("fan", ignore)
    loop.spend(0.05)
    assert not stale.ready
    assert not late.ready
    again.close()

    second = owner()
    loop.until(lambda: watch.ready)
    assert watch.line.pid == second.pid
    assert watch.line.generation != this_generation()


def test_a_successor_that_moves_its_gate_in_while_the_dying_one_is_still_connected_is_found(run, loop, watcher):
    watch = watcher.watch("fan", ignore)
    first, second = Gate(run, "fan"), Gate(run, "fan")
    for gate, state in ((first, "stopping"), (second, "ready")):
        gate.open(wait=False)
        gate.attach(loop)
        gate.say(state)
        gate._lock.release()
        loop.spend(0.02)
    assert watch.line.state == "stopping"
    first.close()
    loop.until(lambda: watch.ready)
    second.close()


def test_an_owner_that_is_stopped_is_not_ready_within_2500_ms_and_ready_again_when_it_goes_on(loop, watcher, owner):
    seen = list[str]()
    watch = watcher.watch("fan", lambda watch: seen.append(watch.blocker))
    process = owner()
    loop.until(lambda: watch.ready)
    began = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    loop.until(lambda: not watch.ready)
    assert 1.4 < time.monotonic() - began < 2.5  # the last heartbeat may have been half a second old
    assert watch.blocker == "fan does not answer"
    process.send_signal(signal.SIGCONT)
    loop.until(lambda: watch.ready)
    assert seen[-2:] == ["fan does not answer", ""]


def test_a_watcher_that_was_itself_held_up_does_not_take_its_own_silence_for_a_hang(run, gate):
    loop = FakeLoop()
    watcher = GateWatcher(loop, run)
    watch = watcher.watch("fan", ignore)
    gate._accept()
    gate.say("ready")

    def read() -> None:
        callback, arguments = loop.readers[watch.sock.fileno()]
        callback(*arguments)

    read()
    assert watch.ready
    loop.now += 10  # this process slept; the heartbeats lie unread
    loop.advance(0)
    assert watch.ready
    gate._push()
    read()
    loop.advance(1.9)
    assert watch.ready
    loop.advance(0.4)
    assert watch.blocker == "fan does not answer"
    watcher.close()


def test_garbage_from_a_forged_gate_is_no_state_and_a_line_in_pieces_is_one(run, loop, watcher):
    watch = watcher.watch("fan", ignore)
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.fspath(run / "forged"))
    server.listen()
    server.setblocking(False)
    (run / "forged").rename(run / "fan.gate")
    loop.until(lambda: watch.sock)
    far, _ = server.accept()
    for garbage in (b"ready\n", b"\xff\n", b"{}\n", b'{"name":"fan","pid":"1","state":"ready","generation":"g"}\n'):
        far.sendall(garbage)
    far.sendall(b'{"a":' * 5000 + b"\n" + b"[" * 5000 + b"\n\n\n")
    loop.spend(0.05)
    assert watch.line is None
    for piece in (b'{"name":"fan","pid":1,"sta', b'te":"ready","generation":"g",', b'"later":1}\n{"na'):
        far.sendall(piece)
        loop.spend(0.005)
    assert watch.ready
    far.close()
    loop.until(lambda: not watch.ready)
    server.close()


def test_gates_are_found_again_after_the_folder_itself_was_removed(run, loop, monkeypatch):
    monkeypatch.setattr(watcher_module, "_RETRY_S", 0.02)
    watcher = GateWatcher(loop, run)
    watch = watcher.watch("fan", ignore)
    shutil.rmtree(run)
    loop.spend(0.02)
    run.mkdir()
    gate = Gate(run, "fan")
    gate.open(wait=False)
    gate.attach(loop)
    gate.say("ready")
    loop.until(lambda: watch.ready)
    watcher.close()
    gate.close()
    gate._lock.release()


def test_a_gate_that_is_watched_no_more_is_heard_no_more(loop, gate, watcher):
    seen = list[str]()
    watch = watcher.watch("fan", lambda watch: seen.append(watch.blocker))
    loop.until(lambda: watch.line)
    watcher.unwatch("fan")
    told = len(seen)
    gate.say("ready")
    loop.spend(0.05)
    assert len(seen) == told
    assert not gate._readers


def test_a_second_listener_is_told_what_the_first_one_knows(loop, gate, watcher):
    gate.say("ready")
    watch = watcher.watch("fan", ignore)
    loop.until(lambda: watch.ready)
    seen = list[str]()
    assert watcher.watch("fan", lambda watch: seen.append(watch.line.state)) is watch
    loop.until(lambda: seen == ["ready"])
    gate.say("stopping")
    loop.until(lambda: seen == ["ready", "stopping"])
