"""Timelines on real processes: loaded and played by MQTT and by the commands, over the death of the dispatcher."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.home import Client, Home, wait_for
from tests.system.terminal import Terminal
from tests.unit.test_timeline_documents import FOLDER


def wind(at: int, duration: int, intensity: float = 60) -> dict[str, Any]:
    return {"effect_type": "wind", "timestamp": at, "duration": duration, "intensity": intensity}


FILM = {
    "title": "A film",
    "effects": [
        {"effect_type": "light", "timestamp": 0, "duration": 6000, "intensity": 30},
        *(wind(n * 200, 100, 20 + n) for n in range(30)),
    ],
}


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home() as home:
        (home.path / "timelines").mkdir()
        (home.path / "timelines" / "coaster.xml").write_bytes((FOLDER / "mpegv" / "rollercoaster.xml").read_bytes())
        home.start()
        home.wait_ready()
        yield home


def state(client: Client, name: str) -> Any:
    states = client.json(f"timelines/{name}/state")
    return states[-1] if states else {}


def test_a_file_of_the_home_is_there_at_the_start_and_plays_from_anywhere(home: Home) -> None:
    client = home.client()
    wait_for(lambda: state(client, "coaster").get("status") == "loaded", what="the file is loaded")
    assert (state(client, "coaster")["duration_ms"], state(client, "coaster")["effects"]) == (59_000, 5)
    client.publish("timelines/coaster/play", {"from_ms": 36_900})
    wait_for(lambda: client.state("wind")["intensity"] == 100, what="what is due there is restored")
    wait_for(lambda: client.state("wind")["intensity"] == 50, what="the next one follows")
    client.publish("timelines/coaster/pause", "")
    wait_for(lambda: not client.state("wind")["on"] and not client.state("scent")["on"], what="a pause idles")
    client.publish("timelines/stop", "")
    wait_for(lambda: state(client, "coaster")["status"] == "loaded")


def test_the_dispatcher_dies_and_the_timeline_goes_on_at_the_right_position_firing_nothing_twice(home: Home) -> None:
    client = home.client()
    client.publish("timelines/film/load", FILM)
    client.publish("timelines/film/play", "")
    wait_for(lambda: state(client, "film").get("status") == "playing")
    began = time.time() - state(client, "film")["position_ms"] / 1000
    for after in (1.0, 2.5):
        wait_for(lambda after=after: time.time() - began > after)
        home.kill("dispatcher")
    wait_for(lambda: state(client, "film")["status"] == "ended", what="it ends")
    ended = [each for each in client.json("timelines/film/state") if each["status"] == "ended"][-1]
    assert abs(ended["at"] / 1000 - began - 6.0) < 0.5
    sets = {(each["id"], each["seq"]) for each in client.json("devices/wind/set") if each["id"].startswith("film.")}
    fired = Counter(name for name, _ in sets)
    assert set(fired.values()) == {1}
    assert len(fired) >= 18  # 30, less what fell due while the dispatcher was dead, on a busy machine
    assert (
        len(
            {
                name
                for name, _ in {(e["id"], e["seq"]) for e in client.json("devices/light/set")}
                if name.startswith("film.")
            }
        )
        == 1
    )


def test_a_stop_of_everything_stops_a_looped_timeline(home: Home) -> None:
    client = home.client()
    client.publish("timelines/ambience/load", {"effects": [wind(0, 400, 20)], "duration": 400})
    client.publish("timelines/ambience/play", {"loop": True})
    wait_for(lambda: client.state("wind")["on"], what="it plays")
    assert home.effectd("stop").returncode == 0
    wait_for(lambda: state(client, "ambience")["status"] == "loaded")
    assert not client.state("wind")["on"]


def test_a_stop_of_everything_that_came_while_the_dispatcher_was_dead_stops_it(home: Home) -> None:
    client = home.client()
    client.publish("timelines/dead/load", {"effects": [wind(n * 500, 400) for n in range(200)]})
    client.publish("timelines/dead/play", "")
    wait_for(lambda: client.state("wind")["on"], what="it plays")
    home.order("stop", "dispatcher")
    client.publish("stop-all", "stop")
    wait_for(lambda: client.on("devices/wind/fence")[-1:] and client.on("devices/wind/fence")[-1].startswith(b"all-"))
    home.order("start", "dispatcher")
    home.wait_ready()
    wait_for(lambda: state(client, "dead")["status"] == "loaded", what="the fence says so")
    wait_for(lambda: not client.state("wind")["on"])


def test_a_hold_of_all_pauses_a_timeline_and_its_release_leaves_it_paused(home: Home) -> None:
    client = home.client()
    client.publish("timelines/held/load", {"effects": [wind(0, 60_000)]})
    client.publish("timelines/held/play", "")
    wait_for(lambda: client.state("wind")["on"], what="it plays")
    client.publish("holds/door", "the door is open", retain=True)
    wait_for(lambda: state(client, "held")["status"] == "paused")
    wait_for(lambda: not client.state("wind")["on"])
    client.publish("timelines/held/resume", "")
    position = state(client, "held")["position_ms"]
    client.publish("holds/door", "", retain=True)
    wait_for(lambda: client.json("system/holds")[-1] == [], what="released")
    assert (state(client, "held")["status"], state(client, "held")["position_ms"] - position < 100) == ("paused", True)
    client.publish("timelines/held/resume", "")
    wait_for(lambda: client.state("wind")["on"], what="resumed by hand")
    client.publish("timelines/held/stop", "")
    wait_for(lambda: not client.state("wind")["on"])


def test_four_mebibytes_are_loaded_while_a_live_effect_is_quick(home: Home) -> None:
    client = home.client("receipts/#", "timelines/#")
    effects = [{**wind(n * 100, 50), "location": "everywhere", "x-note": "a" * 20} for n in range(29_000)]
    document = json.dumps({"effects": effects})
    assert 3_000_000 < len(document) < 4_194_304
    client.publish("timelines/large/load", document)
    number = 0
    while state(client, "large").get("effects") != 29_000 and number < 200:
        number += 1
        client.publish("effects/vibration", {"id": f"live{number}", "duration": 1, "intensity": 1})
        client.receipt(f"live{number}")
    assert state(client, "large")["status"] == "loaded"


def test_play_loads_a_file_plays_it_to_its_end_and_says_so(home: Home) -> None:
    path = home.path / "gust.json"
    path.write_text(json.dumps({"title": "Gust", "effects": [wind(0, 300), wind(400, 200)]}))
    played = home.effectd("play", str(path))
    assert played.returncode == 0, played.stdout + played.stderr
    assert [line.split()[1] for line in played.stdout.splitlines()] == ["playing", "ended"]
    again = home.effectd("play", "gust", "--from", "0.5")
    assert again.returncode == 0, again.stderr


def test_check_reports_types_counts_and_problems_and_plays_nothing(home: Home) -> None:
    checked = home.effectd("play", str(FOLDER / "everything.sem"), "--check")
    assert checked.returncode == 0, checked.stderr
    assert "MPEG-V SEM, 23 effects, 0:09.6" in checked.stdout
    assert "light" in checked.stdout
    assert "fog" in checked.stdout
    assert "no device here takes it" in checked.stdout
    assert "everything.sem:15:3: ReferenceEffect: uri" in checked.stderr
    wrong = home.path / "wrong.json"
    wrong.write_text('{"effects": [\n  {"effect_type": "wind", "intensty": 3}]}')
    for arguments in (("--check",), ()):
        refused = home.effectd("play", str(wrong), *arguments)
        assert refused.returncode == 65
        assert "wrong.json:2:3: effects[0]: intensty" in refused.stderr
    assert home.effectd("play", "nothing.here", "--check").returncode == 65
    assert home.effectd("play", "no-such-timeline").returncode == 1


def test_the_timeline_commands_list_pause_seek_resume_and_stop(home: Home) -> None:
    client = home.client()
    client.publish("timelines/long/load", {"title": "Long", "effects": [wind(0, 50_000), wind(55_000, 100)]})
    client.publish("timelines/long/play", "")
    wait_for(lambda: state(client, "long").get("status") == "playing")
    listed = home.effectd("timeline", "list")
    assert listed.returncode == 0
    assert any(line.startswith("long") and "playing" in line for line in listed.stdout.splitlines())
    for arguments, status in (
        (("pause", "long"), "paused"),
        (("seek", "long", "0:40"), "paused"),
        (("resume", "long"), "playing"),
        (("stop", "long"), "loaded"),
    ):
        done = home.effectd("timeline", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert status in done.stdout
        assert state(client, "long")["status"] == status
    assert home.effectd("timeline", "pause", "long").returncode == 1
    assert home.effectd("timeline", "stop", "nobody").returncode == 1
    assert home.effectd("timeline", "seek", "long", "soon").returncode == 2


def test_keys_pause_seek_and_stop_what_is_played_in_a_terminal(home: Home) -> None:
    client = home.client()
    path = home.path / "show.json"
    path.write_text(json.dumps({"title": "Show", "effects": [wind(0, 20_000), wind(30_000, 100)]}))
    with Terminal(home, "play", str(path)) as terminal:
        wait_for(
            lambda: "wind 60 %" in terminal.raw and "next wind in" in terminal.raw, what="what runs and comes next"
        )
        terminal.type(" ")
        wait_for(lambda: state(client, "show")["status"] == "paused")
        terminal.type("\x1b[C")
        wait_for(lambda: state(client, "show")["position_ms"] >= 5000)
        terminal.type(" ")
        wait_for(lambda: state(client, "show")["status"] == "playing")
        terminal.type("q")
        wait_for(lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == 0
    wait_for(lambda: state(client, "show")["status"] == "loaded")
    wait_for(lambda: not client.state("wind")["on"], what="the fan off")


def test_what_was_recorded_is_played_at_the_same_distances(home: Home) -> None:
    client = home.client()
    history = home.path / "history.jsonl"
    recorder = subprocess.Popen(
        [sys.executable, "-m", "effectd.cli", "record", str(history)], cwd=home.path, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: history.exists() and '"name":"record","state":"ready"' in history.read_text())
        for number, level in enumerate((20, 50, 80)):
            client.publish("effects/wind", {"id": f"rec{number}", "intensity": level, "duration": 150})
            client.receipt(f"rec{number}")
            wait_for(lambda: not client.state("wind")["on"])
        wait_for(lambda: "rec2" in history.read_text())
    finally:
        recorder.terminate()
        recorder.wait(10)
    before = len(client.json("devices/wind/set"))
    played = home.effectd("play", str(history))
    assert played.returncode == 0, played.stdout + played.stderr
    sets = client.json("devices/wind/set")
    first, again = [
        [each["intensity"] for each in part if each["intensity"]] for part in (sets[:before], sets[before:])
    ]
    assert again == first[-3:] == [20, 50, 80]


def test_a_device_is_removed_while_a_timeline_uses_it_and_the_others_go_on(home: Home) -> None:
    client = home.client()
    scent = {"effect_type": "scent", "timestamp": 0, "duration": 50_000}
    client.publish("timelines/less/load", {"effects": [scent, wind(0, 50_000)]})
    client.publish("timelines/less/play", "")
    wait_for(lambda: client.state("scent")["on"] and client.state("wind")["on"], what="both on")
    removed = home.effectd("device", "remove", "scent")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    problem = "no device of this home does scent: 1 effect"
    wait_for(lambda: problem in [each["problem"] for each in state(client, "less")["problems"]], what="it is said")
    assert state(client, "less")["status"] == "playing"
    assert client.state("wind")["on"]
    client.publish("timelines/less/pause", "")
    wait_for(lambda: not client.state("wind")["on"], what="a pause still idles the other")
    letters = client.json("dead-letters/refused")
    assert not [letter["detail"] for letter in letters if "less" in letter["topic"]]
