"""Home Assistant and a real home: a client that does as it does finds the devices, moves them and sees what they do."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.home_assistant import Entity, available
from tests.system.home import Client, Home, wait_for

PREFIX = "homeassistant"


class HomeAssistant:
    """What is discovered is what a newcomer finds retained; whatever arrives on a state topic is shown."""

    def __init__(self, home: Home, login: tuple[str, str] | None = None) -> None:
        filters = (f"{PREFIX}/+/+/config", f"{PREFIX}/+/+/+/config", "devices/+/state", "devices/+/availability")
        self.client = Client(home.port, *filters, "system/dispatcher/state", login=login)
        home.clients.append(self.client)

    def messages(self, device: str) -> list[bytes]:
        return [
            payload
            for topic, payload in list(self.client.heard)
            if topic.startswith(f"{PREFIX}/device/") and topic.endswith(f"-{device}/config")
        ]

    def discovered(self, device: str) -> dict[str, Any]:
        """What is known of it now; {} where it was taken back."""
        found = wait_for(lambda: self.messages(device), what=f"{device} is announced")
        return dict(json.loads(found[-1] or b"{}"))

    def latest(self) -> dict[str, bytes]:
        return dict(self.client.heard)

    def entity(self, device: str, key: str) -> Entity:
        found = Entity(self.discovered(device)["components"][key])
        self.refresh(found)
        return found

    def refresh(self, entity: Entity) -> Entity:
        if told := self.latest().get(entity.config["state_topic"]):
            entity.hears(told)
        return entity

    def do(self, orders: list[tuple[str, str]], until: Callable[[], Any], what: str) -> None:
        """As somebody does who sees nothing happen, again: on a busy machine an effect may expire."""
        again = 0.0

        def seen() -> Any:
            nonlocal again
            if time.monotonic() >= again:
                again = time.monotonic() + 5
                for topic, payload in orders:
                    self.client.publish(topic, payload)
            return until()

        wait_for(seen, 30, what)


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    with Home(home_assistant={"discovery": True}) as home:
        home.start_ready()
        yield home


def test_home_assistant_finds_a_light_moves_it_and_sees_what_it_does(room: Home) -> None:
    assistant = HomeAssistant(room)
    light = assistant.entity("light", "light")
    wait_for(lambda: available(assistant.discovered("light"), assistant.latest()), what="it is available")
    shown = {"brightness": 128, "rgb_color": (255, 128, 0)}
    assistant.do(
        light.turn_on((255, 128, 0), brightness=128, transition=0.2),
        lambda: assistant.refresh(light).on and light.attributes == shown,
        "the colour at its end",
    )
    assistant.do(
        light.turn_on(brightness=200),
        lambda: assistant.refresh(light).attributes == shown | {"brightness": 200},
        "brighter",
    )
    assistant.do(light.turn_off(), lambda: assistant.refresh(light).on is False, "off")


def test_home_assistant_moves_a_fan_and_a_level_and_fires_a_puff(room: Home) -> None:
    assistant = HomeAssistant(room)
    fan = assistant.entity("wind", "wind")
    assistant.do(
        fan.turn_on(percentage=40), lambda: assistant.refresh(fan).on and fan.attributes["percentage"] == 40, "40 %"
    )
    assistant.do(fan.turn_off(), lambda: assistant.refresh(fan).on is False, "off")
    assistant.do(
        fan.turn_on(), lambda: assistant.refresh(fan).on and fan.attributes["percentage"] == 40, "on as it was last"
    )
    room.effectd("stop")
    wait_for(lambda: assistant.refresh(fan).on is False, what="a stop is seen, too")
    level = assistant.entity("scent", "scent")
    assistant.do(level.set_value(30), lambda: assistant.refresh(level).attributes["value"] == 30, "30 %")
    assistant.do(level.set_value(0), lambda: assistant.refresh(level).attributes["value"] == 0, "off")
    assistant.do(
        Entity(assistant.discovered("scent")["components"]["scent:once"]).press(),
        lambda: 100 in [state["intensity"] for state in assistant.client.json("devices/scent/state")],
        "a puff",
    )
    wait_for(lambda: assistant.refresh(level).attributes["value"] == 0, what="its end")


def test_a_restart_of_home_assistant_brings_every_device_again(room: Home) -> None:
    assistant = HomeAssistant(room)
    before = {name: len(assistant.messages(name)) for name in room.local if assistant.discovered(name)}
    assistant.client.publish(f"{PREFIX}/status", "online")
    wait_for(lambda: all(len(assistant.messages(name)) > before[name] for name in before), what="announced again")


def test_a_dead_driver_is_shown_as_unavailable_and_comes_back(room: Home) -> None:
    assistant = HomeAssistant(room)
    message = assistant.discovered("vibration")
    wait_for(lambda: available(message, assistant.latest()), what="available")
    room.order("stop", "vibration")
    wait_for(lambda: not available(message, assistant.latest()), what="unavailable")
    room.order("start", "vibration")
    wait_for(lambda: available(message, assistant.latest()), what="available again")


def test_a_device_that_is_removed_disappears_also_where_the_dispatcher_was_dead_meanwhile(room: Home) -> None:
    assistant = HomeAssistant(room)
    assert assistant.discovered("vibration")
    assert assistant.discovered("scent")
    done = room.effectd("device", "remove", "vibration")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: assistant.discovered("vibration") == {}, what="it is taken back while all runs")
    room.order("stop", "dispatcher")
    message = assistant.discovered("light")
    wait_for(lambda: not available(message, assistant.latest()), what="nothing is available without a dispatcher")
    room.config["devices"].pop("vibration")
    scent = room.config["devices"].pop("scent")
    room.write()
    room.order("start", "dispatcher")
    wait_for(lambda: assistant.discovered("scent") == {}, what="it is taken back at the start")
    assert HomeAssistant(room).messages("scent") == []
    room.config["devices"]["scent"] = scent


def test_discovery_that_is_switched_off_takes_everything_back(room: Home) -> None:
    assistant = HomeAssistant(room)
    assert assistant.discovered("light")
    assert assistant.discovered("wind")
    room.config["home_assistant"]["discovery"] = False
    room.write()
    done = room.effectd("up")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: assistant.discovered("light") == assistant.discovered("wind") == {}, what="taken back")
