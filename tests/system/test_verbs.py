"""The owner's five verbs, as supervisor's manual says, from a fresh clone and a venv that is not activated."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.system.home import BARE, REPOSITORY, Client, Home, free_port, wait_for

BIN = Path(sys.executable).parent


class Clone(Home):
    """A fresh clone of this checkout, as it is on disk, on another port."""

    def __init__(self) -> None:
        super().__init__()
        shutil.rmtree(self.path)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = REPOSITORY / name, self.path / name
            if source.is_symlink() or source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        text = (REPOSITORY / "config.yaml").read_text()
        assert "port: 1883" in text
        for old, new in (
            ("port: 1883", f"port: {self.port}"),
            ("port: 8090", f"port: {free_port()}"),
            ("max_rate_hz: 60", "max_rate_hz: 1000"),
        ):
            text = text.replace(old, new)
        (self.path / "config.yaml").write_text(text)

        # this test's venv under its own stamp: else scripts/venv might install the clone into it
        (self.path / ".venv").mkdir()
        for part in ("bin", "lib", "pyvenv.cfg"):
            (self.path / ".venv" / part).symlink_to(Path(sys.prefix) / part)
        (self.path / ".venv" / "installed").write_text("dev\n")

    def tool(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A console script by its path: nothing of the venv is on PATH."""
        return subprocess.run(
            [str(BIN / name), *arguments],
            cwd=self.path,
            env=BARE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    with Clone() as clone:
        done = clone.tool("supervisord")  # without -c, by the symlink supervisord.conf in this folder
        assert done.returncode == 0, done.stdout + done.stderr
        clone.wait_ready()
        yield clone


def test_all_programs_start_with_supervisord_and_status_says_so(clone: Clone) -> None:
    wait_for(lambda: clone.tool("supervisorctl", "status").stdout.count("RUNNING") == 7, what="seven RUNNING")
    assert clone.tool("supervisorctl", "-c", "supervisor.conf", "status").returncode == 0


def test_the_control_socket_and_the_run_folder_are_private(clone: Clone) -> None:
    assert stat.S_IMODE((clone.path / "run" / "supervisor.sock").stat().st_mode) == 0o700
    assert stat.S_IMODE((clone.path / "run").stat().st_mode) == 0o700


def test_stop_all_and_start_all(clone: Clone) -> None:
    stopped = clone.tool("supervisorctl", "stop", "all")
    assert stopped.stdout.count(": stopped") == 7, stopped.stdout
    health = clone.tool("supervisorctl", "health")
    assert health.returncode == 3
    assert health.stdout.count("stopped") == 7
    started = clone.tool("supervisorctl", "start", "all")
    assert started.stdout.count(": started") == 7
    clone.wait_ready()
    assert clone.tool("supervisorctl", "health").returncode == 0


def test_restart_of_one_program_by_its_short_name(clone: Clone) -> None:
    before = clone.pids()
    assert "wind: started" in clone.tool("supervisorctl", "restart", "wind").stdout
    clone.wait_ready()
    after = clone.pids()
    assert after.pop("wind") != before.pop("wind")
    assert after == before


def test_health_counts_the_restarts_that_nobody_asked_for(clone: Clone) -> None:
    wait_for(lambda: "RUNNING" in clone.ctl("status", "scent").stdout, what="RUNNING")
    clone.kill("scent")
    clone.wait_ready()
    row = re.search(r"^scent .*$", clone.tool("supervisorctl", "health").stdout, re.MULTILINE)
    assert row is not None
    assert re.search(r"\d+ MB +1$", row.group()), row.group()


def ids(text: str, start: str) -> set[str]:
    return set(re.findall(rf"\(effect ({start}\w*)\)", text))


@pytest.mark.parametrize("busy", [False, True], ids=["supervisord idle", "supervisord slow"])
def test_tail_f_shows_every_line_of_the_log_across_a_rotation(clone: Clone, busy: bool) -> None:
    """What a driver could not write while supervisord was too slow to read it is not in the log, but counted there."""
    name = "slow" if busy else "idle"
    log = clone.path / "run" / "log" / "light.log"
    client = Client(clone.port, "receipts/#")
    lines: list[str] = []
    with ExitStack() as stack:
        stack.callback(client.close)
        stack.enter_context(following(clone, "light", lines))
        client.publish("effects/light", {"id": f"{name}first", "duration": 20})
        wait_for(lambda: f"(effect {name}first)" in "".join(lines), what="the first line")
        before = log.stat().st_ino
        count = 0
        parameters = {f"p{n}": "x" * 60 for n in range(40)}
        if busy:
            stack.enter_context(halting(clone.pid("supervisord")))
        while not log.exists() or log.stat().st_ino == before:  # 1 MB a log: it rotates while the tail looks on
            for _ in range(20):
                count += 1
                effect = {"id": f"{name}n{count}", "intensity": 1, "duration": 20, "parameters": parameters}
                client.publish("effects/light", effect)
            client.receipt(f"{name}n{count}")
            assert count < 6000, "the log does not rotate"
        last = 0
        while not ids("".join(lines), f"{name}last"):  # its line, too, may find the pipe full
            last += 1
            client.publish("effects/light", {"id": f"{name}last{last}", "duration": 20})
            assert client.receipt(f"{name}last{last}")["status"] == "done"
            assert last < 1000, "no line after the rotation"
        kept = log.with_name("light.log.1").read_text() + log.read_text()
        wait_for(lambda: ids(kept, name) <= ids("".join(lines), name), what="every line of the log in the tail")
        done = {f"{name}n{n}" for n in range(1, count + 1) if client.receipt(f"{name}n{n}")["status"] == "done"}
        assert done, "nothing was executed"
        dropped = sum(map(int, re.findall(r"^\((\d+) log lines dropped", kept, re.MULTILINE)))
        assert len(done - ids(kept, name)) <= dropped


@contextmanager
def following(clone: Clone, program: str, lines: list[str]) -> Iterator[None]:
    """`supervisorctl tail -f`, each line that it prints added to `lines`."""
    tail = subprocess.Popen(
        [str(BIN / "supervisorctl"), "tail", "-f", program],
        cwd=clone.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=BARE | {"PYTHONUNBUFFERED": "1"},
    )
    assert tail.stdout is not None
    with tail.stdout as stdout:
        reader = threading.Thread(target=lambda: lines.extend(iter(stdout.readline, "")), daemon=True)
        reader.start()
        try:
            yield
        finally:
            os.kill(tail.pid, signal.SIGTERM)
            tail.wait(5)
            reader.join(5)


@contextmanager
def halting(pid: int) -> Iterator[None]:
    """A process that gets two thirds of the time, in pieces: stopped 200 ms, running 400 ms, as on a busy machine."""
    over = threading.Event()

    def halt() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(0.2)
            os.kill(pid, signal.SIGCONT)
            over.wait(0.4)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_reload_and_update_keep_everything_working(clone: Clone) -> None:
    assert clone.tool("supervisorctl", "reread").returncode == 0
    before = clone.pids()
    assert clone.tool("supervisorctl", "update").returncode == 0
    assert clone.pids() == before, "update without a change touches nothing"
    clone.tool("supervisorctl", "reload")
    wait_for(lambda: set(clone.pids()) == set(before) and clone.pids() != before, what="new programs after a reload")
    clone.wait_ready()
    wait_for(lambda: "RUNNING" in clone.ctl("status", "wind").stdout, what="RUNNING")
    killed = clone.kill("wind")  # the wake plugin has to have taken its own place again
    wait_for(lambda: (line := clone.line("wind")) and line["pid"] != killed, 5, "a new wind")
    clone.wait_ready()


def test_shutdown_ends_everything(clone: Clone) -> None:
    clone.pids()
    assert "Shut down" in clone.tool("supervisorctl", "shutdown").stdout
    wait_for(lambda: not clone.left(), 8, "the end of all")


def test_a_path_too_long_for_a_socket_is_refused_with_that_reason() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        deep = Path(folder) / ("d" * 60)
        deep.mkdir()
        (deep / "config.yaml").write_text(f"broker: {{port: {free_port()}}}\n")
        done = subprocess.run(
            [sys.executable, "-m", "broker_proc", "--home", str(deep)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 78
    assert "path too long for a UNIX socket" in done.stdout
