"""A stop that a device may not have heard: what the dispatcher says to it when it comes, what it sends, and when."""

import pytest

from dispatcher_proc.lane import FENCE_S
from dispatcher_proc.stops import SPEAKS_S
from effectd.readiness.line import Line
from tests.unit.house import House

pytestmark = pytest.mark.usefixtures("no_inotify")

OFFLINE = Line("fan", 7, "waiting", "fan-g1")


def said(house: House) -> list[str]:
    """What went to the fan, in order: its effects by their ids, and stops."""
    found = []
    for topic, payload, _, _ in house.link.published:
        if topic == "devices/fan/stop":
            found.append("stop")
            house.link.take(topic, payload, False)  # it comes back, as from a broker
        elif topic == "devices/fan/set":
            found.append(house.on(topic)[sum(one != "stop" for one in found)]["id"])
    house.loop.advance(0)
    return found


@pytest.fixture
def missed(house: House) -> House:
    """The fan was cut off when everything was stopped; an effect has come since."""
    house.gate("fan", OFFLINE)
    house.message("stop-all", b"")
    house.message("devices/fan-2/fence", b"all-f2")
    house.message("effects/wind", {"id": "behind", "location": "left"})
    house.link.published.clear()
    return house


def test_one_that_comes_without_a_fence_is_told_at_once_and_gets_what_came_behind_the_stop_after_its_answer(missed):
    missed.ready("fan")
    assert said(missed) == []
    missed.message("devices/fan/fence", b"")  # as each driver says at a connection
    assert said(missed) == ["stop"]
    missed.message("devices/fan/fence", b"f1")
    assert said(missed) == ["stop", "behind"]
    missed.ack("fan", "behind")
    assert missed.statuses("behind") == ["done"]
    missed.gate("fan", OFFLINE)
    missed.ready("fan", run="g2")
    assert said(missed) == ["stop", "behind"], "once it has answered it is not told again"


def test_one_that_has_heard_it_all_the_same_is_not_told_and_gets_what_came_behind_it(missed):
    missed.ready("fan")
    assert said(missed) == []
    missed.message("devices/fan/fence", b"f1")
    assert said(missed) == ["behind"]
    missed.loop.advance(SPEAKS_S + FENCE_S)
    assert "stop" not in said(missed)


def test_a_fence_that_may_be_of_a_stop_during_an_outage_ends_what_came_before_it(missed):
    missed.link.open()  # a new connection
    missed.ready("fan")
    missed.message("devices/fan/fence", b"f1", retained=True)
    missed.loop.advance(SPEAKS_S + FENCE_S)
    assert said(missed) == []
    assert missed.statuses("behind")[-1] == "stopped"


def test_one_that_has_no_fence_is_told_once_and_then_sent_to(missed):
    missed.ready("fan")
    missed.loop.advance(SPEAKS_S)
    assert said(missed) == ["stop"]
    missed.loop.advance(FENCE_S)
    assert said(missed) == ["stop", "behind"]
    missed.gate("fan", OFFLINE)
    missed.ready("fan", run="g2")
    missed.loop.advance(SPEAKS_S)
    assert said(missed).count("stop") == 1


def test_one_that_was_told_already_when_it_says_that_it_has_no_fence_is_not_told_twice(missed):
    missed.ready("fan")
    missed.loop.advance(SPEAKS_S)
    missed.message("devices/fan/fence", b"")
    assert said(missed) == ["stop"]
    missed.message("devices/fan/fence", b"f1")
    assert said(missed) == ["stop", "behind"]


def test_one_that_goes_before_it_has_answered_is_told_again_when_it_comes(missed):
    for run in ("g2", "g3"):
        missed.ready("fan", run=run)
        missed.message("devices/fan/fence", b"")
        missed.gate("fan", OFFLINE)
        missed.loop.advance(FENCE_S)
    assert said(missed) == ["stop", "stop"]


def test_a_driver_that_has_a_fence_and_answers_late_is_told_again_after_its_next_connection(missed):
    missed.ready("fan")
    missed.message("devices/fan/fence", b"")
    missed.loop.advance(FENCE_S)
    assert said(missed) == ["stop", "behind"], "nobody waits for it longer"
    missed.gate("fan", OFFLINE)
    missed.ready("fan", run="g2")
    missed.message("devices/fan/fence", b"")
    assert said(missed).count("stop") == 2


def test_a_successor_knows_who_has_not_heard_a_stop(missed, home):
    missed.close()
    successor = House(home)
    successor.ready()
    assert successor.on("devices/") == []
    successor.message("devices/fan/fence", b"")
    assert said(successor) == ["stop"]
    successor.message("devices/fan/fence", b"f1")
    assert said(successor) == ["stop", "behind"]
    successor.close()
    last = House(home)
    last.ready()
    last.loop.advance(SPEAKS_S)
    assert last.link.payloads("devices/fan/stop") == []
    last.close()


def test_what_a_successor_finds_open_is_ended_where_the_device_may_have_heard_a_later_stop(missed, home):
    missed.close()
    successor = House(home)
    successor.ready()
    successor.loop.advance(SPEAKS_S)  # it was there before the successor, and says nothing by itself
    assert said(successor) == ["stop"]
    successor.message("devices/fan/fence", b"f1")
    assert said(successor) == ["stop"]
    assert successor.statuses("behind")[-1] == "stopped"
    successor.close()


def test_a_device_that_is_taken_out_of_the_configuration_is_forgotten(missed):
    missed.ready("fan")
    path = missed.process.home / "config.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if line[:6] not in {"  fan:", "  brok"}))
    missed.dispatcher.reload()
    assert "fan" not in missed.process.config.devices
    missed.loop.advance(SPEAKS_S + FENCE_S)
    assert missed.link.payloads("devices/fan/stop") == []
