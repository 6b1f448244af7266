"""`effectd record` writes what happens, also what happens to the broker, and docs/record.md shows it as it is."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from effectd.messages import history
from effectd.messages.history import Dead, Ended, Program, Published, Stopped
from tests.system.home import REPOSITORY, Home, wait_for
from tests.system.test_readme import commands, run
from tests.system.test_verbs import Clone

DOC = REPOSITORY / "docs" / "record.md"


class Recorder:
    """`effectd record` on a home, ended by a signal."""

    def __init__(self, home: Home, name: str = "history.jsonl") -> None:
        self.path = home.path / name
        command = [sys.executable, "-m", "effectd.cli", "--home", str(home.path), "record", str(self.path)]
        self._process = subprocess.Popen(command)
        wait_for(lambda: self.connections("ready"), what="its connection")

    def events(self) -> list[Any]:
        return history.load(self.path) if self.path.exists() else []

    def connections(self, state: str) -> list[Program]:
        return [e for e in self.events() if isinstance(e, Program) and (e.name, e.state) == ("record", state)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events() if isinstance(event, kind)]

    def end(self, sig: int) -> int:
        self._process.send_signal(sig)
        return self._process.wait(10)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_an_effects_life_is_recorded_in_order_until_a_signal_ends_it_well(shared_home: Home, sig: int) -> None:
    recorder = Recorder(shared_home, f"{sig}.jsonl")
    id_ = f"gust-{sig}"
    client = shared_home.client()
    client.publish("effects/wind", {"id": id_, "intensity": 60, "duration": 50})
    wait_for(lambda: [e for e in recorder.of(history.Actuated) if e.id == id_], what="actuated")
    wait_for(lambda: recorder.of(history.Actuated)[-1].on is False, what="off again")
    assert recorder.end(sig) == 0
    life = [type(e).__name__ for e in recorder.events() if getattr(e, "id", None) == id_]
    assert life[:2] == ["Published", "Set"]
    assert sorted(life[2:]) == ["Acked", "Actuated", "Ended"]
    times = [event.mono_ms for event in recorder.events()]
    assert times == sorted(times)


def test_the_brokers_death_is_recorded_and_what_comes_after_it(home: Home) -> None:
    recorder = Recorder(home)
    killed = home.kill("broker")
    wait_for(lambda: len(recorder.connections("ready")) == 2, what="connected again")
    home.wait_ready()
    states = [(e.state, e.pid) for e in recorder.of(Program) if e.name == "broker"]
    assert states[0] == ("ready", killed)
    assert ("gone", None) in states
    assert states[-1][0] == "ready"
    assert states[-1][1] != killed
    assert len(recorder.connections("waiting")) == 1
    client = home.client()
    client.publish("stop-all", b"")
    client.publish("effects/wind", b"\xff no effect")
    client.publish("effects/wind", {"id": "after", "intensity": 5, "duration": 20})
    wait_for(lambda: [e for e in recorder.of(Ended) if e.id == "after"], what="the end of an effect")
    assert recorder.of(Stopped)[-1].device is None
    assert recorder.of(Dead)[-1].word == "malformed"
    assert [e.payload for e in recorder.of(Published) if e.id is None] == ["\ufffd no effect"]
    assert recorder.end(signal.SIGTERM) == 0


def test_programs_are_recorded_though_no_broker_ever_answers() -> None:
    with Home() as home:
        done = home.effectd("--home", str(home.path), "record", "-", "--seconds", "0.3")
    assert done.returncode == 0
    events = list(history.read(line.encode() for line in done.stdout.splitlines(keepends=True)))
    assert {(e.name, e.state) for e in events} == {
        (name, "gone") for name in ("broker", "dispatcher", "watchdog", *home.drivers)
    }


def test_a_file_that_cannot_be_written_is_named(shared_home: Home) -> None:
    home = str(shared_home.path)
    done = shared_home.effectd("--home", home, "record", "no/such/folder/h.jsonl")
    assert (done.returncode, done.stderr) == (73, "no/such/folder/h.jsonl: No such file or directory\n")
    if Path("/dev/full").exists():
        done = shared_home.effectd("--home", home, "record", "/dev/full")
        assert (done.returncode, done.stderr) == (74, "/dev/full: No space left on device; recording ends here\n")


def test_the_sample_in_the_docs_is_what_its_commands_print() -> None:
    shown = commands(DOC)
    assert len(shown) == 3
    with Clone() as clone:
        try:
            for command in shown:
                done = run(clone, command)
                clone.pids()
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        finally:
            run(clone, ".venv/bin/effectd down")
    (sample,) = re.findall(r"^```json\n(.*?)^```", DOC.read_text(), re.MULTILINE | re.DOTALL)
    assert len(list(history.read(f"{line}\n".encode() for line in sample.splitlines()))) == 6
    assert shape(done.stdout) == shape(sample)


def shape(lines: str) -> list[tuple[str, ...]]:
    """Each line's event and fields; the order of what happens within a millisecond is left to chance."""
    return sorted((line["event"], *line) for line in map(json.loads, lines.splitlines()))


def test_every_event_and_field_is_explained_in_the_docs() -> None:
    text = DOC.read_text()
    for kind in history.AnyEvent.__args__:
        assert f"| `{kind.__struct_config__.tag}` |" in text
        assert [name for name in kind.__struct_fields__ if f"`{name}`" not in text] == []
