"""Files of a gate that somebody else removes, replaces or writes to; and one owner at a time."""

import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from effectd.base.lock import holders
from effectd.readiness.gate import Gate, GateHeld
from effectd.readiness.gate_watcher import GateWatcher
from tests.system.home import answers
from tests.unit.gate.owner import Reader, ignore

# --- files that somebody else touches -----------------------------------------------------------------------------


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


# --- one owner at a time ------------------------------------------------------------------------------------------


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
