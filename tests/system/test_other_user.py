"""Another user of the machine is told whose home it is, by every command, and never that nothing runs there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import cannot, need
from tests.system.home import Home

PRIVATE = ["up", "down", "health", "health --json", "check", "device add x --kind virtual --effect wind"]
CLIENTS = ["send wind 20", "stop", "stop wind", "watch --lines", "record - --seconds 1"]


def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
    # nor may somebody else write what measures coverage
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [*drop, *arguments], cwd="/", env=own, capture_output=True, text=True, timeout=60, check=False
    )


def told(home: Home, command: str) -> tuple[int, str]:
    """Exit code and everything that `effectd COMMAND` says to somebody else."""
    done = as_nobody("-m", "effectd.cli", "--home", str(home.path), *command.split())
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def others_home() -> Iterator[Home]:
    if os.geteuid() != 0:
        cannot("only root can run a command as somebody else")
    with Home() as home:
        need("setpriv", "util-linux")
        if as_nobody("-c", "import effectd.cli.send").returncode:
            cannot("this checkout cannot be read by another user")
        home.start()
        home.wait_ready()
        yield home


def modes(home: Home, folder: int, files: int) -> None:
    home.path.chmod(folder)
    for name in ("config.yaml", "supervisor.conf"):
        (Path(home.path) / name).chmod(files)


@pytest.mark.parametrize("folder", [0o755, 0o700], ids=["open folder", "closed folder"])
@pytest.mark.parametrize("command", [*PRIVATE, *CLIENTS])
def test_a_private_home_is_told_to_be_its_owners(others_home: Home, command: str, folder: int) -> None:
    modes(others_home, folder, 0o600)
    code, said = told(others_home, command)
    assert (code, said.count("\n")) == (77, 1), said
    assert said.endswith(" belongs to root: run this as root\n")
    assert others_home.ready()


def test_whoever_may_read_the_files_is_a_client_like_any_other(others_home: Home) -> None:
    modes(others_home, 0o755, 0o644)
    code, said = told(others_home, "send wind 20 --duration 100")
    assert (code, said.split()[0]) == (0, "done")
    code, said = told(others_home, "health")
    assert (code, said) == (77, f"{others_home.path}/run belongs to root: run this as root\n")
