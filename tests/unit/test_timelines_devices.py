"""A timeline plays while devices are removed and added: what is left goes on, and a pause still idles it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_dispatcher_timelines import Bench

BOTH = """
devices:
  fan: {kind: virtual, effects: [wind]}
  fan-2: {kind: virtual, effects: [wind], delay_ms: 50}
  fan-3: {kind: virtual, effects: [wind]}
effects: {wind: {}}
"""
ONE = BOTH.replace("  fan-2: {kind: virtual, effects: [wind], delay_ms: 50}\n", "")
FILM = {
    "effects": [
        {"effect_type": "wind", "timestamp": 0, "duration": 9000},
        {"effect_type": "wind", "timestamp": 3000, "duration": 9000, "intensity": 40},
    ]
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, config=BOTH)
    bench.message("timelines/film/load", FILM)
    yield bench
    bench.close()


def configured(bench: Bench, text: str) -> None:
    (bench.process.home / "config.yaml").write_text(text)
    bench.dispatcher.reload()
    bench.ready()


def devices(bench: Bench, since: int = 0) -> list[tuple[str, float]]:
    return sorted((device, level) for device, _, level, _ in bench.sets()[since:])


def test_a_device_is_removed_while_the_timeline_plays_and_the_others_go_on_and_are_idled(bench: Bench) -> None:
    bench.message("timelines/film/play", b"")
    bench.after(1)
    assert devices(bench) == [("fan", 100), ("fan-2", 100), ("fan-3", 100)]
    configured(bench, ONE)
    bench.after(3)
    assert devices(bench, 3) == [("fan", 40), ("fan-3", 40)]
    bench.message("timelines/film/pause", b"")
    assert devices(bench, 5) == [("fan", 0), ("fan-3", 0)]
    assert bench.letters() == []
    assert bench.state()["status"] == "paused"


@pytest.mark.parametrize("order", ["pause", "stop"])
def test_what_was_on_the_removed_device_holds_nobody_else_up(bench: Bench, order: str) -> None:
    bench.message("timelines/film/play", b"")
    bench.after(1)
    (bench.process.home / "config.yaml").write_text(ONE)
    bench.dispatcher.reload()
    bench.arrives(f"timelines/film/{order}", b"")  # before the timeline is resolved anew
    bench.loop.advance(0)
    assert devices(bench, 3) == [("fan", 0), ("fan-3", 0)]
    assert bench.letters() == []


def test_the_last_device_of_a_type_goes_and_the_state_says_what_is_left_out(bench: Bench) -> None:
    bench.message("timelines/film/play", b"")
    bench.after(1)
    configured(bench, "devices:\n  lamp: {kind: virtual, effects: [light]}\neffects: {wind: {}, light: {}}\n")
    bench.after(0.2)
    (problem,) = bench.state()["problems"]
    assert problem["problem"] == "no device of this home does wind: 2 effects"
    bench.after(12)
    assert bench.state()["status"] == "ended"
    assert len(bench.sets()) == 3


def test_a_device_that_comes_takes_part_from_the_next_effect_on(bench: Bench) -> None:
    configured(bench, ONE)
    bench.message("timelines/film/play", b"")
    bench.after(1)
    configured(bench, BOTH)
    bench.after(3)
    assert ("fan-2", 40) in devices(bench, 2)
    assert bench.letters() == []


def test_devices_that_change_while_a_timeline_is_loaded_are_known_to_it(bench: Bench) -> None:
    configured(bench, ONE)
    many = [{"effect_type": "wind", "timestamp": n, "duration": 5000} for n in range(2000)]
    bench.arrives("timelines/many/load", {"effects": many})
    loader = bench.dispatcher._timelines._loader
    for _ in range(30):  # of some 40 steps: it is being resolved
        loader._step()
    assert loader.loads("many")
    configured(bench, BOTH)
    bench.after(0.1)
    bench.message("timelines/many/play", b"")
    bench.after(1)
    count = len(bench.sets())
    bench.message("timelines/many/pause", b"")
    assert ("fan-2", 0) in devices(bench, count)
