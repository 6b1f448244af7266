"""One way in: whoever brings an effect is answered in its own way, and the effect itself fares as one from MQTT."""

import pytest

from dispatcher_proc.origin import Origin
from effectd.base.errors import EffectRefused
from effectd.messages.effect import Effect
from tests.unit.house import House

pytestmark = pytest.mark.usefixtures("no_inotify")


class Script(Origin):
    """Brings effects that nobody has published; what is refused it keeps for its author."""

    def __init__(self, house: House) -> None:
        super().__init__(house.dispatcher._receipts, "script", b"line 3", house.loop.time())
        self.problems: list[str] = []

    def refuse(self, effect: Effect, error: EffectRefused) -> None:
        self.problems.append(f"{effect.id}: {error}")


def submit(house: House, **fields: object) -> Script:
    origin = Script(house)
    effect = Effect(**{"id": "s.1", "effect_type": "wind", "location": "left", **fields})
    house.dispatcher._admission.submit(effect, origin)
    return origin


def test_what_nobody_published_is_planned_sent_and_receipted_as_if_somebody_had(house):
    submit(house, intensity="gale")
    (sent,) = house.on("devices/fan/set")
    assert (sent["id"], sent["intensity"], sent["duration"]) == ("s.1", 80, 700)
    house.ack("fan", "s.1")
    assert house.statuses("s.1") == ["done"]


def test_it_is_refused_where_it_came_from(house):
    origin = submit(house, intensity="breeze")
    assert [problem.partition(": unknown label")[0] for problem in origin.problems] == ["s.1: intensity"]
    assert house.on("receipts/") == []
    assert house.letters() == []


def test_the_same_id_again_is_not_executed_again(house):
    for _ in range(2):
        submit(house)
        house.ack("fan", "s.1")
    assert len(house.on("devices/fan/set")) == 1
    assert house.statuses("s.1") == ["done", "done"]


def test_its_dead_letter_shows_what_it_has_in_place_of_a_message(house):
    submit(house)
    house.ack("fan", "s.1", "failed")
    (letter,) = house.on("dead-letters/failed")
    assert (letter["topic"], letter["payload"]) == ("script", "line 3")


def test_a_defect_that_it_meets_does_not_come_back_to_whoever_brought_it(house, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no such case")

    monkeypatch.setattr(house.dispatcher._delivery, "accept", fail)
    submit(house)
    assert [(word, name) for word, name, _ in house.letters()] == [("refused", "s.1")]
