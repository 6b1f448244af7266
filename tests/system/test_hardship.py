"""A full disk, an orphan that cannot run, a program that keeps crashing, logs that nobody takes."""

import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.needs import cannot
from tests.system.home import Client, Home, alive, wait_for

CRASHING = '''"""A device whose driver dies each time it is driven."""
import os, signal
from pathlib import Path
from effectd.driver import Driver, Effect, Options

class CrashingOptions(Options):
    folder: str

class Crashing(Driver):
    options: CrashingOptions
    def _note(self, word):
        with open(Path(self.options.folder) / "calls", "a") as calls:
            calls.write(word + "\\n")
    def apply(self, effect: Effect):
        self._note("apply")
    def off(self):
        self._note("off")
        if (Path(self.options.folder) / "crash").exists():
            os.kill(os.getpid(), signal.SIGKILL)
'''


def test_a_driver_that_keeps_crashing_is_braked_off_first_and_is_back_when_it_is_mended() -> None:
    with Home() as home:
        options = {"folder": str(home.path)}
        home.config["devices"]["wind"] = {"kind": "crashing", "effects": ["wind"], "options": options}
        home.write()
        (home.path / "crashing.py").write_text(CRASHING)
        (home.path / "crash").touch()
        home.start()
        calls = home.path / "calls"
        wait_for(lambda: calls.exists() and calls.read_text().count("off") >= 7, 40, "seven starts")
        (home.path / "crash").unlink()
        line = wait_for(lambda: (x := home.line("wind")) and "crash-loop" in x["reason"] and x, 40, "braked")
        assert line["state"] == "waiting"
        assert calls.read_text().splitlines()[-1] == "off", "off comes before any waiting"
        home.wait_ready(60)
        client = home.client()
        client.publish("effects/wind", {"id": "w", "intensity": 10})
        assert client.receipt("w")["status"] == "done"


def test_a_stopped_driver_ends_with_its_supervisord_too_and_switches_off(mosquitto: int) -> None:
    options = {"topic": "fan", "broker": {"host": "127.0.0.1", "port": mosquitto}}
    witness = Client(mosquitto, "fan")
    with Home({"wind": {"kind": "mqtt", "effects": ["wind"], "options": options}}) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "w", "intensity": 60, "duration": 0})
        assert client.receipt("w")["status"] == "done"
        pids = home.pids()
        os.kill(pids["wind"], signal.SIGSTOP)
        os.kill(pids["supervisord"], signal.SIGKILL)
        # the kernel wakes the stopped members of a process group that has lost its parent (POSIX, orphaned groups)
        wait_for(lambda: not any(alive(pid) for pid in pids.values()), 5, "everything gone, the stopped one as well")
        assert witness.on("fan")[-1] == b"0"
        home.start_ready()
    witness.close()


def test_effects_flow_while_supervisord_takes_no_logs_and_the_pipes_are_full(home: Home) -> None:
    supervisord = home.pid("supervisord")
    client = home.client()
    stop = time.monotonic() + 3
    count = 0
    parameters = {f"p{number}": "x" * 50 for number in range(40)}
    try:
        while time.monotonic() < stop:
            os.kill(supervisord, signal.SIGSTOP)  # the dispatcher would wake it
            count += 1
            client.publish("effects/light", {"id": f"f{count}", "duration": 10, "parameters": parameters})
            assert client.receipt(f"f{count}")["status"] in ("done", "superseded")
    finally:
        os.kill(supervisord, signal.SIGCONT)
    assert count * 2000 > 65536, "the pipe was never full"
    home.wait_ready()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        while filler.write(b"\0" * 65536):
            pass


def may_mount(folder: Path) -> bool:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    return done.returncode == 0


def test_a_full_disk_under_run_keeps_effects_flowing_and_accepted_is_still_kept() -> None:
    with Home() as home:
        run = home.path / "run"
        if os.geteuid() != 0 or not may_mount(run):
            cannot("a small disk can be mounted only by root, outside a locked container")
        try:
            run.chmod(0o700)
            (run / "log").mkdir(mode=0o700)
            home.start_ready()
            with pytest.raises(OSError) as raised:
                fill(run / "filler")
            assert raised.value.errno == errno.ENOSPC
            client = home.client()
            for number in range(200):
                client.publish("effects/wind", {"id": f"d{number}", "intensity": 10, "duration": 5})
            assert {client.receipt(f"d{number}")["status"] for number in range(200)} <= {"done", "superseded"}
            home.ctl("stop", "wind")
            client.publish("effects/wind", {"id": "kept", "intensity": 10, "ttl_ms": 20000})
            wait_for(lambda: client.on("receipts/kept"), what="accepted")
            killed = home.kill("dispatcher")
            wait_for(lambda: (x := home.line("dispatcher")) and x["pid"] != killed, what="a successor on a full disk")
            home.order("start", "wind")
            assert client.receipt("kept")["status"] == "done"
        finally:
            home.down()
            subprocess.run(["umount", "-l", str(run)], check=True)
