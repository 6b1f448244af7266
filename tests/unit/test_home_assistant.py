"""What is announced to Home Assistant: valid by its schemas, its templates true of our messages, nothing left over."""

import json
from pathlib import Path
from typing import Any

import pytest
from ha_mqtt_models_pydantic import parse_component_payload, parse_device_discovery_payload
from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc import discovery
from dispatcher_proc.bench import DispatcherBench
from effectd.access.access import Access
from effectd.access.grant import PUBLISH, SUBSCRIBE
from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.schema import Device
from effectd.messages import answers, published
from effectd.messages.answers import State
from effectd.messages.colors import COLORS
from effectd.messages.topics import Topics
from tests.home_assistant import Entity

NODE = "effectd-1a2b3c4d-lamp"
CONFIG = """
home_assistant: {discovery: true}
devices:
  lamp: {kind: virtual, effects: [light]}
  fan: {kind: virtual, effects: [wind]}
  nose: {kind: virtual, effects: [scent]}
effects: {light: {}, wind: {}, scent: {}}
"""
LEVEL = st.floats(0, 100)


def announced(*effects: str, root: str = "", **device: Any) -> dict[str, Any]:
    found = Device("virtual", effects) if not device else Device(effects=effects, **device)
    return json.loads(discovery.message(found, "lamp", NODE, Topics(root)))


def entity(effect: str, **device: Any) -> Entity:
    return Entity(announced(effect, **device)["components"][effect])


def state(**fields: Any) -> bytes:
    return answers.encode(State(**fields))


def sent(orders: list[tuple[str, str]]) -> dict[str, Any]:
    """The effect that the last of these orders is, as effectd reads it."""
    topic, payload = orders[-1]
    effect = published.decode(payload.encode(), topic.split("/")[-1])
    assert effect.target == ("lamp",)
    return {"type": effect.effect_type, "intensity": effect.intensity, "duration": effect.duration, "fade": effect.fade}


@pytest.mark.parametrize("effects", [("light",), ("wind",), ("scent",), ("light", "flash", "wind", "my.type_2")])
@pytest.mark.parametrize("more", [{}, {"kind": "remote", "options": {"ack": False}}], ids=["acks", "does not ack"])
def test_each_message_is_valid_by_home_assistants_schemas_and_no_key_is_unknown_there(effects, more):
    message = announced(*effects, root="a/b", **more)
    whole = parse_device_discovery_payload(message)
    assert set(message) <= set(type(whole).model_fields)
    assert len({each["unique_id"] for each in message["components"].values()}) == len(message["components"])
    for component in message["components"].values():
        model = parse_component_payload(component["platform"], component)
        known = {field.alias or name for name, field in type(model).model_fields.items()}
        assert set(component) - {"platform"} <= known


@given(st.integers(1, 255), st.none() | st.tuples(*[st.integers(0, 255)] * 3), st.none() | st.floats(0, 3600))
def test_a_light_that_is_turned_on_comes_back_in_the_state_as_it_was_asked_for(brightness, rgb, transition):
    lamp = entity("light")
    more = {} if transition is None else {"transition": transition}
    orders = lamp.turn_on(rgb, brightness=brightness, **more)
    topic, payload = orders[-1]
    effect = published.decode(payload.encode(), topic.split("/")[-1])
    assert (effect.effect_type, effect.duration, effect.target) == ("light", 0, ("lamp",))
    assert abs(effect.fade - 1000 * (transition or 0)) <= 0.5
    lamp.hears(state(on=True, effect_type="light", intensity=effect.intensity, parameters=effect.parameters))
    assert lamp.on is True
    assert lamp.attributes == {"brightness": brightness, "rgb_color": rgb or (255, 255, 255)}


def test_a_light_without_more_is_full_on_until_told_and_goes_off_by_a_fade():
    lamp = entity("light")
    assert sent(lamp.turn_on()) == {"type": "light", "intensity": 100, "duration": 0, "fade": 0}
    assert sent(lamp.turn_off(transition=2.5)) == {"type": "light", "intensity": 0, "duration": 0, "fade": 2500}
    assert sent(lamp.turn_on(flash="short"))["duration"] == 2000
    assert sent(lamp.turn_on(flash="long", transition=60)) == {
        **{"type": "light", "intensity": 100, "duration": 10000, "fade": 0}
    }


def test_another_brightness_leaves_the_colour():
    lamp = entity("light")
    lamp.hears(state(on=True, effect_type="light", intensity=50, parameters={"color": "#ff8000"}))
    assert json.loads(lamp.turn_on(brightness=20)[0][1])["parameters"] == {"rgb": [255, 128, 0]}
    lamp.hears(state(on=False))
    assert "parameters" not in json.loads(lamp.turn_on(brightness=20)[0][1])


@pytest.mark.parametrize(
    ("parameters", "rgb"),
    [
        ({"rgb": [1, 2, 3]}, (1, 2, 3)),
        ({"color": "#0A0b0C"}, (10, 11, 12)),
        ({"color": "Orange"}, (255, 165, 0)),
        ({"color": None, "rgb": None}, (255, 255, 255)),
        ({"scent": "pine"}, (255, 255, 255)),
        ({"color": "papayawhip"}, None),
    ],
)
def test_the_colour_of_a_state_is_shown_and_one_with_an_unusual_name_is_not(parameters, rgb):
    lamp = entity("light")
    lamp.hears(state(on=True, effect_type="light", intensity=50, parameters=parameters))
    assert lamp.attributes.get("rgb_color") == rgb


@given(st.sampled_from(sorted(COLORS)))
def test_no_name_of_a_colour_shows_another_one(name):
    lamp = entity("light")
    lamp.hears(state(on=True, effect_type="light", intensity=50, parameters={"color": name}))
    rgb = lamp.attributes.get("rgb_color")
    assert rgb is None or "#" + "".join(f"{channel:02x}" for channel in rgb) == COLORS[name]


def test_a_fan_comes_back_at_its_last_speed():
    fan = entity("wind")
    assert sent(fan.turn_on()) == {"type": "wind", "intensity": 100, "duration": 0, "fade": 0}
    assert sent(fan.turn_on(percentage=30))["intensity"] == 30
    fan.hears(state(on=True, effect_type="wind", intensity=30))
    fan.hears(state(on=False))
    assert fan.on is False
    assert sent(fan.turn_on())["intensity"] == 30
    assert sent(fan.set_percentage(0))["intensity"] == 0


@given(LEVEL)
def test_every_level_that_is_on_is_shown(level):
    told = state(on=True, effect_type="wind", intensity=level)
    fan, number = entity("wind"), entity("scent")
    fan.hears(told)
    assert fan.attributes["percentage"] == max(1, round(level))
    number.hears(state(on=True, effect_type="scent", intensity=level))
    assert number.attributes["value"] == round(level)


def test_what_is_no_light_and_no_wind_has_a_level_and_a_button_for_once():
    components = announced("scent")["components"]
    level, once = Entity(components["scent"]), Entity(components["scent:once"])
    assert sent(level.set_value(40.0)) == {"type": "scent", "intensity": 40, "duration": 0, "fade": 0}
    assert sent(level.set_value(12.5))["intensity"] == 12.5
    assert sent(once.press()) == {"type": "scent", "intensity": 100, "duration": None, "fade": 0}


def test_an_actuator_of_several_effects_shows_each_only_while_it_is_on():
    components = announced("light", "flash")["components"]
    lamp, flash = Entity(components["light"]), Entity(components["flash"])
    told = state(on=True, effect_type="flash", intensity=70)
    lamp.hears(told)
    flash.hears(told)
    assert (lamp.on, lamp.attributes, flash.attributes["value"]) == (False, {}, 70)


def test_a_device_that_tells_no_state_is_assumed_to_do_as_it_was_told():
    message = announced("light", kind="remote", options={"ack": False})
    assert Entity(message["components"]["light"]).assumed
    assert [each["topic"] for each in message["availability"]] == ["system/dispatcher/state"]


# --- the dispatcher --------------------------------------------------------------------------------------------------


def topic(bench: DispatcherBench, device: str, prefix: str = "homeassistant") -> str:
    return f"{prefix}/device/{bench.process.config.client_id(device)}/config"


def messages(bench: DispatcherBench) -> list[tuple[str, bytes, int, bool]]:
    return [each for each in bench.link.published if "/device/" in each[0]]


def test_each_device_is_announced_retained_and_again_when_home_assistant_starts(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG)
    first = messages(bench)
    assert [(where, qos, retain) for where, _, qos, retain in first] == [
        (topic(bench, name), 1, True) for name in ("lamp", "fan", "nose")
    ]
    for _ in range(100):
        bench.message("homeassistant/status", b"online")
    bench.message("homeassistant/status", b"offline")
    bench.loop.advance(2)
    assert messages(bench) == first * 2
    bench.close()


def test_without_discovery_nothing_is_announced_and_nothing_of_it_is_on_disk(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG.replace("true", "false"))
    assert messages(bench) == []
    assert not (tmp_path / "run" / "home-assistant.journal").exists()
    bench.close()


def reborn(bench: DispatcherBench, config: str) -> list[tuple[str, bytes]]:
    """What a dispatcher that starts after this one says of devices, by another configuration."""
    folder = bench.process.home
    bench.close()
    after = DispatcherBench(folder, config)
    after.link.confirm()
    found = [(where, payload) for where, payload, _, retain in messages(after) if retain]
    after.close()
    return found


@pytest.mark.parametrize(
    ("change", "gone", "kept"),
    [
        (("  fan: {kind: virtual, effects: [wind]}\n", ""), ["fan"], ["lamp", "nose"]),
        (("discovery: true", "discovery: false"), ["fan", "lamp", "nose"], []),
    ],
    ids=["a device is removed", "discovery is switched off"],
)
def test_what_is_gone_while_the_dispatcher_is_dead_is_taken_back_once(tmp_path, change, gone, kept):
    bench = DispatcherBench(tmp_path, CONFIG)
    topics = {name: topic(bench, name) for name in ("lamp", "fan", "nose")}
    found = reborn(bench, CONFIG.replace(*change))
    assert sorted(where for where, payload in found if payload == b"") == sorted(topics[name] for name in gone)
    assert [where for where, payload in found if payload] == [topics[name] for name in kept]


def test_what_a_broker_keeps_of_a_device_that_is_none_is_taken_back_and_what_is_anothers_is_not(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG)
    before = len(messages(bench))
    ghost, others = topic(bench, "ghost"), "homeassistant/device/effectd-ffffffff-ghost/config"
    for where in (ghost, others, topic(bench, "lamp")):
        bench.message(where, b"{}", retained=True)
    bench.message(topic(bench, "live"), b"{}")
    assert messages(bench)[before:] == [(ghost, b"", 1, True)]
    bench.close()


def test_another_prefix_takes_everything_back_at_the_old_one(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG)
    old = {topic(bench, name) for name in ("lamp", "fan", "nose")}
    found = reborn(bench, CONFIG.replace("true", "true, prefix: ha/mine"))
    assert {where for where, payload in found if not payload} == old
    assert {where.split("/device/")[0] for where, payload in found if payload} == {"ha/mine"}


def test_a_device_that_comes_or_goes_while_it_runs_is_told_and_no_other_one(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG)
    before = len(messages(bench))
    fresh = CONFIG.replace("nose: {kind: virtual, effects: [scent]", "mouth: {kind: virtual, effects: [scent]")
    (tmp_path / "config.yaml").write_text(fresh)
    bench.dispatcher.reload()
    told = [(where, bool(payload)) for where, payload, _, _ in messages(bench)[before:]]
    assert told == [(topic(bench, "nose"), False), (topic(bench, "mouth"), True)]
    bench.close()


def test_what_the_connection_does_not_take_is_said_later_and_nothing_twice(tmp_path):
    bench = DispatcherBench(tmp_path, CONFIG)
    bench.link.lose()
    bench.link.room = False
    bench.link.published.clear()
    bench.link.open()
    assert messages(bench) == []
    bench.link.make_room()
    assert len(messages(bench)) == 3
    bench.close()


@pytest.mark.parametrize("prefix", ["effects", "devices/x", "a//b", "/a", "a/", "a+", "$SYS", ""])
def test_a_prefix_that_can_never_work_is_refused_with_its_place(tmp_path, prefix):
    (tmp_path / "config.yaml").write_text(f"home_assistant: {{prefix: '{prefix}'}}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1: home_assistant"):
        reader.load(tmp_path)


def test_discovery_without_a_dispatcher_is_refused_with_its_place(tmp_path):
    (tmp_path / "config.yaml").write_text("dispatcher: false\nhome_assistant: {discovery: true}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: home_assistant.discovery: the dispatcher announces"):
        reader.load(tmp_path)


def test_two_homes_on_one_broker_announce_their_devices_under_different_names(tmp_path):
    found = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bench = DispatcherBench(tmp_path / name, CONFIG)
        for where, payload, _, _ in messages(bench):
            found |= {where, *(each["unique_id"] for each in json.loads(payload)["components"].values())}
        bench.close()
    assert len(found) == 2 * (3 + 4)


def test_of_our_programs_the_dispatcher_alone_announces_and_a_user_only_by_a_right(tmp_path):
    users = "broker: {users: {ha: {publish: ['homeassistant/#']}, anna: {publish: ['effects/#']}}}"
    config = reader.load(Path("/tmp"), (CONFIG + users).encode())
    access, where = Access(config), "homeassistant/device/x/config"
    assert access.program(config.client_id("dispatcher")).may(PUBLISH, where)
    assert access.program(config.client_id("dispatcher")).may(SUBSCRIBE, "homeassistant/status")
    assert not access.program(config.client_id("lamp")).may(PUBLISH, where)
    assert access.users["ha"].may(PUBLISH, where)
    assert not access.users["anna"].may(PUBLISH, where)
