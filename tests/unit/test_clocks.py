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
        ((11, 59, 59, 29, 3), 12 * 3_600_000 - 1000 / 30),
    ],
)
def test_timecode_is_read_at_each_rate(said: tuple[int, int, int, int, int], ms: float) -> None:
    assert len(packet(*said)) == timecode.BYTES
    assert timecode.position(packet(*said), "00:00:00") == pytest.approx(ms)


@given(st.binary(max_size=40))
def test_no_packet_breaks_the_reader(data: bytes) -> None:
    for each in (data, b"Art-Net\0\x00\x97" + data):
        found = timecode.position(each, "00:00:00:00")
        assert found is None or abs(found) <= 12 * 3_600_000


def test_a_position_is_right_over_midnight_and_negative_before_the_offset() -> None:
    assert timecode.position(packet(0, 0, 1, 0, 1), "23:59:59:00") == 2000
    assert timecode.position(packet(0, 59, 50, 0, 1), "01:00:00:00") == -10_000
    assert timecode.position(packet(1, 0, 0, 5, 1), "01:00:00:02") == 120


@pytest.mark.parametrize(("kind", "fps"), [(0, 24), (1, 25), (2, 30), (3, 30)])
def test_the_last_frame_of_a_day_is_followed_by_the_first_of_the_next(kind: int, fps: int) -> None:
    frame = 1001 / 30 if kind == 2 else 1000 / fps
    begin = "23:50:00:00"
    last, first = (timecode.position(packet(*at, kind), begin) for at in ((23, 59, 59, fps - 1), (0, 0, 0, 0)))
    assert last is not None
    assert first is not None
    assert first - last == pytest.approx(frame)
    assert first == pytest.approx(600_000, abs=2)


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


def test_with_drop_frames_it_goes_on_over_midnight_in_step(room: Room) -> None:
    follower = Follower(room.conductor, "film")
    show = room.conductor.shows["film"]
    labels = [(23, 59, second, frame, 2) for second in range(50, 60) for frame in range(30)]
    labels += [(0, 0, second, frame, 2) for second in range(10) for frame in range(30)]
    counts = set()
    for number, label in enumerate(labels):
        room.after(1001 / 30)
        position = timecode.position(packet(*label), "23:59:45")
        assert position is not None
        follower.heard(position)
        if number > 1:
            counts.add(len(room.sent))
            assert abs(show.position(room.now()) - position) < 1001 / 30, label
    assert len(counts) == 1, "no jump: nothing was restored"


@pytest.mark.parametrize("jitter", [-1, 0, 1])
def test_a_film_that_stands_on_a_frame_is_idle_within_100_ms_however_its_frames_come(room: Room, jitter: int) -> None:
    follower = Follower(room.conductor, "film")
    looks: list[float] = []

    def look() -> None:
        looks.append(room.now())
        follower.look()
        room.loop.call_later(follower.look_again_in() / 1000, look)

    look()
    frames(room, follower, 5000, 50)
    assert room.levels() == {"fan": 40}
    stood = room.now()
    for _ in range(2):
        room.after(40 + jitter)
        follower.heard(5000 + 49 * 40)
    room.after(95 - (room.now() - stood))
    assert room.levels() == {}
    assert len(looks) < 2500 / 30, "no oftener than frames come"


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
