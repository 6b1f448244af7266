"""docs/home-assistant.md as it stands: its commands, its keys, and its user, by whom all of it can be done."""

import json

import yaml

from tests.needs import need
from tests.system.home import REPOSITORY, wait_for
from tests.system.test_home_assistant import HomeAssistant
from tests.system.test_readme import blocks, commands, run
from tests.system.test_verbs import Clone

PAGE = REPOSITORY / "docs" / "home-assistant.md"


def test_the_page_about_home_assistant_works_as_it_stands_with_a_user_as_well() -> None:
    need("mosquitto_pub", "mosquitto-clients")
    *shown, add_user = commands(PAGE)
    assert len(shown) == 3
    discovery, user = blocks(PAGE, "yaml")
    with Clone() as clone:
        settings = clone.path / "xdg"
        settings.mkdir()
        (settings / "mosquitto_sub").write_text(f"-p {clone.port}\n-h 127.0.0.1\n-W 30\n")
        config = clone.path / "config.yaml"
        config.write_text(f"{config.read_text()}\n{discovery}")
        for command in shown:
            done = run(clone, command.replace("effectd", ".venv/bin/effectd", command.startswith("effectd")))
            clone.pids()
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        announced = [json.loads(line)["device"]["name"] for line in done.stdout.splitlines()]
        assert sorted(announced) == ["light", "scent", "vibration", "wind"]

        (entry,) = yaml.safe_load(user)["broker"]["users"].values()
        text = config.read_text()
        assert "\n  embedded: true\n" in text
        lines = "".join(f"\n      {key}: {json.dumps(value)}" for key, value in entry.items())
        config.write_text(
            text.replace("\n  embedded: true", f"\n  embedded: true\n  users:\n    home-assistant:{lines}")
        )
        done = run(clone, f"echo geheim | .venv/bin/{add_user}")
        assert done.returncode == 0, done.stdout + done.stderr
        assistant = HomeAssistant(clone, ("home-assistant", "geheim"))
        assert assistant.client.refused == []
        light = assistant.entity("light", "light")
        shown = lambda: assistant.refresh(light).on and light.attributes["brightness"] == 128  # noqa: E731
        assistant.do(light.turn_on(brightness=128), shown, "it is on")
        before = len(assistant.messages("light"))
        assistant.client.publish("homeassistant/status", "online")
        wait_for(lambda: len(assistant.messages("light")) > before, what="its birth message is heard")
