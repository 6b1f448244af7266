"""`effectd watch` on a terminal: the room as a person sees it, on a real home; and lines wherever there is none."""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.system.home import Client, Home, wait_for
from tests.system.terminal import Terminal


@pytest.fixture
def mqtt(shared_home: Home) -> Iterator[Client]:
    """A client that leaves the room dark and quiet for the next test."""
    client = shared_home.client()
    yield client
    client.publish("stop-all", "")
    wait_for(lambda: all(not client.state(device)["on"] for device in ("light", "wind", "vibration", "scent")))


def fan(terminal: Terminal) -> list[str]:
    """The braille of the picture in which the fan is drawn: its lines are those right of the light's, from the top."""
    rows = terminal.picture
    top = next(index for index, row in enumerate(rows) if "╭ wind" in row)
    left = rows[top].index("╭ wind")
    return ["".join(c for c in row[left : left + 16] if "⠀" <= c <= "⣿") for row in rows[top + 1 : top + 7]]


def test_the_fan_turns_while_the_wind_is_on_and_stands_when_it_is_off(shared_home: Home, mqtt: Client) -> None:
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows(r"(?s)online.*online.*online.*online.*6 ready|ready.*ready.*ready.*ready.*ready.*ready")
        mqtt.publish("effects/wind", {"id": "gust", "intensity": 60, "duration": 60000})
        terminal.shows(r"wind 60 %")
        seen: set[str] = set()
        wait_for(lambda: seen.add("\n".join(fan(terminal))) or len(seen) > 5, what="a fan that turns")
        shown = terminal.shows(r"(?s)gust.*latency \d+\.\d ms")
        assert re.search(r"5\d\.\d s left", shown)
        mqtt.publish("devices/wind/stop", "")
        terminal.shows(r"(?s)── not done: 1 .*stop +wind")
        wait_for(lambda: "60 %" not in "\n".join(terminal.picture), what="off")
        still, clock = fan(terminal), terminal.picture[0]
        wait_for(lambda: terminal.picture[0] != clock, what="the next second")
        assert fan(terminal) == still


def test_a_light_is_drawn_in_its_colour_and_an_effect_that_is_refused_is_told(shared_home: Home, mqtt: Client) -> None:
    with Terminal(shared_home, "watch", COLORTERM="truecolor") as terminal:
        terminal.shows("light")
        mqtt.publish("effects/light", {"intensity": 100, "duration": 60000, "parameters": {"rgb": [1, 2, 253]}})
        terminal.shows(r"light 100 %")
        assert re.search(r"\x1b\[[0-9;]*38;2;1;2;253m█", terminal.raw)
        mqtt.publish("effects/wind", {"id": "wrong", "intensity": 700})
        terminal.shows(r"refused +wind +intensity: a number from 0 to 100")


def test_no_color_is_respected(shared_home: Home, mqtt: Client) -> None:
    with Terminal(shared_home, "watch", COLORTERM="truecolor", NO_COLOR="1") as terminal:
        mqtt.publish("effects/light", {"intensity": 30, "duration": 60000})
        terminal.shows(r"▒▒▒▒.*light 30 %")
        assert not re.search(r"\x1b\[[0-9;]*(3[0-8]|9[0-7])[;m]", terminal.raw)


def test_a_device_whose_driver_is_stopped_is_clearly_offline_and_back_when_it_is_back(shared_home: Home) -> None:
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows(r"╭ wind ─+ online")
        shared_home.order("stop", "wind")
        terminal.shows(r"(?s)╭ wind ─+ offline.*\n wind  gone  \d+ s")
        shared_home.order("start", "wind")
        terminal.shows(r"╭ wind ─+ online")
    shared_home.wait_ready()
    shared_home.pids()


def test_what_is_not_in_force_is_shown_within_seconds_and_no_more_once_it_is(shared_home: Home) -> None:
    before = (shared_home.path / "config.yaml").read_text()
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows(r"╭ wind ─+ online")
        (shared_home.path / "config.yaml").write_text(
            before.replace("effects:\n    - wind", "curve: 2\n    effects:\n    - wind")
        )
        terminal.shows(r" wind  ready  .*stale: curve")
        (shared_home.path / "config.yaml").write_text(before)
        wait_for(lambda: "stale" not in "\n".join(terminal.picture), what="nothing stale")


@pytest.mark.parametrize("end", ["\x03", "q"])
def test_ctrl_c_and_q_end_it_with_0_and_leave_the_terminal_as_it_was(shared_home: Home, end: str) -> None:
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows("online")
        terminal.type("typed")
        assert terminal.settings() != terminal.before
        terminal.type(end)
        assert terminal.end() == 0
        wait_for(lambda: terminal.raw.endswith("\x1b[?1049l"), what="the other screen left")
        assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")
        assert terminal.settings() == terminal.before
        assert "typed" not in terminal.raw
        assert "Traceback" not in terminal.raw


def test_a_terminated_watch_leaves_the_terminal_as_it_was(shared_home: Home) -> None:
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows("online")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.end()
        wait_for(lambda: terminal.raw.endswith("\x1b[?1049l"), what="the other screen left")
        assert terminal.settings() == terminal.before


def test_the_picture_follows_the_size_of_the_terminal(shared_home: Home) -> None:
    with Terminal(shared_home, "watch", COLUMNS="80", LINES="24") as terminal:
        for columns, lines in ((80, 24), (120, 40), (40, 12), (80, 24)):
            terminal.resize(columns, lines)
            wait_for(lambda at=(columns, lines): (len(max(terminal.picture, default="")), len(terminal.picture)) == at)
            assert {len(line) for line in terminal.picture} == {columns}


def test_a_dark_room_is_drawn_about_once_a_second_and_a_moving_one_at_most_15_times(
    shared_home: Home, mqtt: Client
) -> None:
    def seconds(terminal: Terminal) -> int:
        hours, minutes, seconds = map(int, re.findall(r"\d\d:\d\d:\d\d", terminal.picture[0])[0].split(":"))
        return (hours * 60 + minutes) * 60 + seconds

    def drawn_in(terminal: Terminal, span: int) -> int:
        began, drawn = seconds(terminal), terminal.drawn
        wait_for(lambda: seconds(terminal) >= began + span, what="time passes")
        return terminal.drawn - drawn

    with Terminal(shared_home, "watch") as terminal:
        terminal.shows(r"(?s)online.*online.*online.*online")
        wait_for(lambda: drawn_in(terminal, 1) <= 3, what="all that is kept by the broker is heard")
        assert drawn_in(terminal, 3) <= 6
        mqtt.publish("effects/wind", {"intensity": 100, "duration": 60000})
        terminal.shows("wind 100 %")
        assert 6 < drawn_in(terminal, 3) <= 4 * 15 + 1


def test_the_death_of_the_broker_is_told_and_survived(shared_home: Home, mqtt: Client) -> None:
    with Terminal(shared_home, "watch") as terminal:
        terminal.shows(r"╭ wind ─+ online")
        shared_home.order("stop", "broker")
        terminal.shows(r"no connection to the broker: cannot connect to run/broker\.sock")
        shared_home.order("start", "broker")
        terminal.shows(r"╭ wind ─+ online")
        shared_home.wait_ready()
        shared_home.pids()
        mqtt.publish("effects/wind", {"intensity": 44, "duration": 5000})
        terminal.shows("wind 44 %")


def test_a_room_without_a_broker_says_so_and_ends_at_ctrl_c() -> None:
    with Home() as home, Terminal(home, "watch") as terminal:
        terminal.shows("no connection to the broker: cannot connect to run/broker.sock")
        terminal.type("\x03")
        assert terminal.end() == 0


def test_lines_are_printed_on_a_terminal_where_they_are_asked_for(shared_home: Home, mqtt: Client) -> None:
    with Terminal(shared_home, "watch", "--lines") as terminal:
        terminal.shows(r"watching 127\.0\.0\.1")
        mqtt.publish("effects/wind", {"id": "lined", "intensity": 20, "duration": 100})
        terminal.shows(r"receipt +\S*done\S* +wind .* lined")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert "\x1b[?1049h" not in terminal.raw


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_a_terminal_that_cannot_show_the_picture_gets_lines(shared_home: Home, term: str) -> None:
    with Terminal(shared_home, "watch", TERM=term) as terminal:
        terminal.shows(r"watching 127\.0\.0\.1")
        assert "\x1b[?1049h" not in terminal.raw
