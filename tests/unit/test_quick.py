"""The commands that are typed most start quickly, because of what they do not import; and their words are ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from effectd.cli import init

HEAVY = {"pydantic", "rich", "asyncio", "amqtt", "uvloop"}
CALL = """
import sys
import effectd.cli
try:
    effectd.cli.main()
except SystemExit as end:
    print("exit", end.code)
print("imported", *sys.modules)
"""


def called(home: Path, *arguments: str) -> tuple[str, set[str]]:
    """What it said on both streams, and the modules that were imported for it."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments], cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    said, _, modules = done.stdout.partition("imported")
    return said + done.stderr, set(modules.split())


@pytest.fixture
def room(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    init.run(home / "room", 0)
    return home / "room"


@pytest.mark.parametrize("command", ["send wind 60 --dry-run", "send wind -5", "--version"])
def test_what_is_typed_most_imports_nothing_heavy(room, command):
    _, modules = called(room, *command.split())
    assert "effectd.cli" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize("command", ["check", "health", "stop"])
def test_no_command_imports_what_only_converts_its_arguments(room, command):
    _, modules = called(room, *command.split())
    assert "effectd.cli" in modules
    assert "pydantic" not in modules


def test_health_imports_no_driver_and_no_client(room):
    _, modules = called(room, "health", "--json")
    assert "effectd.cli.health" in modules
    assert modules & {"drivers.kinds", "paho.mqtt.client", "effectd.cli.up"} == set()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("send wind --priority high", "'high': a whole number"),
        ("send wind --duration 2x", "'2x': a time such as 2s, 500ms"),
        ("up --wait -1", "'-1': a number, 0 or more"),
        ("health --wait soon", "'soon': a number, 0 or more"),
        ("health --wait nan", "'nan': a number, 0 or more"),
        ("send", "Missing argument 'TYPE'"),
        ("sned", "Did you mean 'send'?"),
        ("stop winf", "did you mean wind?"),
    ],
)
def test_a_wrong_argument_is_told_in_our_words_and_exits_with_2(room, command, told):
    said, _ = called(room, *command.split())
    assert told in " ".join(said.replace("│", "").split())
    assert "exit 2" in said


@pytest.mark.parametrize(
    "command", ["send wind -5", "send wind --json -5", "send wind -0.5 --duration 2s", "send wind 101"]
)
def test_an_intensity_out_of_range_is_a_refusal_like_any_other(room, command):
    said, _ = called(room, *command.split())
    assert "a number from 0 to 100, or a label" in said
    assert "exit 1" in said


@pytest.mark.parametrize(
    ("given", "ms"), [("2s", 2000), ("500ms", 500), ("1500", 1500), ("1.5s", 1500), ("1m", 60000), ("0", 0)]
)
def test_a_time_may_have_its_unit(room, given, ms):
    said, _ = called(room, "send", "wind", "60", "--duration", given, "--dry-run")
    assert (f"for {ms} ms" if ms else "until replaced or stopped") in said
