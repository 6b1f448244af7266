"""Cues over an ambience, by MQTT on real processes; a document that comes while its timeline plays; `play --loop`."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.home import Client, Home, wait_for
from tests.system.test_timelines import state, wind

AMBIENCE = {"title": "Ambience", "priority": 3, "duration": 3_600_000, "effects": [wind(0, 3_600_000, 20)]}


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home() as home:
        home.start_ready()
        yield home


def runs(client: Client, name: str) -> set[str]:
    """Of the effects that the fan got from a timeline."""
    ids = [each["id"].split(".") for each in client.json("devices/wind/set")]
    return {run for owner, run, *number in ids if owner == name and number != ["off"]}


def level(client: Client) -> Any:
    said = client.state("wind")
    return said["intensity"] if said["on"] else 0


def test_a_cue_ends_in_the_ambience_again_and_a_double_go_is_one(home: Home) -> None:
    client = home.client()
    client.publish("timelines/ambience/load", AMBIENCE)
    client.publish("timelines/ambience/play", {"loop": True})
    client.publish("timelines/thunder/load", {"effects": [wind(0, 300, 90)]})
    wait_for(lambda: level(client) == 20, what="the ambience")
    for count in (1, 2):
        wait_for(lambda: state(client, "thunder")["status"] in ("loaded", "ended"))
        client.publish("timelines/thunder/play", "")
        client.publish("timelines/thunder/play", "")
        wait_for(lambda: level(client) == 90, what="the cue")
        wait_for(lambda: level(client) == 20, what="the ambience again")
        wait_for(lambda: state(client, "thunder")["status"] == "ended")
        assert len(runs(client, "thunder")) == count
    client.publish("timelines/ambience/stop", "")
    wait_for(lambda: level(client) == 0, what="all off")


def test_a_document_that_comes_while_its_timeline_plays_is_next(home: Home) -> None:
    client = home.client()
    client.publish("timelines/show/load", {"title": "First", "effects": [wind(0, 30_000, 30)]})
    client.publish("timelines/show/play", "")
    wait_for(lambda: level(client) == 30)
    client.publish("timelines/show/load", {"title": "Second", "effects": [wind(0, 30_000, 60)]})
    wait_for(lambda: state(client, "show")["next"]["title"] == "Second", what="it is next")
    assert (state(client, "show")["title"], state(client, "show")["status"]) == ("First", "playing")
    client.publish("timelines/show/load", {"effects": [{"effect_type": "wind", "intensity": -1}]})
    wait_for(lambda: state(client, "show")["problems"], what="what is refused is said")
    assert (state(client, "show")["next"]["title"], level(client)) == ("Second", 30)
    client.publish("timelines/show/play", "")
    wait_for(lambda: level(client) == 60, what="it plays")
    assert state(client, "show")["title"] == "Second"
    client.publish("timelines/show/stop", "")
    wait_for(lambda: level(client) == 0)


def test_play_goes_round_until_it_is_ended(home: Home) -> None:
    client = home.client()
    path = home.path / "round.json"
    path.write_text(json.dumps({"title": "Round", "duration": 400, "effects": [wind(100, 200, 40)]}))
    command = [sys.executable, "-m", "effectd.cli", "play", str(path), "--loop", "--from", "0:00.05"]
    with subprocess.Popen(command, cwd=home.path, stdout=subprocess.PIPE, text=True) as playing:
        wait_for(lambda: len(runs(client, "round")) >= 3, what="three rounds")
        assert state(client, "round")["loop"] is True
        playing.send_signal(signal.SIGTERM)
        assert playing.wait(15) == 0
    wait_for(lambda: state(client, "round")["status"] == "loaded", what="stopped with it")
    wait_for(lambda: level(client) == 0)
