"""The systemd unit closes the loop: whatever ends supervisord, it is started again."""

import subprocess
from pathlib import Path

from tests.system.conftest import need
from tests.system.home import Home, alive, wait_for


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
