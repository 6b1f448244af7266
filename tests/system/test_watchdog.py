"""What hangs is killed and back by itself; what is only slow is not."""

import os
import signal

import psutil
import pytest

from tests.system.home import Home, wait_for

STUCK = '''"""A device that can be told, by files, to hang in apply or to stop the whole process."""
import os, signal, time
from pathlib import Path
from effectd.driver import Driver, Effect, Options

class StuckOptions(Options):
    folder: str

class Stuck(Driver):
    options: StuckOptions
    def apply(self, effect: Effect):
        if (Path(self.options.folder) / "slow").exists():
            time.sleep(4)
    def off(self):
        pass
'''


def replaced(home: Home, program: str, pid: int, limit: float = 15) -> None:
    wait_for(lambda: (line := home.line(program)) and line["pid"] != pid, limit, f"another {program} than {pid}")


@pytest.mark.parametrize("program", ["broker", "dispatcher", "wind"])
def test_a_stopped_process_is_killed_and_back_and_the_others_keep_their_pids(home: Home, program: str) -> None:
    before = home.pids()
    pid = home.kill(program, signal.SIGSTOP)
    replaced(home, program, pid)
    home.wait_ready()
    after = home.pids()
    assert after.pop(program) != before.pop(program)
    assert after == before
    assert f"watchdog: {program} (pid {pid}) has said nothing for 2 s; killing it" in home.log("supervisord")
    client = home.client()
    client.publish("effects/wind", {"id": "after", "intensity": 10, "duration": 20})
    assert client.receipt("after")["status"] == "done"


def test_a_slow_device_is_not_a_hung_driver() -> None:
    with Home() as home:
        home.config["devices"]["wind"] = {"kind": "stuck", "effects": ["wind"], "options": {"folder": str(home.path)}}
        home.write()
        (home.path / "stuck.py").write_text(STUCK)
        home.start_ready()
        (home.path / "slow").touch()
        client = home.client()
        pid = home.pid("wind")
        client.publish("effects/wind", {"id": "slow", "intensity": 10, "ttl_ms": 10000})
        assert client.receipt("slow")["status"] == "done"
        assert home.pid("wind") == pid
        assert "watchdog:" not in home.log("supervisord")


def test_the_budget_of_kills_refills_and_meanwhile_the_watchdog_says_so(home: Home) -> None:
    for _ in range(3):
        wait_for(lambda: home.line("scent"), what="scent")
        replaced(home, "scent", home.kill("scent", signal.SIGSTOP))
    pid = home.kill("scent", signal.SIGSTOP)
    line = wait_for(lambda: (x := home.line("watchdog")) and x["state"] == "degraded" and x, what="degraded")
    assert "scent has said nothing for 2 s" in line["reason"]
    assert home.log("supervisord").count("watchdog: scent has said nothing for 2 s; killed 3 times already") == 1
    replaced(home, "scent", pid, 25)  # one more kill each 20 s: it never gives up
    home.wait_ready()
    wait_for(lambda: home.line("watchdog")["state"] == "ready", what="ready again")


def test_a_program_that_gave_up_with_a_wrong_configuration_stays_so_and_is_named(home: Home) -> None:
    (home.path / "config.yaml").write_text((home.path / "config.yaml").read_text() + "nonsense: 1\n")
    os.kill(home.pid("scent"), signal.SIGKILL)
    line = wait_for(
        lambda: (x := home.line("watchdog")) and "wrong configuration" in x["reason"] and x, 75, "FATAL, and named"
    )
    assert line["state"] == "degraded"
    assert "FATAL" in home.ctl("status", "scent").stdout


def test_a_stopped_supervisord_is_noticed_and_woken(home: Home) -> None:
    pid = home.pid("supervisord")
    os.kill(pid, signal.SIGSTOP)
    client = home.client()
    client.publish("effects/wind", {"id": "meanwhile", "intensity": 10, "duration": 20})
    assert client.receipt("meanwhile")["status"] == "done", "effects flow while supervisord stands still"
    wait_for(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED, 15, "woken")
    wait_for(lambda: (x := home.line("watchdog")) and x["state"] == "ready", what="its gate beats again")
    assert set(home.pids()) >= {"broker", "dispatcher", "wind"}
