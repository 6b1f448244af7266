"""The systemd unit closes the loop: whatever ends supervisord, it is started again."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import need
from tests.system.home import Home, alive, wait_for

SCRIPTS = Path(sys.executable).parent


def test_the_unit_is_good_in_systemds_own_eyes(tmp_path: Path) -> None:
    need("systemd-analyze", "systemd")
    with Home() as home:
        unit = tmp_path / "effectd.service"
        unit.write_text(home.effectd("--home", str(home.path), "service").stdout)
        assert "Restart=always" in unit.read_text()
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "effectd.service" in line]
        assert ours == []


@pytest.mark.parametrize("name", ["a room", "it's ü [x] $HOME & co"])
def test_a_path_that_needs_quotes_is_right_in_the_unit_and_in_the_line_that_makes_it(name: str) -> None:
    need("systemd-analyze", "systemd")
    with Home() as home:
        there = home.path / name
        there.mkdir()
        for file in ("config.yaml", "supervisor.conf"):
            (there / file).write_bytes((home.path / file).read_bytes())
        text = home.effectd("--home", str(there), "service").stdout
        settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
        assert settings["WorkingDirectory"] == str(there)
        assert settings["ExecStart"].endswith(f'"{there}/supervisor.conf"'.replace("$", "$$"))
        words = shlex.split(text.splitlines()[0])
        assert words[: words.index("|")] == ["#", "sudo", str(SCRIPTS / "effectd"), "--home", str(there), "service"]
        unit = home.path / "effectd.service"
        unit.write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert [line for line in (done.stdout + done.stderr).splitlines() if "effectd.service" in line] == []


def test_what_the_unit_runs_is_a_supervisord_that_stays_in_the_foreground_and_ends_everything() -> None:
    with Home() as home:
        unit = home.effectd("--home", str(home.path), "service").stdout
        (command,) = [
            line.removeprefix("ExecStart=").split() for line in unit.splitlines() if line.startswith("ExecStart=")
        ]
        (stop,) = [line.removeprefix("ExecStop=").split() for line in unit.splitlines() if line.startswith("ExecStop=")]
        with subprocess.Popen(command, cwd=home.path, stdout=subprocess.DEVNULL) as supervisord:
            try:
                home.wait_ready()
                pids = home.pids()
                assert pids["supervisord"] == supervisord.pid
                assert (
                    subprocess.run(stop, cwd=home.path, stdout=subprocess.DEVNULL, timeout=30, check=False).returncode
                    == 0
                )
                supervisord.wait(15)
                wait_for(lambda: not any(alive(pid) for pid in pids.values()), what="all gone")
            finally:
                if supervisord.poll() is None:
                    supervisord.kill()
