"""Readiness as its readers see it: real gates on real sockets, owners that die, hang, come late and come again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from effectd.base.lock import holders
from effectd.readiness import gate as gate_module
from effectd.readiness import gate_watcher as watcher_module
from effectd.readiness.gate import Gate, GateHeld
from effectd.readiness.gate_watcher import GateView, GateWatcher
from effectd.readiness.line import this_generation
from effectd.testing import FakeLoop
from tests.system.home import answers
from tests.unit.real_loop import RealLoop

OWNER = """
import sys, pathlib
from effectd.readiness.gate import Gate
from effectd.base.loop import Loop
gate, loop = Gate(pathlib.Path(sys.argv[1]), "fan"), Loop()
gate.open(wait=False)
gate.attach(loop)
gate.say("ready", broker_generation="b1")
loop.run_forever()
"""


@pytest.fixture
def run(home: Path) -> Path:
    return home / "run"


@pytest.fixture
def gate(run: Path, loop: RealLoop) -> Iterator[Gate]:
    """A gate of this very process, served by the test's loop."""
    gate = Gate(run, "fan")
    gate.open(wait=False)
    gate.attach(loop)
    yield gate
    gate.close()
    gate._lock.release()


@pytest.fixture
def watcher(run: Path, loop: RealLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[GateWatcher]:
    monkeypatch.setattr(watcher_module, "_RETRY_S", 3600.0)  # whatever is found is found without polling
    watcher = GateWatcher(loop, run)
    yield watcher
    watcher.close()


@pytest.fixture
def owner(run: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a process that owns the gate `fan` and says `ready`."""
    started = list[subprocess.Popen[bytes]]()

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", OWNER, run], cwd=Path(__file__).parents[2]))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


class Reader:
    """Who connects to a gate by hand, as a foreign program would."""

    def __init__(self, run: Path, loop: RealLoop) -> None:
        self.sock, self._loop, self._rest = socket.socket(socket.AF_UNIX), loop, b""
        self.sock.connect(os.fspath(run / "fan.gate"))
        self.sock.setblocking(False)

    def line(self) -> dict[str, Any]:
        self._loop.until(self._has_line)
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def nothing(self) -> bool:
        return not self._has_line()

    def ended(self) -> bool:
        try:
            while data := self.sock.recv(65536):
                self._rest += data
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        return True

    def _has_line(self) -> bool:
        self.ended()
        return b"\n" in self._rest


@pytest.fixture
def reader(run: Path, loop: RealLoop, gate: Gate) -> Iterator[Reader]:
    reader = Reader(run, loop)
    yield reader
    reader.sock.close()


def ignore(_watch: GateView) -> None: ...


# --- what a gate says -------------------------------------------------------------------------------------------


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


# --- requests ---------------------------------------------------------------------------------------------------


def test_a_request_reaches_the_owner_and_its_answer_only_the_one_who_asked(run, loop, reader, gate):
    other = Reader(run, loop)
    other.line(), reader.line()
    gate.on_request = lambda request, reply: reply({"heard": request})
    reader.sock.sendall(b'{"do": "st')
    loop.spend(0.01)
    reader.sock.sendall(b'op"}\n{"do": "x"}\n')
    assert [reader.line(), reader.line()] == [{"heard": {"do": "stop"}}, {"heard": {"do": "x"}}]
    assert other.nothing()
    other.sock.close()


def test_an_answer_may_come_later_and_after_the_asker_has_gone_it_does_no_harm(run, loop, gate):
    replies = list[Callable[[dict[str, Any]], None]]()
    gate.on_request = lambda _request, reply: replies.append(reply)
    asker = Reader(run, loop)
    asker.sock.sendall(b'{"do": "stop"}\n{"do": "stop"}\n')
    loop.until(lambda: len(replies) == 2)
    replies[0]({"done": "stop"})
    assert [asker.line()["name"], asker.line()] == ["fan", {"done": "stop"}]
    asker.sock.close()
    loop.until(lambda: not gate._readers)
    another = Reader(run, loop)  # on the very descriptor of the one who has gone
    another.line()
    replies[1]({"done": "stop"})
    loop.spend(0.01)
    assert another.nothing()
    assert not another.ended()
    another.sock.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"stop\n", b"\xff\xfe\n", b"[1]\n", b'"stop"\n', b"{]\n", b"[" * 4000 + b"\n", b'{"a":' * 700 + b"\n"],
)
def test_garbage_is_answered_with_what_a_request_is_and_hurts_nobody(loop, reader, gate, garbage):
    gate.on_request = lambda request, reply: reply({"heard": request})
    reader.line()
    reader.sock.sendall(garbage)
    assert "a request is a JSON object" in reader.line()["error"]
    reader.sock.sendall(b'{"do": "stop"}\n')
    assert reader.line() == {"heard": {"do": "stop"}}


def test_the_configuration_it_works_by_has_its_hash_in_each_line_and_is_told_to_who_asks(run, loop, reader, gate):
    assert reader.line()["config"] is None
    gate.configured({"limits": {"max_on_ms": 100}}, "0123456789ab")
    assert reader.line()["config"] == "0123456789ab"
    gate.say("ready", broker_generation="b1")
    assert reader.line()["config"] == "0123456789ab"
    reader.sock.sendall(b'{"do": "config"}\n')
    assert reader.line() == {"done": "config", "config": {"limits": {"max_on_ms": 100}}}


def test_who_sends_without_end_is_let_go(loop, reader, gate):
    reader.line()
    reader.sock.sendall(b"x" * 10_000)
    assert loop.until(reader.ended)


def test_a_program_that_takes_no_requests_says_so(loop, reader, gate):
    reader.line()
    reader.sock.sendall(b'{"do": "stop"}\n')
    assert "knows no other" in reader.line()["error"]


def test_a_reader_that_never_reads_is_let_go_and_blocks_neither_owner_nor_others(run, loop, reader, gate):
    deaf = Reader(run, loop)
    loop.until(lambda: len(gate._readers) == 2)
    began = time.monotonic()
    for number in range(100):
        gate.say("degraded", f"{number} " + "x" * 10_000)
        reader.ended()
    assert time.monotonic() - began < 5
    assert len(gate._readers) == 1
    gate.say("ready")
    states = [reader.line()["state"] for _ in range(102)]
    assert states == ["starting", *["degraded"] * 100, "ready"]
    deaf.sock.close()


# --- files that somebody else touches ---------------------------------------------------------------------------


def _removed(path: Path) -> None:
    path.unlink()


def _replaced(path: Path) -> None:
    path.unlink()
    path.write_text("no socket")


def _another(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _run_removed(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("strike", [_removed, _replaced, _another, _folder, _run_removed])
def test_a_gate_that_was_removed_or_replaced_is_bound_again_and_who_listened_goes_on(
    loop, reader, gate, watcher, strike
):
    run = gate.path.parent
    watch = watcher.watch("fan", ignore)
    gate.say("ready")
    loop.until(lambda: watch.ready)
    strike(run / "fan.gate")
    loop.until(lambda: answers(run / "fan.gate"), 3)
    newcomer = Reader(run, loop)
    assert newcomer.line()["state"] == "ready"
    gate.say("waiting", "broker is not running")
    loop.until(lambda: not watch.ready)
    assert newcomer.line()["state"] == "waiting"
    assert not reader.ended()
    newcomer.sock.close()


def test_who_met_a_foreign_socket_at_the_place_of_a_gate_finds_the_real_one_when_it_is_back(run, loop, gate):
    gate.say("ready")
    gate.path.unlink()
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(gate.path))
        foreign.listen()
        watcher = GateWatcher(loop, run)
        watch = watcher.watch("fan", ignore)
        assert watch.sock is not None
        loop.until(lambda: watch.ready, 3)
        watcher.close()


@pytest.mark.parametrize("garble", [Path.unlink, lambda path: path.write_text("rubbish")])
def test_a_mirror_that_was_removed_or_garbled_is_written_again(run, loop, gate, garble):
    gate.say("ready")
    garble(run / "fan.state")
    loop.until(lambda: (run / "fan.state").exists() and '"state":"ready"' in (run / "fan.state").read_text(), 3)


def test_a_gate_that_cannot_be_bound_again_says_so_once_and_is_bound_when_it_can(run, loop, gate, caplog):
    (run / "fan.gate").unlink()
    run.rename(run.with_name("away"))
    run.write_text("")  # no folder can be made here
    loop.spend(1.2)
    assert caplog.text.count("cannot be bound again") == 1
    run.unlink()
    loop.until(lambda: answers(run / "fan.gate"), 3)


def test_who_does_not_have_the_lock_never_takes_the_gate_of_who_has_it(run, loop, gate):
    second = Gate(run, "fan")
    with pytest.raises(GateHeld):
        second.open(wait=False)
    second.attach(loop)
    ours = os.lstat(run / "fan.gate").st_ino
    loop.spend(1.2)
    assert os.lstat(run / "fan.gate").st_ino == ours
    second.close()


# --- one owner at a time ----------------------------------------------------------------------------------------


def test_a_second_owner_is_refused_and_told_the_pid_of_the_first(run, loop, owner):
    first = owner()
    loop.until((run / "fan.gate").exists)
    second = Gate(run, "fan")
    with pytest.raises(GateHeld, match=rf"another fan \(pid {first.pid}\)") as caught:
        second.open(wait=False)
    assert caught.value.pid == first.pid
    second._lock.release()
    second._server.close()


def test_a_second_owner_that_waits_takes_over_at_the_death_of_the_first(run, loop, owner):
    first = owner()
    loop.until((run / "fan.gate").exists)
    second = Gate(run, "fan")
    taking = threading.Thread(target=second.open, kwargs={"wait": True}, daemon=True)
    taking.start()
    loop.spend(0.03)
    assert taking.is_alive()
    first.kill()
    loop.until(lambda: not taking.is_alive())
    assert holders(run.parent) == {"fan": os.getpid()}
    second.close()
    second._lock.release()


# --- who is ready -----------------------------------------------------------------------------------------------


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
