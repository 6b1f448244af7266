"""Behind Tab a shell finds what is there, in whatever state the home is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
devices:
  lamp: {kind: virtual, effects: [light], zones: [row-a]}
  fan: {bus: stage, effects: [wind]}
buses:
  stage: {kind: virtual}
effects:
  light: {labels: {breeze: 5}}
  wind:
"""


def offered(home: Path, typed: str, *, shell: str = "bash") -> list[str]:
    """The last word of `typed` is the one that is being completed; "" after a blank."""
    words = typed.split(" ")
    env = {"PATH": os.environ["PATH"], "_EFFECTD_COMPLETE": f"complete_{shell}", "EFFECTD_HOME": str(home)}
    env |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [Path(sys.executable).parent / "effectd"], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("effectd sto", ["stop"]),
        ("effectd send ", ["light", "wind"]),
        ("effectd send w", ["wind"]),
        ("effectd send light b", ["breeze"]),
        ("effectd send light --target ", ["lamp", "fan", "row-a"]),
        ("effectd stop ", ["lamp", "fan"]),
        ("effectd stop f", ["fan"]),
        ("effectd device remove ", ["lamp", "fan"]),
        ("effectd device add x --kind v", ["virtual"]),
        ("effectd device add x --bus ", ["stage"]),
        ("effectd hold door --target r", ["row-a"]),
        ("effectd logs d", ["dispatcher"]),
    ],
)
def test_what_is_there_is_offered(home, typed, found):
    (home / "config.yaml").write_text(CONFIG)
    assert offered(home, typed) == found


@pytest.mark.parametrize("config", ["devices: [", None])
def test_a_home_that_cannot_be_read_offers_nothing_and_says_nothing(home, config):
    if config is not None:
        (home / "config.yaml").write_text(config)
    assert offered(home, "effectd stop ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell_is_printed(shell):
    env = {"PATH": os.environ["PATH"], "_EFFECTD_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [Path(sys.executable).parent / "effectd"], env=env, capture_output=True, text=True, check=True
    )
    assert "_EFFECTD_COMPLETE" in done.stdout
