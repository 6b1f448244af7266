"""A home that an older version left under load, killed all at once: what it had accepted ends, no device is deaf."""

import io
import json
import os
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needs import cannot
from tests.system.home import REPOSITORY, Client, Home, wait_for

OLD = "6bb8e15"  # the last version with the journals' first layout and the clock-driven seq
EFFECTS = {"light": "light", "vibration": "vibration", "wind": "wind", "scent": "scent"}


@pytest.fixture(scope="module")
def old_code() -> Iterator[Path]:
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", OLD], capture_output=True, check=False)
    if archive.returncode:
        cannot(f"commit {OLD} is not in this clone")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


class Versions(Home):
    """A home whose commands run the code of a folder; None = that of this repository."""

    code: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        del self.config["devices"]["light"]["limits"]["max_flash_hz"]  # the old code knows no such key
        self.write()

    def run(self, module: str, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        # what the code of another day does is not this code's coverage
        mine = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        env = {**mine, "PYTHONPATH": str(self.code)} if self.code else None
        return super().run(module, *arguments, env=env, **kwargs)

    def sent_nothing_for(self, client: Client, seconds: float) -> bool:
        """Whether no device was sent anything for a while."""
        sets = sum(topic.endswith("/set") for topic, _ in list(client.heard))
        if sets != self._sets[0]:
            self._sets = (sets, time.monotonic())
        return time.monotonic() - self._sets[1] > seconds

    _sets = (0, 0.0)


def finals(client: Client, effect_id: str) -> set[str]:
    told = [json.loads(payload) for payload in client.on(f"receipts/{effect_id}")]
    return {receipt["status"] for receipt in told} - {"accepted"}


def test_a_home_of_the_first_layout_goes_on_where_it_was_killed_under_load(old_code: Path) -> None:
    with Versions() as home:
        home.code = old_code
        home.start_ready()
        client = home.client()
        for _ in range(2):  # each restart put its seq 1,000 s further ahead of the clock
            dead = home.kill("dispatcher")
            wait_for(
                lambda dead=dead: (home.line("dispatcher") or {"pid": dead})["pid"] != dead, what="a new dispatcher"
            )
        home.wait_ready()
        home.order("stop", "scent")
        published = dict[str, tuple[str, Any]]()

        def publish(effect_type: str, effect_id: str) -> None:
            effect = {"id": effect_id, "duration": 20, "ttl_ms": 60_000}
            published[effect_id] = (f"effects/{effect_type}", effect)
            client.publish(*published[effect_id])

        for number in range(40):
            publish("scent", f"held-{number}")
        wait_for(lambda: all(client.on(f"receipts/held-{number}") for number in range(40)), what="accepted")
        for number in range(300):
            for effect_type in ("light", "wind", "vibration"):
                publish(effect_type, f"{effect_type}-{number}")
        wait_for(lambda: client.on("receipts/wind-30"), what="some of it being done")
        for pid in home.pids().values():  # all of it while the rest is on its way
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not home.left(), what="the end of all")
        before = list(client.heard)
        accepted = {json.loads(p)["id"] for topic, p in before if topic.startswith("receipts/")}
        seqs = [json.loads(payload)["seq"] for topic, payload in before if topic.endswith("/set")]
        assert (home.path / "run" / "dispatcher.journal").read_bytes()[:8] == b"effectd1"

        home.code = None
        home.start_ready()
        wait_for(lambda: client._granted >= 2, what="the client's own reconnection")
        wait_for(lambda: home.sent_nothing_for(client, 1.5), 40, "the end of what was open")
        again = len(client.heard)
        missing = [effect_id for effect_id in accepted if not finals(client, effect_id)]
        for effect_id in missing:  # told before the client was back: it is remembered, told again and not executed
            client.publish(*published[effect_id])
        wait_for(lambda: all(finals(client, effect_id) for effect_id in accepted), what="an end of each")
        assert {effect_id: words for effect_id in accepted if len(words := finals(client, effect_id)) != 1} == {}
        sent_anew = {json.loads(payload)["id"] for topic, payload in client.heard[again:] if topic.endswith("/set")}
        assert sent_anew & set(missing) == set()
        for device, effect_type in EFFECTS.items():
            client.publish(f"effects/{effect_type}", {"id": f"fresh-{device}", "duration": 10, "ttl_ms": 10_000})
            assert client.receipt(f"fresh-{device}")["devices"] == {device: "done"}
        fresh = [json.loads(p)["seq"] for topic, p in client.heard if topic.endswith("/set") and b'"fresh-' in p]
        assert min(fresh) > max(seqs)
