"""What a device makes of an effect is not less than was asked, and what it makes nothing of is named."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import kinds, template
from effectd.config import reader
from effectd.messages.answers import Ack
from effectd.messages.effect import Effect
from tests.unit.delivery.room import Room


def light(intensity: float, **parameters: object) -> Effect:
    return Effect(id="e-1", effect_type="light", intensity=intensity, duration=1000, parameters=parameters)


ends = st.integers(-1000, 1000)


@given(intensity=st.floats(0.0001, 100), low=ends, high=ends)
def test_above_off_a_level_is_never_that_of_off_and_stays_within_the_scale(intensity, low, high):
    level = template.level(intensity, (low, high))
    assert (level == low) == (low == high)
    assert min(low, high) <= level <= max(low, high)


@given(intensity=st.floats(0, 100), low=ends, high=ends)
def test_a_level_is_the_nearest_one_but_for_that(intensity, low, high):
    exact = low + (high - low) * intensity / 100
    assert abs(template.level(intensity, (low, high)) - exact) <= 1


@pytest.mark.parametrize(
    ("intensity", "scale", "level"),
    [(0.1, (0, 254), 1), (0, (0, 254), 0), (0.1, (255, 0), 254), (0.1, (0, 1), 1), (1e-9, (0, 0.5), 0.0001)],
)
def test_the_smallest_step(intensity, scale, level):
    assert template.level(intensity, scale) == level


@pytest.mark.parametrize(
    ("color", "dimmed"),
    [("#ff8800", (1, 0, 0)), ("white", (1, 1, 1)), ("#000000", (0, 0, 0)), ("#0000ff", (0, 0, 1))],
)
def test_a_colour_that_is_on_is_not_black(color, dimmed):
    assert light(0.1, color=color).dimmed() == dimmed
    assert light(0, color=color).dimmed() == (0, 0, 0)
    assert light(0.1).level(255) == 1
    assert light(0).level(255) == 0


@pytest.mark.parametrize(
    ("kind", "options", "understood"),
    [
        ("mqtt", {"topic": "a", "payload": '{"c": "$hex", "w": $param_white}'}, {"color", "rgb", "white"}),
        ("mqtt", {"topic": "a"}, set()),
        (
            "http",
            {"url": "http://a/?s=${param_scent}", "off_url": "http://a/", "body": "$r"},
            {"scent", "color", "rgb"},
        ),
        ("serial", {"port": "a", "line": r"$param_pattern\n"}, {"pattern"}),
        ("serial", {"port": "a", "protocol": "ser", "actuator": "light"}, {"color", "rgb"}),
        ("serial", {"port": "a", "protocol": "playsem-fan"}, set()),
        ("gpio", {"pin": 18}, set()),
        ("virtual", {}, {"color", "rgb", "scent", "direction", "temperature", "pattern"}),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_each_kind_knows_which_parameters_it_understands(home, kind, options, understood, dry_run):
    device = {"kind": kind, "effects": ["light"], "options": options, "dry_run": dry_run}
    (home / "config.yaml").write_text(json.dumps({"devices": {"lamp": device}, "effects": {"light": {}}}))
    found = kinds.build("lamp", reader.load(home)).understands()
    assert found is not None
    assert set(found) == understood


@pytest.mark.parametrize(
    ("fan", "lamp", "reason"),
    [
        (("hs", "speed"), ("hs",), "not used: hs"),
        (("hs", "speed"), ("speed", "hs"), "not used: hs, speed"),
        (("hs",), msgspec.UNSET, ""),
        ((), (), ""),
    ],
)
def test_the_receipt_names_what_no_device_of_the_effect_understands(fan, lamp, reason):
    room = Room()
    room.delivery.ready("fan", "g1")
    room.delivery.ready("lamp", "g2")
    room.accept("e-1", "fan", "lamp")
    room.delivery.acked("fan", Ack(id="e-1", status="done", unused=fan))
    room.delivery.acked("lamp", Ack(id="e-1", status="done", unused=lamp))
    receipts = [message for topic, message in room.told if topic == "receipts/e-1"]
    assert (receipts[-1]["status"], receipts[-1]["reason"]) == ("done", reason)


def test_a_device_that_failed_does_not_count():
    room = Room()
    room.delivery.ready("fan", "g1")
    room.delivery.ready("lamp", "g2")
    room.accept("e-1", "fan", "lamp")
    room.delivery.acked("fan", Ack(id="e-1", status="done", unused=("hs",)))
    room.delivery.acked("lamp", Ack(id="e-1", status="failed", reason="no water"))
    (receipt,) = [message for topic, message in room.told if topic == "receipts/e-1"]
    assert (receipt["status"], receipt["reason"]) == ("partial", "lamp: no water; not used: hs")
