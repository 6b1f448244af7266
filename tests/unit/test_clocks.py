"""Somebody's clock moves a timeline: timecode is read right, and the timeline plays, idles and jumps with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher_proc import timecode
from dispatcher_proc.follower import Follower
from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.reader import Config
from effectd.config.schema import ArtNetClock, MpvClock
from tests.unit.timelines.room import Room, config, wind

__all__ = ["config"]  # a fixture


def packet(hours: int, minutes: int, seconds: int, frames: int, kind: int) -> bytes:
    return b"Art-Net\0\x00\x97\x00\x0e\x00\x00" + bytes([frames, seconds, minutes, hours, kind])


@pytest.mark.parametrize(
    ("said", "ms"),
    [
        ((0, 0, 1, 12, 0), 1500.0),
        ((1, 0, 0, 24, 1), 3_600_960.0),
        ((0, 1, 0, 2, 2), 1800 * 1001 / 30),  # 00:00:59:29 is followed by 00:01:00:02
        ((0, 10, 0, 0, 2), 17982 * 1001 / 30),
        ((23, 59, 59, 29, 3), timecode.DAY_MS - 1000 / 30),
    ],
)
def test_timecode_is_read_at_each_rate(said: tuple[int, int, int, int, int], ms: float) -> None:
    assert len(packet(*said)) == timecode.BYTES
    assert timecode.decode(packet(*said)) == pytest.approx(ms)


@given(st.binary(max_size=40))
def test_no_packet_breaks_the_reader(data: bytes) -> None:
    for each in (data, b"Art-Net\0\x00\x97" + data):
        found = timecode.decode(each)
        assert found is None or 0 <= found < timecode.DAY_MS


def test_a_position_is_right_over_midnight_and_negative_before_the_offset() -> None:
    assert timecode.since(1000, timecode.offset_ms("23:59:59:00")) == 2000
    assert timecode.since(timecode.offset_ms("00:59:50"), timecode.offset_ms("01:00:00:00")) == -10_000


@pytest.fixture
def room(config: Config) -> Room:
    room = Room(config)
    room.load("film", wind(0, 60_000, 40), wind(60_000, 30_000, 80))
    return room


def frames(room: Room, follower: Follower, first: float, count: int, step: float = 40.0) -> None:
    """So many frames of 25 a second, with the network's jitter."""
    for number in range(count):
        room.after(40 + (-3, 2, 0, 5, -4)[number % 5])
        follower.heard(first + number * step)
        follower.look()


def test_it_plays_with_the_clock_within_a_frame_and_idles_within_100_ms_when_it_stands(room: Room) -> None:
    follower = Follower(room.conductor, "film")
    show = room.conductor.shows["film"]
    frames(room, follower, 5000, 50)
    assert abs(show.position(room.now()) - (5000 + 49 * 40)) < 40
    count = len(room.sent)
    frames(room, follower, 7000, 200)
    assert len(room.sent) == count, "in step, nothing has to be restored"
    for _ in range(3):  # the film stands: the same frame again and again
        room.after(33)
        follower.heard(7000 + 199 * 40)
        follower.look()
    assert room.levels() == {}
    assert show.status == "paused"
    frames(room, follower, 15_000, 5)
    assert room.levels() == {"fan": 40}
    assert len(room.sent) == count + 2


def test_a_jump_is_a_seek_and_the_end_of_the_clock_is_a_second_of_its_own_and_then_idle(room: Room) -> None:
    follower = Follower(room.conductor, "film")
    frames(room, follower, 5000, 10)
    frames(room, follower, 70_000, 10)
    assert room.levels() == {"fan": 80}
    for _ in range(18):
        room.after(50)
        follower.look()
    assert room.levels() == {"fan": 80}
    for _ in range(4):
        room.after(50)
        follower.look()
    assert room.levels() == {}


def test_before_its_offset_it_does_not_play_and_it_begins_at_the_offset(room: Room) -> None:
    follower = Follower(room.conductor, "film")
    frames(room, follower, -400, 10)
    assert room.levels() == {}
    frames(room, follower, 0, 10)
    assert room.levels() == {"fan": 40}


def test_what_somebody_has_stopped_stays_so_until_the_clock_has_stood_still(room: Room) -> None:
    follower = Follower(room.conductor, "film")
    frames(room, follower, 5000, 10)
    room.conductor.stop("film")
    frames(room, follower, 5400, 50)
    assert room.levels() == {}
    room.after(2000)
    follower.look()
    frames(room, follower, 9000, 10)
    assert room.levels() == {"fan": 40}


BASE = "devices:\n  fan: {kind: virtual, effects: [wind]}\neffects: {wind: {}}\ntimelines:\n"


def test_a_clock_is_configured_by_its_kind(tmp_path) -> None:
    for text, clock in (
        ("  clock: {kind: artnet, timeline: film}", ArtNetClock("film")),
        ("  clock: {kind: mpv, timeline: film, socket: /tmp/mpv}", MpvClock("film", "/tmp/mpv")),
        ("  clock: null", None),
    ):
        (tmp_path / "config.yaml").write_text(f"{BASE}{text}\n")
        assert reader.load(tmp_path).timelines.clock == clock


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  clock: {kind: sundial, timeline: film}", "config.yaml:5: timelines.clock"),
        ("  clock: {kind: artnet}", "timeline"),
        ('  clock: {kind: artnet, timeline: film, offset: "25:00:00"}', "timelines.clock.offset"),
        ("  clock: {kind: mpv, timeline: film}", "socket"),
        ("  clocks: null", "timelines.clocks"),
    ],
)
def test_a_wrong_clock_is_refused_at_its_line(tmp_path, text: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(f"{BASE}{text}\n")
    with pytest.raises(ConfigError) as refused:
        reader.load(tmp_path)
    print(refused.value)
    assert said in str(refused.value)
