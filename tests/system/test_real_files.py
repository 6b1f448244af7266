"""Every sample of real input is played by real processes in fast motion: devices get what its golden vector says.

The document itself is sped up, by its own time base where it has one, and so is the room (delays, default durations).
What is expected is what the conductor does with it on a clock that a test moves, and that is the golden vector sped up.
"""

import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from effectd.config import reader
from effectd.config.reader import Config
from effectd.timeline import media_time
from effectd.timeline.reading import read
from tests.system.home import Client, Home, wait_for
from tests.unit.test_timeline_documents import SAMPLES, document
from tests.unit.timelines.room import CONFIG, Room, built

FASTER = 40
SILENCE_MS = 3000  # a longer one is skipped by a seek
GOES = 3  # on a busy machine a moment may pass unseen: what is half a second late is not fired any more
_GOLDEN = re.compile(r" *(\d+) (\w+) +([\d.]+) % (\d+) ms(?: fade (\d+) ms)?")
_NUMBER = re.compile(r'\b((?:timestamp|duration|fade|time|mono_ms)(?:" *: *|="|>))([\d.]+)', re.IGNORECASE)


def faster(text: str) -> str:
    if "timeScale" in text:
        text = re.sub(r'timeScale="(\d+)"', lambda found: f'timeScale="{int(found[1]) * FASTER}"', text)
        return re.sub(r'si:absTime="(T[^"]+)"', _sooner, text)
    text = re.sub(r"^(\d+):(\d+):(\d+)(\.\d+)?,", _sooner_line, text, flags=re.MULTILINE)
    return _NUMBER.sub(lambda found: f"{found[1]}{_less(found[2])}", text)


def _less(number: str) -> str:
    """Effects last whole ms, the clock of a history does not."""
    less = float(number) / FASTER
    return str(less if "." in number else round(less))


def _sooner(found: re.Match[str]) -> str:
    ms = media_time.milliseconds(found[1])
    return found[0] if ms is None else f'si:absTime="T00:00:00:{round(ms / FASTER)}F1000"'


def _sooner_line(found: re.Match[str]) -> str:
    ms = ((int(found[1]) * 60 + int(found[2])) * 60 + float(found[3] + (found[4] or ""))) * 1000 / FASTER
    minutes, rest = divmod(round(ms), 60_000)
    return f"00:{minutes:02}:{rest // 1000:02}.{rest % 1000:03},"


def sped_up_room() -> Home:
    room = yaml.safe_load(CONFIG)
    for device in room["devices"].values():
        delay = device.get("delay_ms", 0)
        device["delay_ms"] = {k: v // FASTER for k, v in delay.items()} if isinstance(delay, dict) else delay // FASTER
    for effect in room["effects"].values():
        effect["duration_ms"] = effect.get("duration_ms", 1000) // FASTER
    gone = dict.fromkeys(("light", "wind", "vibration", "scent"))
    return Home(gone | room["devices"], effects=room["effects"])


class Sample:
    """One document, and what it should bring: `due` are its commands by number and device, in their order."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path, self.name = path, re.sub(r"[^a-z0-9]+", "-", path.name.lower())
        self.text = faster(document(path).decode())
        timeline = read(self.text.encode())
        self.effects = len(timeline.effects)
        room = Room(config)
        room.conductor.load("film", built(timeline, config))
        room.conductor.play("film")
        room.after(4_000_000 / FASTER)
        self.due = {(number(effect.id), device): (at, effect) for at, device, effect in room.sent}
        assert len(self.due) == len(room.sent)

    @property
    def devices(self) -> set[str]:
        return {device for _, device in self.due}

    def golden(self) -> list[tuple[float, str, float, float, float]]:
        lines = self.path.with_name(self.path.name + ".commands").read_text().splitlines()
        rows = [found.groups("0") for line in lines if (found := _GOLDEN.match(line))]
        assert len(rows) == len(lines)
        return [(float(at), device, float(level), float(d), float(f)) for at, device, level, d, f in rows]


def number(effect_id: str) -> str:
    """Of the effect in its document, with its share: it is the same in each run."""
    return effect_id.split(".", 2)[2]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with sped_up_room() as home:
        home.start_ready()
        yield home


@pytest.fixture(scope="module")
def samples(home: Home) -> list[Sample]:
    config = reader.load(home.path)
    return [Sample(path, config) for path in SAMPLES]


def test_a_document_that_was_sped_up_brings_its_golden_vector_sped_up(samples: list[Sample]) -> None:
    for sample in samples:
        golden = sample.golden()
        assert [row[1] for row in golden] == [device for _, device in sample.due], sample.path.name
        for (at, _, level, duration, fade), (due, effect) in zip(golden, sample.due.values(), strict=True):
            assert float(effect.intensity) == pytest.approx(level, abs=1e-3), sample.path.name
            assert due == pytest.approx(at / FASTER, abs=2), sample.path.name
            if effect.duration != duration:  # one that is assumed, as the document says none, is not sped up
                assert effect.duration == pytest.approx(duration / FASTER, abs=2), sample.path.name
            assert effect.fade == pytest.approx(fade / FASTER, abs=2), sample.path.name


def test_real_processes_play_each_as_its_golden_vector_says_several_at_once(home: Home, samples: list[Sample]) -> None:
    client = home.client()
    for sample in samples:
        client.publish(f"timelines/{sample.name}/load", sample.text)
        wait_for(lambda sample=sample: state(client, sample)["effects"] == sample.effects, what=sample.name)
    groups = without_a_common_device(samples)
    assert len(groups) < len(samples)
    for together in groups:
        lacking = together
        for _ in range(GOES):
            lacking = lacking and play(client, lacking)
        assert not lacking, [sample.path.name for sample in lacking]


def without_a_common_device(samples: list[Sample]) -> list[list[Sample]]:
    """Each group can play at once, and none of it minds the others."""
    groups: list[list[Sample]] = []
    for sample in samples:
        free = [group for group in groups if not any(sample.devices & other.devices for other in group)]
        if free:
            free[0].append(sample)
        else:
            groups.append([sample])
    return groups


def state(client: Client, sample: Sample) -> Any:
    return client.json(f"timelines/{sample.name}/state")[-1]


def play(client: Client, group: list[Sample]) -> list[Sample]:
    """Play them to their ends at once. Those come back that a busy machine has not brought whole."""
    del client.heard[:]
    began = time.monotonic() * 1000
    for sample in group:
        client.publish(f"timelines/{sample.name}/play", "")
    before = {sample.name: jump(client, sample) for sample in group}
    lacking = []
    for sample in group:
        wait_for(lambda sample=sample: is_over(client, sample), what=f"the end of {sample.path.name}")
        if not judge(client, sample, began, before[sample.name]):
            lacking.append(sample)
        client.publish(f"timelines/{sample.name}/stop", "")
        wait_for(lambda sample=sample: state(client, sample)["status"] == "loaded", what=f"{sample.name} stopped")
    return lacking


def is_over(client: Client, sample: Sample) -> bool:
    return len(sets(client, sample)) == len(sample.due) or state(client, sample)["status"] == "ended"


def jump(client: Client, sample: Sample) -> int:
    """Over a silence, if there is one; how many commands come before it."""
    times = [at for at, _ in sample.due.values()]
    for count, (before, at) in enumerate(pairwise(times), 1):
        if at - before > SILENCE_MS:
            wait_for(lambda count=count: len(sets(client, sample)) == count, what=f"{count} of {sample.path.name}")
            client.publish(f"timelines/{sample.name}/seek", {"position_ms": at - SILENCE_MS // 10})
            return count
    return len(times)


def sets(client: Client, sample: Sample) -> dict[tuple[str, str], Any]:
    """What devices got from it, each command once: a seek restores what is due there."""
    found: dict[tuple[str, str], Any] = {}
    for topic, payload in list(client.heard):
        if topic.startswith("devices/") and topic.endswith("/set"):
            said = json.loads(payload)
            if said["id"].startswith(f"{sample.name}.") and not said["id"].endswith(".off"):
                found.setdefault((number(said["id"]), topic.split("/")[1]), said)
    return found


def judge(client: Client, sample: Sample, began: float, before: int) -> bool:
    """Nothing but what was due, in its order on each device, and not before its time; whether it was all."""
    got, whole = sets(client, sample), True
    order = list(sample.due)
    for device in sample.devices:
        came = [order.index(key) for key in got if key[1] == device]
        assert came == sorted(came), f"{sample.path.name}: {device} got {came}"
    for key, said in got.items():
        at, effect = sample.due[key]
        about = f"{sample.path.name}: {said}, expected {effect}"
        assert said["effect_type"] == effect.effect_type, about
        assert said["intensity"] == pytest.approx(effect.intensity), about
        assert said.get("parameters", {}) == effect.parameters, about
        if (said["duration"], said.get("fade", 0)) != (effect.duration, effect.fade):
            assert 0 < said["duration"] <= (effect.duration or 90_000), about  # it came late, and was restored
            whole = False
        elif order.index(key) < before:
            assert said["deadline"]["ms"] - effect.ttl_ms >= began + at - 2, about
    return whole and len(got) == len(sample.due)
