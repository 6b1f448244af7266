"""Sixty devices in a real browser: none stands over another, and twenty changes a second of each are drawn."""

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.chromium import PHONE, TABLET, WIDE, Tab, tab
from tests.system.home import Home

__all__ = ["tab"]  # a fixture

COUNT, HZ, CHANGES = 60, 20, 60
KINDS = ("light", "wind", "vibration", "scent", "fog", "spraying", "temperature", "flash")
PLACES = [
    f"{x}:{z}" for x in ("left", "centerleft", "center", "centerright", "right") for z in ("back", "midway", "front")
]


def devices() -> dict[str, Any]:
    """Driven elsewhere, so that sixty of them are no sixty processes."""
    return {
        f"far-{n}": {
            "kind": "remote",
            "effects": [KINDS[n % len(KINDS)]],
            "location": PLACES[n % len(PLACES)] if n % 3 else "everywhere",
            "zones": [f"row-{n // 20}"],
        }
        for n in range(COUNT)
    }


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    gone = dict.fromkeys(("light", "wind", "vibration", "scent"))
    effects = {kind: {"duration_ms": 1000} for kind in KINDS}
    with Home(gone | devices(), page=True, effects=effects) as home:
        home.start_ready()
        yield home


def state(kind: str, intensity: float) -> dict[str, Any]:
    parameters = {"color": "#4080ff"} if kind in ("light", "flash") else {}
    return {"on": intensity > 0, "effect_type": kind, "intensity": intensity, "parameters": parameters,
            "effect_id": "e", "since": int(time.time() * 1000)}  # fmt: skip


def test_sixty_devices_change_twenty_times_a_second_and_all_of_it_is_drawn(home: Home, tab: Tab) -> None:
    client = home.client("nothing")
    for n in range(COUNT):
        client.publish(f"devices/far-{n}/availability", "online", retain=True)
    tab.open().live()
    tab.until(f"[...room.model.devices.values()].filter((device) => device.online).length === {COUNT}")
    done = threading.Event()

    def drive() -> None:
        for change in range(CHANGES):
            began = time.monotonic()
            for n in range(COUNT):
                level = (7 * n + 5 * change) % 100 + 1 if change < CHANGES - 1 else n + 1
                client.publish(f"devices/far-{n}/state", state(KINDS[n % len(KINDS)], level), retain=True)
            done.wait(max(0.0, 1 / HZ - (time.monotonic() - began)))
        done.set()

    driving = threading.Thread(target=drive)
    driving.start()
    tab.until("room.meter.figures.pictures > 0")
    driving.join(90)
    assert done.is_set()
    last = "[...room.model.devices.values()].every((device, n) => device.intensity === n + 1)"
    tab.until(last, "the last state of each")
    tab.until("[...room.stage.nodes.values()].every((node, n) => Math.abs(node.level - (n + 1) / 100) < 1e-9)")
    tab.says('#devices [data-key="far-59"]', "60 %")
    tab.find("#stop-all").click()
    tab.says("#stop-told", "0 off. Sent, but driven elsewhere: far-0, .* and 55 more")
    print("drawn:", tab.js("JSON.stringify(room.meter.figures)"))
    tab.picture("sixty")


@pytest.mark.parametrize("size", [WIDE, TABLET, PHONE], ids=["wide", "tablet", "phone"])
def test_none_of_sixty_stands_over_another(home: Home, tab: Tab, size: tuple[int, int]) -> None:
    tab.open(size=size).live()
    tab.until(f"document.querySelectorAll('#devices button').length === {COUNT}")
    boxes = tab.js(
        "[...document.querySelectorAll('#devices button')].map((button) => button.getBoundingClientRect().toJSON())"
    )
    room = tab.js("document.getElementById('room').getBoundingClientRect().toJSON()")
    for n, a in enumerate(boxes):
        assert room["left"] <= a["left"] and a["right"] <= room["right"]  # noqa: PT018
        assert room["top"] <= a["top"] and a["bottom"] <= room["bottom"]  # noqa: PT018
        for b in boxes[n + 1 :]:
            apart = (
                a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] <= b["top"] or b["bottom"] <= a["top"]
            )
            assert apart, (a, b)
    assert tab.accessible() == []
    tab.picture(f"sixty-{size[0]}")


def test_any_room_is_arranged_with_all_within_and_left_remains_left(home: Home, tab: Tab) -> None:
    """The arithmetic alone, in the browser that will do it: rooms by chance, from one device to a hundred."""
    tab.open().live()
    dice = random.Random(15)
    rooms = [
        [
            {
                "name": f"d{n}",
                "place": [dice.choice([None, 0, 1, 2, 3, 4]), None, dice.choice([None, 0, 1, 2])],
                "zones": [],
            }
            for n in range(count)
        ]
        for count in (1, 2, 3, 5, 8, 13, 21, 34, 55, 100)
        for _ in range(2)
    ]
    tab.driver.execute_script(
        "import('/static/place.js').then(({arrange}) => globalThis.arranged = arguments[0].map((devices) => "
        "{ const {size, spots} = arrange(devices, 1000, 620); return {size, spots: [...spots]}; }))",
        rooms,
    )
    for room, found in zip(rooms, tab.until("globalThis.arranged"), strict=True):
        spots = dict(found["spots"])
        assert spots.keys() == {device["name"] for device in room}
        size = found["size"]
        places = list(spots.values())
        for n, a in enumerate(places):
            assert size / 2 - 1 <= a["x"] <= 1001 - size / 2
            assert size / 2 - 1 <= a["y"] <= 621 - size / 2
            assert all(abs(a["x"] - b["x"]) >= size - 1 or abs(a["y"] - b["y"]) >= size - 1 for b in places[n + 1 :])
        left = [spots[device["name"]]["x"] for device in room if device["place"][0] == 0]
        right = [spots[device["name"]]["x"] for device in room if device["place"][0] == 4]
        if left and right:
            assert sum(left) / len(left) < sum(right) / len(right)
