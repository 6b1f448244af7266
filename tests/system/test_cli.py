"""What all commands have in common: the home, wrong files, help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.home import Home


@pytest.mark.parametrize("where", ["before", "after", "environment"])
def test_the_home_may_be_named_before_and_after_the_command_and_by_the_environment(own_home: Home, where: str) -> None:
    home = ["--home", str(own_home.path)] if where != "environment" else []
    before, after = (home, []) if where == "before" else ([], home)
    environment = {**os.environ, "EFFECTD_HOME": str(own_home.path) if where == "environment" else "/nowhere"}
    command = [sys.executable, "-m", "effectd.cli", *before, "check", *after]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["up", "down", "health", "check", "send wind", "stop", "watch", "demo"])
def test_every_command_exits_78_with_one_line_where_there_is_no_home(own_home: Home, command: str) -> None:
    empty = own_home.path / "empty"
    empty.mkdir()
    done = own_home.effectd("--home", str(empty), *command.split())
    assert done.returncode == 78
    assert done.stderr == (
        f"{empty}/config.yaml:1: no home here: there is no config.yaml; give --home DIR or EFFECTD_HOME\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["up", "health", "send wind", "watch", "demo", "check"])
def test_every_command_exits_78_with_the_line_where_config_yaml_is_wrong(own_home: Home, command: str) -> None:
    (own_home.path / "config.yaml").write_text("broker: {port: 0}\n")
    done = own_home.effectd(*command.split())
    assert done.returncode == 78
    assert f"{own_home.path}/config.yaml:1: broker.port: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["", "up", "down", "health", "check", "send", "stop", "watch", "demo"])
def test_help_teaches_with_examples_and_exit_codes_and_needs_no_home(tmp_path: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "effectd.cli", *command.split(), "--help"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--home" in done.stdout
    assert "effectd send wind 60" in done.stdout if command in ("", "send") else "xit code" in done.stdout


def test_the_version_names_the_contract(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "effectd.cli", "--version"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "effectd 0.1.0 (contract 2)\n")
