"""Two at once: supervisord stands still and another program dies; files of `run/` go while everything lives."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from effectd.base.lock import holders
from effectd.supervision import living
from tests.needs import cannot
from tests.system.home import Home, alive, answers, wait_for

PROGRAMS = ("broker", "dispatcher", "light", "wind")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_supervisord_stopped_and_another_program_dead_heals_by_itself(
    home: Home, program: str, sig: signal.Signals
) -> None:
    pids = home.pids()
    os.kill(pids["supervisord"], signal.SIGSTOP)
    os.kill(pids[program], sig)
    # only gates are looked at: any call to supervisord would wake it
    wait_for(lambda: (line := home.line(program)) and line["pid"] != pids[program], 25, f"a new {program}")
    wait_for(home.ready, 20, "all ready")
    assert any("waking it" in home.log(name) for name in home.lines())
    after = home.pids()
    assert after.pop(program) != pids.pop(program)
    assert after == pids
    works(home)


@pytest.mark.parametrize("command", [("up",), ("health",), ("health", "--json"), ("down",), "supervisorctl"])
def test_no_command_hangs_on_a_stopped_supervisord_and_each_wakes_it(home: Home, command: tuple[str, ...]) -> None:
    pid = home.pids()["supervisord"]
    os.kill(pid, signal.SIGSTOP)
    done = home.ctl("health") if command == "supervisorctl" else home.effectd(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    if command == ("down",):
        assert not home.left()
    else:
        assert "T" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_supervisord_that_cannot_be_woken_is_named_within_the_time_limit_and_goes_on_later(home: Home) -> None:
    pid = home.pids()["supervisord"]
    with subprocess.Popen([sys.executable, "-c", TRACER, str(pid)], stdout=subprocess.PIPE) as tracer:
        try:
            assert tracer.stdout is not None
            if tracer.stdout.readline() != b"held\n":
                cannot("this machine does not let a process hold another one")
            assert home.effectd("health").returncode == 0  # the gates are ready all the same
            up = home.effectd("up")
            assert up.returncode == 3
            assert f"supervisord (pid {pid}) runs, but does not answer within 5 s" in up.stderr
        finally:
            tracer.kill()
    home.wait_ready()
    works(home)


TRACER = """
import ctypes, sys, time
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
ok = libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0 and libc.ptrace(PTRACE_INTERRUPT, pid, None, None) == 0
print("held" if ok else "no", flush=True)
time.sleep(60)
"""


# --- files of run/ ----------------------------------------------------------------------------------------------


def works(home: Home) -> None:
    """Effects are done, supervisord answers, everybody is ready, and there is one of each."""
    client = home.client()
    number = f"n{os.urandom(4).hex()}"
    client.publish("effects/wind", {"id": number, "intensity": 10, "duration": 20, "ttl_ms": 10000})
    assert client.receipt(number)["status"] == "done"
    assert home.ctl("health").returncode == 0
    assert home.ctl("tail", "wind").stdout.strip()
    second = home.run("supervisor.supervisord", "-c", str(home.path / "supervisor.conf"))
    assert second.returncode == 2
    assert f"a supervisord (pid {home.pids()['supervisord']}) runs in {home.path} already" in second.stderr


def removed(path: Path) -> None:
    path.unlink()


def garbled(path: Path) -> None:
    path.unlink()
    path.write_bytes(os.urandom(100))


def moved_away(path: Path) -> None:
    path.rename(path.with_name("away"))


def another_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


STRIKES = (removed, garbled, moved_away, another_socket, a_folder)
FILES = ("wind.gate", "broker.gate", "watchdog.gate", "supervisor.sock", "supervisord.pid", "wind.state")


CASES = [  # a mirror is advice: nobody waits for one that cannot be written
    pytest.param(name, strike, id=f"{name}-{strike.__name__}")
    for name in FILES
    for strike in STRIKES
    if not (name.endswith(".state") and strike in (another_socket, a_folder))
]


@pytest.mark.parametrize(("name", "strike"), CASES)
def test_a_file_of_run_that_is_lost_while_all_live_is_there_again(shared_home: Home, name: str, strike) -> None:
    home = shared_home
    home.wait_ready()
    pids = home.pids()
    run = home.path / "run"
    wait_for((run / name).exists, what=name)
    strike(run / name)
    if name.endswith((".gate", ".sock")):
        wait_for(lambda: answers(run / name), 5, f"{name} bound again")
    else:
        wanted = str(pids["supervisord"]) if name == "supervisord.pid" else '"name":"wind"'
        wait_for(lambda: (run / name).is_file() and wanted in (run / name).read_text(errors="replace"), 5, name)
    works(home)
    assert home.pids() == pids, "nobody had to die for it"
    for left in run.glob("*moved-*"):
        left.rmdir()


@pytest.mark.parametrize("name", ["wind", "supervisord"])
@pytest.mark.parametrize("strike", [removed, moved_away, a_folder], ids=lambda strike: strike.__name__)
def test_a_log_that_is_lost_is_written_again(shared_home: Home, name: str, strike) -> None:
    home = shared_home
    home.wait_ready()
    path = home.path / "run" / "log" / f"{name}.log"
    strike(path)
    if strike is a_folder:
        if name != "supervisord":
            wait_for(lambda: "cannot be put back" in home.log("supervisord"), 5, "said")
        path.rmdir()
    wait_for(path.is_file, 5, "the log")
    works(home)
    if name == "wind":
        wait_for(lambda: "wind 10 %" in home.log("wind"), what="the effect in the log")


@pytest.mark.parametrize("how", ["emptied", "removed", "moved"])
def test_the_whole_folder_that_is_lost_is_there_again(shared_home: Home, how: str) -> None:
    home = shared_home
    home.wait_ready()
    pids, run = home.pids(), home.path / "run"
    if how == "moved":
        run.rename(home.path / "away")
    else:
        shutil.rmtree(run, ignore_errors=True)
        if how == "emptied":
            run.mkdir(mode=0o755, exist_ok=True)
    wait_for(lambda: home.ready() and answers(run / "supervisor.sock"), 8, "all gates again")
    wait_for((run / "log" / "wind.log").is_file, 5, "its log")
    works(home)
    assert home.pids() == pids
    client = home.client()
    os.kill(pids["broker"], signal.SIGKILL)  # the gates are watched in the new folder, too
    wait_for(lambda: (line := home.line("broker")) and line["pid"] != pids["broker"], what="a new broker")
    home.wait_ready()
    client.close()
    works(home)


def test_down_ends_everything_though_no_file_leads_to_it(home: Home) -> None:
    pids = home.pids()
    os.kill(pids["supervisord"], signal.SIGSTOP)
    shutil.rmtree(home.path / "run")
    done = home.effectd("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"supervisord and {len(pids) - 1} programs are gone" in done.stdout
    assert not [name for name, pid in pids.items() if alive(pid)]
    assert holders(home.path) == {}
    assert living.everyone(home.path) == []
    assert "nothing runs here" in home.effectd("down").stdout


def test_up_never_starts_a_second_supervisord_beside_one_whose_files_are_gone(home: Home) -> None:
    pids = home.pids()
    shutil.rmtree(home.path / "run")
    done = home.effectd("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert home.pids() == pids


def test_stop_is_confirmed_by_mqtt_where_the_gate_is_missing(home: Home) -> None:
    client = home.client()
    client.publish("effects/wind", {"id": "long", "intensity": 70, "duration": 0})
    assert client.receipt("long")["status"] == "done"
    pids = home.pids()
    gate = home.path / "run" / "wind.gate"
    stop = subprocess.Popen([sys.executable, "-c", REMOVER, str(gate)])  # faster than its heartbeat binds it again
    try:
        wait_for(lambda: not gate.exists(), what="no gate")
        done = home.effectd("stop", "wind")
    finally:
        stop.kill()
        stop.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wind  off" in done.stdout
    assert home.pids()["wind"] == pids["wind"]


REMOVER = """
import os, sys
while True:
    try:
        os.unlink(sys.argv[1])
    except OSError:
        pass
"""


def test_reload_and_restart_go_on_after_files_were_lost(home: Home) -> None:
    pids = home.pids()
    (home.path / "run" / "supervisor.sock").unlink()
    wait_for(lambda: answers(home.path / "run" / "supervisor.sock"), 5, "the socket")
    assert home.ctl("restart", "wind").returncode == 0
    home.wait_ready()
    assert home.ctl("reload").returncode == 0
    wait_for(lambda: (line := home.line("broker")) and line["pid"] != pids["broker"], 20, "everything anew")
    home.wait_ready()
    assert home.pids()["supervisord"] == pids["supervisord"]
    assert holders(home.path)["supervisord"] == pids["supervisord"], "the lock is held after a reload"
    works(home)
