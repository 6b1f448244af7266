"""Every command of docs/timelines.md works in its order, with the file that stands there."""

import json
from pathlib import Path

from effectd.config import reader
from effectd.timeline.reading import read
from tests.needs import need
from tests.system.home import REPOSITORY
from tests.system.test_readme import blocks, commands, run
from tests.system.test_verbs import Clone

PAGE = REPOSITORY / "docs" / "timelines.md"


def test_the_page_about_timelines_works_as_it_stands() -> None:
    need("mosquitto_pub", "mosquitto-clients")
    shown = commands(PAGE)
    assert len(shown) == 12
    (document,) = blocks(PAGE, "json")
    with Clone() as clone:
        settings = clone.path / "xdg"
        settings.mkdir()
        for tool in ("mosquitto_pub", "mosquitto_sub"):
            (settings / tool).write_text(f"-p {clone.port}\n-h 127.0.0.1\n")
        (clone.path / "gust.json").write_text(document)
        try:
            for command in shown:
                done = run(clone, command)
                clone.pids()
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                if command.startswith("mosquitto_sub"):
                    assert json.loads(done.stdout)["status"] == "playing"
        finally:
            run(clone, ".venv/bin/effectd down")


def test_the_mpeg_v_that_is_shown_is_read_without_a_problem() -> None:
    (document,) = blocks(PAGE, "xml")
    found = read(document.encode())
    assert [(effect.effect_type, effect.timestamp, effect.duration) for effect in found.effects] == [
        ("wind", 500, 2000),
        ("light", 500, 2000),
    ]
    assert found.problems == ()


def test_the_clocks_that_are_shown_are_good_configuration(tmp_path: Path) -> None:
    shown = blocks(PAGE, "yaml")
    assert len(shown) == 2
    for block in shown:
        (tmp_path / "config.yaml").write_text(f"{block}\neffects: {{wind: {{}}}}\n")
        assert reader.load(tmp_path).timelines.clock is not None
