"""The room as it is drawn: what must be seen at every size, nothing wider than the terminal, and what moves moves."""

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from effectd.cli.watch import draw, pictures
from effectd.config.schema import Device
from tests.unit.watch_story import DEVICES, Story

KINDS = ("light", "wind", "vibration", "scent", "fog", "temperature")
TWENTY = {f"{KINDS[i % 6]}-{i:02d}": Device("virtual", (KINDS[i % 6],)) for i in range(20)}
SIZES = [(80, 24), (120, 40), (200, 60)]


def printed(story: Story, width: int, height: int, **console: Any) -> str:
    """The frame as rich prints it; without colours unless they are asked for."""
    out = io.StringIO()
    on = Console(file=out, width=width, height=height, legacy_windows=False, **console)
    on.print(draw.draw(story.room, width, height, colour=not on.no_color), end="")
    return out.getvalue()


def lines(story: Story, width: int, height: int) -> list[str]:
    return printed(story, width, height).split("\n")[:-1]


def picture(story: Story, device: str, height: int = 6) -> list[str]:
    """Only what the device looks like now."""
    drawn = pictures.picture(story.room.devices[device], story.room.now(), height, colour=True)
    return ["".join(segment.text for segment in line) for line in drawn]


def four_on() -> Story:
    story = Story(DEVICES | {"wind": Device("virtual", ("wind",))}).ready()
    story.on("light", 70, 3000, color="orange")
    story.on("wind", 60, 2000)
    story.on("vibration", 100, 2000)
    story.on("scent", 40, 2000, scent="lavender")
    return story


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_room_shows_each_device_with_what_it_does_and_how_fast_it_was_reached(width: int, height: int):
    story = four_on()
    story.at = 0.5
    text = "\n".join(lines(story, width, height))
    for device in DEVICES:
        assert re.search(rf"\b{device}\b", text)
    for said in ("70 %", "60 %", "100 %", "40 %", "1.5 s left", "2.5 s left", "2.5 ms", "ready 5 s"):
        assert said in text
    assert "127.0.0.1:1883" in text
    assert "2.0 effects/s" in text
    assert "not done: none yet" in text


def test_the_ids_and_the_colours_stand_beside_their_devices_where_there_is_room():
    story = four_on()
    text = "\n".join(lines(story, 120, 40))
    assert {"light-0", "wind-0", "vibration-0", "scent-0", "orange"} <= set(text.split())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_with_twenty_devices_each_is_still_there_with_what_it_does(width: int, height: int):
    story = Story(TWENTY).ready()
    for number, device in enumerate(TWENTY):
        story.on(device, 20 + number)
    text = " ".join(lines(story, width, height))
    for number, device in enumerate(TWENTY):
        assert device[:10] in text
        assert f"{20 + number} %" in text
    assert "22 ready" in text or text.count("ready") >= 22


def test_who_holds_what_and_why_is_said_and_each_device_says_why_it_is_kept_off():
    story = Story().ready()
    holds = [
        {"name": "door", "reason": "open", "target": None, "since": 1},
        {"name": "anna", "target": ["wind"], "since": 2},
    ]
    story.say("system/holds", holds, retained=True)
    story.say("devices/wind/state", {"on": False, "reason": "held by door: open"}, retained=True)
    story.say("devices/scent/state", {"on": False, "reason": "budget: free again in 50 s"}, retained=True)
    shown = lines(story, 80, 24)
    assert " held by door: open; held by anna (only wind)" in shown[1]
    text = "\n".join(shown)
    assert "held by door:" in text.replace(shown[1], "")
    assert "budget: free" in text
    for nonsense in (b"", b"{}", b"[1]", b"[" * 100_000):
        story.say("system/holds", nonsense)
        assert "door" not in lines(story, 80, 24)[1]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_device_that_is_offline_is_said_to_be_so_and_its_program_to_be_gone(width: int, height: int):
    story = four_on()
    story.say("devices/wind/availability", b"offline")
    story.say("system/wind/state", {"state": "gone"})
    text = "\n".join(lines(story, width, height))
    assert "offline" in text
    assert re.search(r"wind +gone", text)
    assert "60 %" not in text


def test_the_reason_of_a_program_that_is_not_ready_is_told_before_those_that_are_ready():
    story = Story(TWENTY).ready()
    story.say("system/wind-07/state", {"state": "waiting", "reason": "no port /dev/ttyUSB0", "at": 1_700_000_000_000})
    shown = lines(story, 80, 24)
    at = next(index for index, line in enumerate(shown) if "── programs" in line)
    assert shown[at + 1].startswith(" wind-07  waiting  0 s  no port /dev/ttyUSB0")
    assert "21 ready: broker, dispatcher" in shown[at + 2]


def test_timelines_that_play_are_shown_with_where_they_are_until_they_end():
    story = four_on()
    playing = {"status": "playing", "position_ms": 61_500, "duration_ms": 3_600_000}
    story.say("timelines/film/state", playing)
    story.say("timelines/rain/state", {"status": "paused", "position_ms": 0, "duration_ms": 5000})
    story.say("timelines/odd/state", {"status": "playing", "position_ms": "x" * 9000, "duration_ms": -1})
    story.at += 2
    assert any(
        "timelines  film 1:03.5 / 1:00:00.0, rain paused 0:00.0 / 0:05.0" in line for line in lines(story, 100, 30)
    )
    story.say("timelines/film/state", playing | {"status": "ended"})
    story.say("timelines/rain/state", b"")
    assert not any("timelines" in line for line in lines(story, 100, 30))


def test_what_was_not_done_is_told_the_latest_first():
    story = four_on()
    story.say("dead-letters/malformed", {"topic": "effects/wind", "detail": "neither JSON nor a bare word"})
    story.say("receipts/e-7", {"status": "expired", "effect_type": "wind", "reason": "arrived after its deadline"})
    shown = lines(story, 100, 30)
    at = next(index for index, line in enumerate(shown) if "── not done: 2" in line)
    assert "expired       wind  arrived after its deadline  e-7" in shown[at + 1]
    assert "malformed     effects/wind  neither JSON nor a bare word" in shown[at + 2]


def test_the_room_says_that_the_broker_is_away_and_claims_nothing_meanwhile():
    story = four_on()
    story.room.lost("connection to 127.0.0.1:1883 lost")
    text = "\n".join(lines(story, 80, 24))
    assert "no connection to the broker: connection to 127.0.0.1:1883 lost" in text
    assert "the states of programs are unknown" in text
    assert "%" not in text
    assert "ready" not in text
    assert "online" not in text


def test_devices_stand_left_center_and_right_where_they_are_placed():
    shown = lines(four_on(), 120, 40)
    titles = next(line for line in shown if "── left" in line)
    left, center, right = (titles.index(f"── {title}") for title in ("left", "center", "right"))
    row = next(line for line in shown if "╭ light" in line)
    assert left <= row.index("light") < center <= row.index("scent") < right <= row.index("vibration")
    below = next(index for index, line in enumerate(shown) if "── everywhere" in line)
    assert "wind" in shown[below + 1]


def test_the_top_of_a_place_is_above_its_bottom():
    places = {"low": "left:bottom", "high": "left:top", "somewhere": "left"}
    shown = lines(Story({name: Device("virtual", ("light",), place) for name, place in places.items()}), 120, 40)
    rows = [next(index for index, line in enumerate(shown) if name in line) for name in ("high", "somewhere", "low")]
    assert rows == sorted(rows)


def test_in_a_narrow_terminal_the_places_give_way_to_rows():
    text = "\n".join(lines(four_on(), 50, 24))
    assert "── left" not in text
    assert "vibration" in text


def test_where_not_all_fit_those_that_are_on_come_first_and_the_others_are_counted():
    story = Story(TWENTY).ready()
    story.on("temperature-17")
    text = "\n".join(lines(story, 40, 10))
    assert "temperature" in text.split("\n")[1]
    assert re.search(r"and \d+ more devices, 0 of them on", text)


@pytest.mark.parametrize("device", ["wind", "vibration", "scent"])
def test_what_moves_looks_different_a_moment_later_while_it_is_on_and_the_same_when_it_is_off(device: str):
    story = Story().ready()
    still = picture(story, device)
    story.at = 0.1
    assert picture(story, device) == still
    story.on(device, 80, 60000)
    seen = set()
    for frame in range(10):
        story.at = 1 + frame / pictures.FRAMES_HZ
        seen.add("\n".join(picture(story, device)))
    assert len(seen) > 3
    story.say(f"devices/{device}/availability", b"offline")
    still = picture(story, device)
    story.at += 0.1
    assert picture(story, device) == still


@pytest.mark.parametrize("height", [6, 4])
def test_a_fan_turns_faster_the_stronger_it_blows(height: int):
    turns = []
    for intensity in (10, 50, 100):
        story = Story().ready()
        story.on("wind", intensity, 60000)
        before, changes = picture(story, "wind", height), 0
        for frame in range(60):
            story.at = frame / 60
            now = picture(story, "wind", height)
            changes += now != before
            before = now
        turns.append(changes)
    assert turns == sorted(set(turns))


def test_a_lamp_is_a_block_of_its_colour_that_is_darker_the_weaker_it_is():
    story = Story().ready()
    shades = []
    for intensity in (100, 25):
        story.on("light", intensity, rgb=[255, 128, 0])
        lamp = pictures.picture(story.room.devices["light"], story.room.now(), 4, colour=True)
        assert {segment.text for line in lamp for segment in line} == {"████████"}
        shades.append(lamp[1][0].style.color.triplet)
    assert [tuple(shade) for shade in shades] == [(255, 128, 0), (128, 64, 0)]


def test_without_colours_a_lamp_is_denser_the_brighter_it_is():
    story = Story().ready()
    seen = []
    for intensity in (10, 40, 60, 100):
        story.on("light", intensity)
        seen.append(pictures.picture(story.room.devices["light"], story.room.now(), 4, colour=False)[0][0].text[0])
    assert seen == ["░", "▒", "▓", "█"]


def test_a_scent_drifts_in_the_letters_of_its_name():
    story = Story().ready()
    story.on("scent", 100, scent="musk")
    assert set("".join(picture(story, "scent", 8))) >= set("musk")


@pytest.mark.parametrize(("intensity", "full"), [(0, 0), (50, 3), (100, 7)])
def test_any_other_type_is_a_vessel_filled_to_its_intensity(intensity: int, full: int):
    story = Story({"fog": Device("virtual", ("fog",))}).ready()
    story.on("fog", intensity)
    assert sum("█" in line for line in picture(story, "fog", 8)) == full


def test_without_colours_there_is_no_colour_in_what_is_written():
    story = four_on()
    story.room.lost("away")
    story.room.connected()
    story.ready()
    story.on("light", color="red")
    told = {"width": 80, "height": 24, "force_terminal": True, "color_system": "truecolor"}
    assert re.search(r"\x1b\[[0-9;]*38;2", printed(story, **told))
    colours = re.findall(r"\x1b\[([0-9;]*)m", printed(story, **told, no_color=True))
    assert {code for codes in colours for code in codes.split(";")} <= {"", "0", "1", "2", "7"}


def test_a_room_in_which_nothing_is_on_is_drawn_once_a_second_and_at_most_15_times_while_something_moves():
    story = Story().ready()
    assert draw.pace(story.room) == 1.0
    story.on("light", duration=2000)
    assert draw.pace(story.room) == pytest.approx(0.2)
    story.on("wind", duration=2000)
    assert draw.pace(story.room) == pytest.approx(1 / 15)
    story.say("devices/wind/state", {"on": False})
    story.say("devices/light/state", {"on": False})
    assert draw.pace(story.room) == 1.0


names = st.text(st.sampled_from("abcdefghijklmnop-0123456789"), min_size=1, max_size=31).map(lambda name: "d" + name)
rooms = st.dictionaries(
    names, st.tuples(st.sampled_from(KINDS), st.sampled_from(["everywhere", "left", "right:top"])), max_size=30
)


@given(rooms, st.integers(1, 220), st.integers(1, 70), st.integers(0, 3))
def test_no_line_is_ever_wider_and_no_picture_higher_than_the_terminal(
    devices: dict[str, tuple[str, str]], width: int, height: int, every: int
):
    story = Story({name: Device("virtual", (kind,), place) for name, (kind, place) in devices.items()}).ready()
    for index, device in enumerate(devices):
        if every and index % every == 0:
            story.on(device, 50, color="字" * 30, scent="香り")
    story.say("receipts/x", {"status": "failed", "effect_type": "字" * 60, "reason": "字" * 300})
    story.say("system/broker/state", {"state": "degraded", "reason": "字" * 300})
    shown = lines(story, width, height)
    assert len(shown) <= height
    assert max(map(cell_len, shown), default=0) <= width
