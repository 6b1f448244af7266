"""Effects as clients really publish them, by mosquitto_pub, through all processes."""

import json
import subprocess
import time
from typing import Any

import pytest

from tests.needs import need
from tests.system.home import Client, Home, wait_for


def publish(home: Home, topic: str, payload: str) -> None:
    """With Debian's own client: one process, one message, QoS 0."""
    need("mosquitto_pub", "mosquitto-clients")
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.port), "-t", topic, "-m", payload], check=True, timeout=20
    )


# What Python_PlaySEM's clients send: its fields, its topics, its defaults; in each the rest of the topic says nothing.
PLAYSEM: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "effects/vibration",
        {"effect_type": "vibration", "timestamp": 0, "duration": 500, "intensity": 80, "location": "everywhere"},
        "vibration",
        {"intensity": 80},
    ),
    (
        "effects/light",
        {
            "effect_type": "light",
            "timestamp": 1000,
            "duration": 2000,
            "intensity": 100,
            "location": "left",
            "parameters": {"color": "#FF0000"},
            "event_id": 7,
        },
        "light",
        {"intensity": 100, "parameters": {"color": "#FF0000"}},
    ),
    (
        "effects/demo_device",
        {
            "effect_type": "wind",
            "duration": 1000,
            "intensity": 55.5,
            "parameters": {"direction": "front", "ttl_ms": 3000},
        },
        "wind",
        {"intensity": 55.5},
    ),
    (
        "effects/test",
        {"effect_type": "scent", "intensity": None, "parameters": {"scent": "rose"}, "message_id": 12},
        "scent",
        {"intensity": 100, "parameters": {"scent": "rose"}},
    ),
    (
        "effects/test",
        {"effect_type": "light", "intensity": "low", "idempotency_key": "k-1", "message_id": "m"},
        "light",
        {"intensity": 25},
    ),
]


@pytest.mark.parametrize(("topic", "payload", "device", "expected"), PLAYSEM)
def test_what_python_playsems_clients_send_ends_done_with_the_right_state(
    shared_home: Home, topic: str, payload: dict[str, Any], device: str, expected: dict[str, Any]
) -> None:
    client = shared_home.client()
    publish(shared_home, topic, json.dumps(payload))
    state = wait_for(lambda: (s := client.state(device)) and s["on"] and s, what="the device on")
    assert expected.items() <= state.items()
    receipt = client.receipt(state["effect_id"])
    assert receipt["status"] == "done"
    assert receipt["devices"] == {device: "done"}
    assert receipt["event_id"] == payload.get("event_id")
    wait_for(lambda: not client.state(device)["on"], what="the device off by itself")


@pytest.mark.parametrize(("word", "intensity"), [("60", 60), ("12.5", 12.5), ("low", 25), ('"high"', 100)])
def test_a_bare_number_or_word_is_the_intensity(shared_home: Home, word: str, intensity: float) -> None:
    client = shared_home.client()
    publish(shared_home, "effects/wind", word)
    wait_for(lambda: (s := client.state("wind")) and s["on"] and s["intensity"] == intensity, what="wind on")
    publish(shared_home, "effects/wind", "off")
    wait_for(lambda: not client.state("wind")["on"], what="wind off")


def test_an_effect_ends_by_itself_after_its_duration(shared_home: Home) -> None:
    client = shared_home.client()
    client.publish("effects/scent", {"id": "d", "duration": 400})
    wait_for(lambda: (s := client.state("scent")) and s["effect_id"] == "d", what="scent on")
    wait_for(lambda: not client.state("scent")["on"], what="scent off")
    on, off = client.json("devices/scent/state")[-2:]
    assert 350 <= off["since"] - on["since"] <= 2000


def test_a_limit_clamps_and_the_state_shows_it() -> None:
    with Home(
        {"wind": {"kind": "virtual", "effects": ["wind"], "limits": {"max_intensity": 40, "max_on_ms": 300}}}
    ) as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", {"id": "c", "intensity": 90, "duration": 0})
        assert client.receipt("c")["status"] == "done"
        wait_for(lambda: (s := client.state("wind")) and s["intensity"] == 40, what="clamped")
        wait_for(lambda: not client.state("wind")["on"], what="off after max_on_ms though duration is 0")


HOSTILE: list[tuple[bytes, str, str]] = [
    (b"\xff\xfe", "malformed", "not UTF-8"),
    (b"{", "malformed", "neither JSON"),
    (b"[" * 5000, "malformed", ""),
    (b'"' + b"x" * 70_000 + b'"', "malformed", "payload of 70002 bytes"),
    (b'{"intensity": 101}', "refused", "intensity: a number from 0 to 100"),
    (b'{"intensity": []}', "refused", "intensity: a number from 0 to 100"),
    (b'{"intensty": 10}', "refused", "intensty: unknown field"),
    (b'{"duration": -1}', "refused", "duration: a whole number of ms"),
    (b'{"id": "no blanks"}', "refused", "id: 1 to 64 characters"),
    (b'{"location": "upstairs"}', "refused", "location: 'upstairs' is not a place"),
    (b"storm", "refused", "intensity: unknown label; known are off, low, medium, high"),
    (b'{"effect_type": "thunder"}', "refused", "effect_type: unknown; known are light, wind"),
    (b"[1]", "refused", "payload: a JSON object"),
]


@pytest.mark.parametrize(("payload", "word", "detail"), HOSTILE)
def test_bad_input_gets_one_clear_refusal_and_changes_nothing(
    shared_home: Home, payload: bytes, word: str, detail: str
) -> None:
    client = shared_home.client()
    pids = shared_home.pids()
    client.publish("effects/wind", payload)
    letters = wait_for(lambda: client.json(f"dead-letters/{word}"), what="a dead letter")
    good = f"good-{time.monotonic_ns()}"
    client.publish("effects/wind", {"id": good, "duration": 10})
    assert client.receipt(good)["status"] == "done"
    assert detail in letters[0]["detail"]
    assert letters[0]["topic"] == "effects/wind"
    assert [topic for topic, _ in client.heard if topic.startswith("dead-letters/")] == [f"dead-letters/{word}"]
    assert shared_home.pids() == pids


def test_a_refused_effect_tells_its_publisher_the_field_and_the_rule(shared_home: Home) -> None:
    client = shared_home.client()
    client.publish("effects/wind", {"id": "r", "priority": 10})
    receipt = client.receipt("r")
    assert receipt["status"] == "refused"
    assert receipt["reason"] == "priority: a whole number from 0 to 9"


def test_a_retained_effect_is_never_kept_by_our_broker(shared_home: Home) -> None:
    client = shared_home.client()
    client.publish("effects/light", {"id": "kept", "duration": 10}, retain=True)
    client.receipt("kept")
    later = Client(shared_home.port, "effects/#", "receipts/#")
    later.publish("effects/light", {"id": "probe", "duration": 10})
    later.receipt("probe")
    assert [json.loads(p)["id"] for p in later.on("effects/light")] == ["probe"]
    later.close()


def test_stop_all_switches_off_at_once_and_says_so(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("light", "wind"):
        client.publish(f"effects/{effect}", {"id": f"s-{effect}", "duration": 0})
        client.receipt(f"s-{effect}")
        wait_for(lambda effect=effect: client.state(effect)["on"], what="on")
    publish(shared_home, "stop-all", "now")
    wait_for(lambda: not client.state("light")["on"] and not client.state("wind")["on"], what="both off")


def test_stop_of_one_device_leaves_the_others_on(shared_home: Home) -> None:
    client = shared_home.client()
    for effect in ("light", "wind"):
        client.publish(f"effects/{effect}", {"id": f"o-{effect}", "duration": 0})
        client.receipt(f"o-{effect}")
        wait_for(lambda effect=effect: client.state(effect)["on"], what="on")
    client.publish("devices/wind/stop", "")
    wait_for(lambda: not client.state("wind")["on"], what="wind off")
    assert client.state("light")["on"]
    client.publish("effects/light", "off")
    wait_for(lambda: not client.state("light")["on"], what="light off")


def test_system_states_are_told_at_each_change(shared_home: Home) -> None:
    client = shared_home.client()
    assert wait_for(lambda: client.json("system/wind/state"), what="retained")[-1]["state"] == "ready"
    shared_home.ctl("stop", "wind")
    wait_for(lambda: client.json("system/wind/state")[-1]["state"] == "gone", what="gone")
    shared_home.ctl("start", "wind")
    line = wait_for(lambda: (line := client.json("system/wind/state")[-1])["state"] == "ready" and line, what="ready")
    assert line["contract"] == 2
    assert line["pid"] == shared_home.pid("wind")
    shared_home.wait_ready()


def test_under_a_topic_root_every_topic_moves_and_nothing_else_is_touched() -> None:
    with Home(topic_root="house/room1") as home:
        home.start_ready()
        client = home.client()
        client.publish("effects/wind", 50)
        client.publish("house/room1/effects/wind", {"id": "rooted", "intensity": 50})
        wait_for(lambda: client.on("house/room1/receipts/rooted"), what="the receipt")
        ours = [topic for topic, _ in client.heard if topic != "effects/wind"]
        assert all(topic.startswith("house/room1/") for topic in ours)
