"""What docs/safety.md shows works as it stands there."""

import re
import shlex
from pathlib import Path

import yaml

from effectd.config import reader
from tests.system.home import REPOSITORY, Home

PAGE = (REPOSITORY / "docs" / "safety.md").read_text()


def test_every_command_of_the_safety_page_works_in_its_order() -> None:
    commands = re.findall(r"^\$ \.venv/bin/effectd (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    with Home() as home:
        home.start()
        home.wait_ready()
        held, sent, released = (home.effectd(*shlex.split(command)) for command in commands)
        assert held.returncode == 0, held.stdout + held.stderr
        assert (sent.returncode, sent.stdout.startswith("refused  wind  held by ")) == (1, True), sent.stdout
        assert released.returncode == 0, released.stdout
        assert home.effectd("send", "wind", "60").returncode == 0


def test_the_sections_of_the_safety_page_are_good_configuration(tmp_path: Path) -> None:
    buttons, limits = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(limits)["devices"]["scent"]["limits"]["min_off_ms"] == 2000
    (tmp_path / "config.yaml").write_text(f"{buttons}\n{limits}\neffects: {{scent: {{}}}}\n")
    tree = reader.load(tmp_path)
    assert tree.errors == ()
    assert set(tree.buttons) == {"front", "door"}
