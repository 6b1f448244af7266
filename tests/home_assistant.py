"""An entity as Home Assistant makes it of a component that was discovered: what it publishes, and what it shows.

By the rules of homeassistant/components/mqtt (2026.2): light/schema_template.py, fan.py, number.py, button.py.
"""

import json
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

_jinja = ImmutableSandboxedEnvironment()


class Entity:
    """`on`, `attributes`: what is shown. Each command is its topic and payload."""

    def __init__(self, component: dict[str, Any]) -> None:
        self.config = component
        self.on: bool | None = None
        self.attributes: dict[str, Any] = {}

    @property
    def assumed(self) -> bool:
        """Whether it shows what it has asked for, for want of a state."""
        return "state_topic" not in self.config

    # --- commands ------------------------------------------------------------------------------------------------

    def turn_on(self, rgb: tuple[int, int, int] | None = None, **values: Any) -> list[tuple[str, str]]:
        """A light's: `brightness` 1 to 255, `transition` in s, `flash` short or long; a fan's: `percentage`."""
        if self.config["platform"] == "fan":
            orders = [self._command("command_topic", "command_template", value="ON")]
            return orders + (self.set_percentage(values["percentage"]) if values.get("percentage") else [])
        if rgb:
            values |= dict(zip(("red", "green", "blue"), rgb, strict=True))
        return [self._command("command_topic", "command_on_template", state=True, **values)]

    def turn_off(self, **values: Any) -> list[tuple[str, str]]:
        if self.config["platform"] == "fan":
            return [self._command("command_topic", "command_template", value="OFF")]
        return [self._command("command_topic", "command_off_template", state=False, **values)]

    def set_percentage(self, percentage: int) -> list[tuple[str, str]]:
        if not percentage:
            return self.turn_off()
        return [self._command("percentage_command_topic", "percentage_command_template", value=percentage)]

    def set_value(self, value: float) -> list[tuple[str, str]]:
        whole = int(value) if float(value).is_integer() else value
        return [self._command("command_topic", "command_template", value=whole)]

    def press(self) -> list[tuple[str, str]]:
        return [(self.config["command_topic"], self.config["payload_press"])]

    def _command(self, topic: str, template: str, **values: Any) -> tuple[str, str]:
        visible = self.attributes if self.on or self.config["platform"] != "light" else {}
        return self.config[topic], _jinja.from_string(self.config[template]).render(
            values, this={"attributes": {"rgb_color": None, "percentage": None} | visible}
        )

    # --- states --------------------------------------------------------------------------------------------------

    def hears(self, payload: bytes) -> None:
        """A message on its state topic."""
        read = {key: _read(text, payload) for key, text in self.config.items() if key.endswith("_template")}
        match self.config["platform"]:
            case "light":
                self.on = {"on": True, "off": False}[read["state_template"]]
                if read["brightness_template"] and (brightness := int(read["brightness_template"])):
                    self.attributes["brightness"] = brightness
                rgb = [read[f"{channel}_template"] for channel in ("red", "green", "blue")]
                if all(rgb):
                    self.attributes["rgb_color"] = tuple(map(int, rgb))
            case "fan":
                self.on = {"ON": True, "OFF": False}[read["state_value_template"]]
                if read["percentage_value_template"]:
                    percentage = int(read["percentage_value_template"])
                    assert 1 <= percentage <= 100
                    self.attributes["percentage"] = percentage
            case "number":
                value = float(read["value_template"])
                assert self.config["min"] <= value <= self.config["max"]
                self.attributes["value"] = value


def _read(template: str, payload: bytes) -> str:
    """`value_json` is there where the payload is JSON."""
    try:
        values = {"value": payload.decode(), "value_json": json.loads(payload)}
    except ValueError:
        values = {"value": payload.decode()}
    return _jinja.from_string(template).render(values)


def available(message: dict[str, Any], heard: dict[str, bytes]) -> bool:
    """Whether it can be used: each of its topics (`availability_mode: all`) has said `online` last."""
    assert message["availability_mode"] == "all"
    found = []
    for each in message["availability"]:
        payload = heard.get(each["topic"], b"")
        template = each.get("value_template")
        found.append((_read(template, payload) if template and payload else payload.decode()) == "online")
    return all(found)
