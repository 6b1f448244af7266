"""A press holds, at once and by every way there is; a contact releases by itself, and a broken wire holds."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from buttons_proc.buttons import Buttons
from effectd.base.errors import ConfigError
from effectd.config import part, reader
from effectd.program.process import Process
from effectd.testing import FakeLink
from tests.unit.real_loop import RealLoop

pytestmark = pytest.mark.usefixtures("no_inotify")

CONFIG = """\
devices: {{fan: {{kind: virtual, effects: [wind], zones: [row-a]}}}}
effects: {{wind: }}
buttons: {{front: {{pin: 17, {options}}}}}
"""


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = None


class Desk:
    """The real program beside one driver's gate, which is the test's; its connection to the broker is a FakeLink."""

    def __init__(self, home: Path, loop: RealLoop, options: str) -> None:
        (home / "config.yaml").write_text(CONFIG.format(options=options))
        self.loop, self.link = loop, FakeLink()
        self.process = Process("buttons", home)
        self.process.config = reader.load(home)
        self.process.gate.open(wait=False)
        self.process.gate.attach(loop)
        self.asked: list[Any] = []
        self.gate = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.gate.bind(str(home / "run" / "fan.gate"))
        self.gate.listen()
        self.gate.setblocking(False)
        self.connections: list[socket.socket] = []
        loop.add_reader(self.gate.fileno(), self._accept)
        self.program = Buttons(self.process, loop)
        self.program._link = self.link  # type: ignore[assignment]

    def _accept(self) -> None:
        connection, _ = self.gate.accept()
        connection.setblocking(False)
        self.connections.append(connection)
        self.loop.add_reader(connection.fileno(), self._hear, connection)

    def _hear(self, connection: socket.socket) -> None:
        data = connection.recv(4096)
        self.asked += [json.loads(line) for line in data.splitlines()]
        if data:
            connection.send(b'{"done": "hold"}\n')
        else:
            self.loop.remove_reader(connection.fileno())

    @property
    def published(self) -> list[tuple[str, bytes, bool]]:
        return [(topic, payload, retain) for topic, payload, _, retain in self.link.published]

    def close(self) -> None:
        self.loop.spend(0.05)  # the last reply is heard
        self.program.close()
        self.process.gate.close()
        self.process.gate._lock.release()
        for sock in (self.gate, *self.connections):
            sock.close()


@pytest.fixture
def desk(home: Path, loop: RealLoop, pins: MockFactory) -> Iterator[Callable[..., Desk]]:
    desks = list[Desk]()

    def desk(options: str = "hold: true") -> Desk:
        desks.append(Desk(home, loop, options))
        return desks[-1]

    yield desk
    for each in desks:
        each.close()


def test_a_press_asks_every_gate_notes_the_hold_and_publishes_it_retained(desk, pins, home):
    here = desk("reason: 'stop pressed', target: [row-a]")
    pins.pin("GPIO17").drive_low()
    here.loop.until(lambda: here.asked)
    assert here.asked == [{"do": "hold", "name": "front", "reason": "stop pressed", "target": ["row-a"]}]
    (note,) = json.loads((home / "run" / "holds").read_bytes())
    assert (note["hold"]["name"], note["standing"]) == ("front", True)
    assert here.published == [("holds/front", b'{"reason":"stop pressed","target":["row-a"]}', True)]
    pins.pin("GPIO17").drive_high()
    here.loop.spend(0.3)
    assert len(here.asked) == 1  # it stays until somebody releases it


def test_a_contact_holds_for_as_long_as_it_is_pressed(desk, pins):
    here = desk("contact: true")
    here.loop.until(lambda: here.asked)
    assert here.asked == [{"do": "release", "name": "front"}]  # it may have been let go while nobody watched
    pins.pin("GPIO17").drive_low()
    here.loop.until(lambda: len(here.asked) == 2)
    pins.pin("GPIO17").drive_high()
    here.loop.until(lambda: len(here.asked) == 3)
    assert [request["do"] for request in here.asked] == ["release", "hold", "release"]
    assert [payload for _, payload, _ in here.published][-1] == b""


def test_of_a_normally_closed_contact_a_broken_wire_holds_also_one_that_was_broken_before(desk, pins):
    here = desk("contact: true, normally_closed: true")  # nothing is connected to the pin yet
    here.loop.until(lambda: here.asked)
    pins.pin("GPIO17").drive_low()
    here.loop.until(lambda: len(here.asked) == 2)
    pins.pin("GPIO17").drive_high()
    here.loop.until(lambda: len(here.asked) == 3)
    assert [request["do"] for request in here.asked] == ["hold", "release", "hold"]


def test_a_button_may_be_a_stop(desk, pins):
    here = desk("hold: false")
    pins.pin("GPIO17").drive_low()
    here.loop.until(lambda: here.asked)
    assert here.asked == [{"do": "stop"}]
    assert here.published == [("stop-all", b"front", False)]


def test_a_pin_that_cannot_be_opened_is_said_and_the_others_work(home, loop, pins):
    (home / "config.yaml").write_text(CONFIG.format(options="target: fan}, back: {pin: NO-PIN"))
    process = Process("buttons", home)
    with pytest.raises(ConfigError):
        process.config = reader.load(home)
    (home / "config.yaml").write_text(CONFIG.format(options="target: [fan]}, back: {pin: NO-PIN"))
    process.config = reader.load(home)
    process.gate.open(wait=False)
    process.gate.attach(loop)
    with closing(Buttons(process, loop)) as program:
        assert process.gate.line.state == "degraded"
        assert process.gate.line.reason.startswith("back: ")
        pins.pin("GPIO17").drive_low()
        loop.until(lambda: program._holds.standing)
    process.gate.close()
    process.gate._lock.release()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("target: [nobody]", "neither a device nor a zone"),
        ("nonsense: 1", "unknown key"),
        ("bounce_ms: -1", "from 0 to 1000"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(home, options, problem):
    (home / "config.yaml").write_text(CONFIG.format(options=options))
    with pytest.raises(ConfigError, match=problem) as error:
        reader.load(home)
    assert error.value.key.startswith("buttons.front")


def test_the_program_is_there_only_where_buttons_are(home):
    (home / "config.yaml").write_text(CONFIG.format(options="hold: true"))
    tree = reader.load(home)
    assert tree.programs == ["broker", "dispatcher", "buttons", "fan"]
    assert part.of(tree, "buttons")["buttons"]["front"]["pin"] == 17
    (home / "config.yaml").write_text("devices: {fan: {kind: virtual, effects: [wind]}}\neffects: {wind: }\n")
    assert "buttons" not in reader.load(home).programs
