"""Makes the message that announces a device to Home Assistant (device-based discovery); pure.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery; keys and templates are those of its light.mqtt
(template schema), fan.mqtt, number.mqtt and button.mqtt. Its lights count from 1 to 255 where we have percent, and its
`transition` is in seconds where our `fade` is in ms. docs/decisions/0025-home-assistant.md says why it is so.
"""

from typing import Any

import msgspec

from effectd import __version__
from effectd.config.schema import Device
from effectd.messages.colors import COLORS
from effectd.messages.topics import Topics

Keys = dict[str, Any]

_WHOLE = "value_json.intensity | round | int"
_FADE = '"fade": {{ 0 if flash is defined else (transition | default(0) * 1000) | round | int }}'
# on for so long and off again, as Home Assistant's lights of the JSON schema
_FLASH = '"duration": {{ 0 if flash is not defined else 10000 if flash == "long" else 2000 }}'
# `this` is the entity as it is now: another brightness leaves the colour, and a fan comes back at its last speed
_COLOR = "{% set rgb = [red, green, blue] if red is defined else this.attributes.get('rgb_color') if this else none %}"
_SPEED = "{{ 0 if value == 'OFF' else (this.attributes.get('percentage') or 100) if this else 100 }}"
# the names of CSS 2; with all of them the message would be three times as long
_NAMED = "aqua black blue fuchsia gray green lime maroon navy olive orange purple red silver teal white yellow"
_HEX = "{" + ", ".join(f"'{name}': '{COLORS[name]}'" for name in _NAMED.split()) + "}"


def message(device: Device, name: str, node: str, topics: Topics) -> bytes:
    """The retained message that announces the device `name` in Home Assistant, under the unique id `node`."""
    components: dict[str, Keys] = {}
    for effect_type in device.effects:
        word = effect_type if len(device.effects) > 1 else ""
        entities: dict[str, Keys] = {
            effect_type: {"name": word or None} | _level(effect_type, name, topics, states=device.acks)
        }
        if entities[effect_type]["platform"] == "number":
            entities[f"{effect_type}:once"] = {"name": f"{word} once".strip()} | _once(name)
        for key, entity in entities.items():
            shared = {"unique_id": f"{node}:{key}", "command_topic": topics.effect(effect_type), "qos": 1}
            components[key] = shared | entity
    dispatcher = "{{ 'offline' if value_json.state in ['gone', 'stopping'] else 'online' }}"
    availability = [{"topic": topics.system("dispatcher"), "value_template": dispatcher}]
    if device.acks:  # else it may be a microcontroller that only listens
        availability.append({"topic": topics.availability(name)})
    whole = {
        "device": {"identifiers": [node], "name": name, "manufacturer": "effectd", "sw_version": __version__},
        "origin": {"name": "effectd", "sw_version": __version__},
        "availability": availability,
        "availability_mode": "all",
        "components": components,
    }
    return msgspec.json.encode(whole)


def _level(effect_type: str, name: str, topics: Topics, *, states: bool) -> Keys:
    """The entity that sets the level of an effect, until it is set again.

    `states`: whether the device reports its state; else Home Assistant assumes that it does what was asked for.
    """
    mine = f"value_json.on and value_json.effect_type == '{effect_type}'"  # it may be driving another effect type now
    rest = f'"duration": 0, "target": "{name}"'
    if effect_type == "light":
        commands, reads = _light(mine, name, rest)
    elif effect_type == "wind":
        commands, reads = _fan(mine, rest)
        commands["percentage_command_topic"] = topics.effect(effect_type)
        reads["percentage_state_topic"] = topics.state(name)
    else:
        commands, reads = _number(mine, rest)
    return commands | {"state_topic": topics.state(name)} | reads if states else commands


def _light(mine: str, name: str, rest: str) -> tuple[Keys, Keys]:
    on = (
        f'{{"intensity": {{{{ (brightness | default(255) / 2.55) | round(2) }}}}, {_FLASH}, {_FADE}'
        '{% if rgb %}, "parameters": {"rgb": [{{ rgb | join(", ") }}]}{% endif %}'
        f', "target": "{name}"}}'
    )
    commands = {
        "platform": "light",
        "schema": "template",
        "command_on_template": _COLOR + on,
        "command_off_template": f'{{"intensity": 0, {_FADE}, {rest}}}',
    }
    reads = {
        "state_template": f"{{{{ 'on' if {mine} else 'off' }}}}",
        "brightness_template": f"{{% if {mine} %}}{{{{ (value_json.intensity * 2.55) | round | int }}}}{{% endif %}}",
    }
    for n, channel in enumerate(("red", "green", "blue")):
        reads[f"{channel}_template"] = f"{{% if {mine} %}}{_channel(n)}{{% endif %}}"
    return commands, reads


def _channel(n: int) -> str:
    """One channel of the colour in a state; empty for an unusual colour name, so that the last known value stays."""
    return (
        "{% set p = value_json.parameters %}"
        f"{{% if p.get('rgb') %}}{{{{ p.rgb[{n}] }}}}"
        f"{{% elif p.get('color') %}}{{% set hex = {_HEX}.get(p.color | lower, p.color) %}}"
        f"{{% if hex[0] == '#' %}}{{{{ hex[{1 + 2 * n}:{3 + 2 * n}] | int(0, 16) }}}}{{% endif %}}"
        "{% else %}255{% endif %}"
    )


def _fan(mine: str, rest: str) -> tuple[Keys, Keys]:
    commands = {
        "platform": "fan",
        "command_template": f'{{"intensity": {_SPEED}, {rest}}}',
        "percentage_command_template": f'{{"intensity": {{{{ value }}}}, {rest}}}',
    }
    reads = {
        "state_value_template": f"{{{{ 'ON' if {mine} else 'OFF' }}}}",
        # empty while it is off, so that its last speed stays known
        "percentage_value_template": f"{{% if {mine} %}}{{{{ [1, {_WHOLE}] | max }}}}{{% endif %}}",
    }
    return commands, reads


def _number(mine: str, rest: str) -> tuple[Keys, Keys]:
    commands = {
        "platform": "number",
        "min": 0,
        "max": 100,
        "unit_of_measurement": "%",
        "command_template": f'{{"intensity": {{{{ value }}}}, {rest}}}',
    }
    return commands, {"value_template": f"{{{{ ({_WHOLE}) if {mine} else 0 }}}}"}


def _once(name: str) -> Keys:
    """A puff: full on, for the default duration of the effect type."""
    return {"platform": "button", "payload_press": f'{{"target": "{name}"}}'}
