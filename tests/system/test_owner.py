"""Whose home it is, and what `run` may be: one clear line, never a traceback, never "nothing runs here"."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import cannot
from tests.system.home import Home, wait_for

As = Callable[..., "subprocess.CompletedProcess[str]"]


AS_ANOTHER = """
import importlib, os, sys
for module in sys.argv[3].split():
    importlib.import_module(module)  # another user may not be able to read this Python
arguments, sys.argv = sys.argv, ["effectd", "check"]
try:
    sys.modules["effectd.cli"].main()  # typer imports more at its first command
except SystemExit:
    pass
sys.argv = arguments
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[2]))
main = sys.modules[sys.argv[4]].main
sys.argv[1:] = sys.argv[5:]
main()
"""
MODULES = " ".join(
    (
        *(
            f"effectd.cli.{name}"
            for name in ("check", "demo", "device_change", "down", "health", "logs", "restart", "stop", "up")
        ),
        "effectd.supervision.ctlplugin",
        "effectd.supervision.wake",
        "effectd.supervision.watchdog",
        "supervisor.options",
        "supervisor.rpcinterface",
        "supervisor.supervisorctl",
        "supervisor.supervisord",
        "encodings.idna",
        "rich.live",
    )
)


@pytest.fixture
def stranger() -> As:
    """Runs a command as another user of this machine."""
    if os.geteuid() != 0:
        cannot("needs root, to become another user")
    other = pwd.getpwnam("nobody")

    def run(home: Home, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", AS_ANOTHER, str(other.pw_gid), str(other.pw_uid), MODULES, *command],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "EFFECTD_HOME": str(home.path), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("closed", ["run", "home"])
@pytest.mark.parametrize(
    "command",
    ["up", "health", "down", "stop", "demo", "logs", "restart wind", "device list", "device set wind curve=2"],
)
def test_to_another_user_each_command_says_whose_home_it_is(
    shared_home: Home, stranger: As, command: str, closed: str
) -> None:
    home = shared_home
    home.path.chmod(0o700 if closed == "home" else 0o755)
    done = stranger(home, "effectd.cli", *command.split())
    said = done.stdout + done.stderr
    if command == "stop" and closed == "run":
        assert done.returncode == 0, said  # the broker listens to everybody here, and the drivers answered there
        return
    assert done.returncode == 77, said
    assert f"belongs to {pwd.getpwuid(os.geteuid()).pw_name}" in said
    assert "Traceback" not in said
    assert "nothing runs here" not in said
    home.wait_ready()


def test_to_another_user_supervisorctl_health_says_it_too(shared_home: Home, stranger: As) -> None:
    home = shared_home
    home.path.chmod(0o755)
    done = stranger(home, "supervisor.supervisorctl", "-c", str(home.path / "supervisor.conf"), "health")
    assert "belongs to" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 77
    home.wait_ready()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_run_that_is_no_folder_of_this_home_is_refused_with_one_line_by_everybody(kind: str) -> None:
    with Home() as home, tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
        run = home.path / "run"
        shutil.rmtree(run)
        (Path(elsewhere) / "log").mkdir()
        if kind == "link":
            run.symlink_to(elsewhere)
        else:
            run.write_text("")
        os.chmod(elsewhere, 0o755)
        for command in (
            ("effectd.cli", "up"),
            ("effectd.cli", "health"),
            ("effectd.cli", "down"),
            ("drivers", "wind", "--home", str(home.path)),
            # of a file supervisord itself says that it is no folder
            *([("supervisor.supervisord", "-c", str(home.path / "supervisor.conf"))] if kind == "link" else []),
        ):
            done = home.run(*command)
            said = (done.stdout + done.stderr).strip()
            assert done.returncode == 78, said
            assert f"{run}:1: " in said
            assert "it must be a folder of this home's own" in said
            assert len(said.splitlines()) == 1, said
        assert os.listdir(elsewhere) == ["log"]
        assert os.listdir(Path(elsewhere) / "log") == []
        assert Path(elsewhere).stat().st_mode & 0o777 == 0o755, "nothing of somebody else's was touched"
        run.unlink()


def test_a_run_of_another_user_is_refused_with_77() -> None:
    if os.geteuid() != 0:
        cannot("needs root, to give a folder away")
    with Home() as home:
        os.chown(home.path / "run", pwd.getpwnam("nobody").pw_uid, -1)
        for command in (
            ("effectd.cli", "up"),
            ("supervisor.supervisord", "-c", str(home.path / "supervisor.conf")),
            ("drivers", "wind", "--home", str(home.path)),
        ):
            done = home.run(*command)
            assert done.returncode == 77, done.stdout + done.stderr
            assert "belongs to nobody: run this as nobody" in done.stdout + done.stderr
        os.chown(home.path / "run", os.getuid(), -1)


# --- up and down at the same time -------------------------------------------------------------------------------


def test_down_while_up_waits_ends_up_at_once() -> None:
    with Home({"wind": {"kind": "never", "effects": ["wind"]}}) as home:
        (home.path / "never.py").write_text(
            "import time\nfrom effectd.driver import Driver\n\n\nclass Never(Driver):\n"
            "    def open(self):\n        time.sleep(600)\n    def apply(self, effect): ...\n    def off(self): ...\n"
        )
        with command(home, "up", "--wait", "60") as up:
            wait_for(lambda: home.line("broker") and home.pids(), 60, "a start")
            down = home.effectd("down")
            assert down.returncode == 0, down.stdout + down.stderr
            said = up.communicate(timeout=20)
            assert up.returncode == 3
            assert "ended meanwhile" in said[1]
        assert not home.left()


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15, 0.3, 0.5, 0.8])
def test_down_at_any_moment_of_a_start_leaves_nothing_behind(moment: float) -> None:
    with Home() as home:
        with command(home, "up", "--wait", "20") as up:
            try:
                up.wait(moment)
            except subprocess.TimeoutExpired:
                pass
            down = home.effectd("down")
            up.communicate(timeout=30)
        if "nothing runs here" in down.stdout and home.pids():  # it came before the start had begun at all
            assert up.returncode == 0
            down = home.effectd("down")
        assert down.returncode == 0, down.stdout + down.stderr
        assert home.pids() == {}
        assert home.effectd("down").stdout.startswith("nothing runs here")


def test_down_before_supervisord_listens_ends_it() -> None:
    with Home() as home:
        conf = str(home.path / "supervisor.conf")
        with command(home, "-c", conf, "--nodaemon", module="supervisor.supervisord") as supervisord:
            down = home.effectd("down")
            supervisord.communicate(timeout=20)
            assert down.returncode == 0, down.stdout + down.stderr
            assert "down: supervisord" in down.stdout
        assert home.effectd("down").stdout.startswith("nothing runs here")


def command(home: Home, *arguments: str, module: str = "effectd.cli") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=home.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
