"""A broker that refuses the size of a timeline: whoever plays it is told, nothing is stuck, everybody else goes on."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.needs import need
from tests.system.home import Client, Home, wait_for
from tests.system.test_external import broker, on

LIMIT = 100_000  # bytes, more than an effect may have
LARGE = {"effects": [{"effect_type": "wind", "timestamp": n * 100, "duration": 50} for n in range(4000)]}
SMALL = {"effects": [{"effect_type": "wind", "timestamp": 0, "duration": 60_000, "intensity": 30}]}


def play(home: Home, document: dict[str, Any]) -> subprocess.Popen[str]:
    path = home.path / "large.json"
    path.write_text(json.dumps(document))
    assert path.stat().st_size > 2 * LIMIT
    command = [sys.executable, "-m", "effectd.cli", "play", str(path)]
    return subprocess.Popen(command, cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def publish(port: int, home: Home, version: str) -> str:
    """As any client would; what it is told. A client of MQTT 3.1.1 hears nothing of a message that is dropped."""
    need("mosquitto_pub", "mosquitto-clients")
    topic, path = "timelines/large/load", str(home.path / "large.json")
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-V", version, "-q", "1", "-t", topic, "-f", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stderr


@pytest.mark.parametrize(
    ("setting", "said", "version", "told"),
    [
        ("max_packet_size", "the broker closes the connection on a message of", "311", "connection was lost"),
        ("message_size_limit", "the broker has acknowledged the", "5", "Packet too large"),
    ],
)
def test_a_timeline_that_is_too_large_for_the_broker_is_said_and_everything_else_goes_on(
    setting: str, said: str, version: str, told: str
) -> None:
    with broker(f"{setting} {LIMIT}") as other, Home(broker=on(other.port)) as home:
        home.start_ready()
        pids, generation = home.pids(), home.line("broker")["generation"]
        client = Client(other.port)
        client.publish("timelines/small/load", SMALL)
        client.publish("timelines/small/play", "")
        wait_for(lambda: client.state("wind")["on"], what="a small one plays")
        playing = play(home, LARGE)
        assert told in publish(other.port, home, version)
        number = 0
        while playing.poll() is None:
            number += 1
            client.publish("effects/light", {"id": f"meanwhile{number}", "duration": 50})
            assert client.receipt(f"meanwhile{number}")["status"] == "done"
        out, err = playing.communicate()
        assert playing.returncode == 75, out + err
        assert said in err
        assert setting in err
        assert "a file in the folder timelines of the home" in err
        assert client.on("timelines/large/state") == []
        assert client.json("timelines/small/state")[-1]["status"] == "playing"
        assert (home.pids(), home.line("broker")["generation"]) == (pids, generation)
        (home.path / "timelines").mkdir()
        (home.path / "large.json").rename(home.path / "timelines" / "large.json")
        assert home.effectd("restart", "dispatcher").returncode == 0
        wait_for(
            lambda: client.json("timelines/large/state")[-1]["effects"] == 4000, what="as a file it needs no broker"
        )
        client.close()


def test_a_document_that_is_larger_than_any_may_be_is_said_and_harms_nothing() -> None:
    with Home() as home:
        home.start_ready()
        client = home.client("receipts/#", "timelines/+/state")
        path = home.path / "huge.json"
        path.write_bytes(b" " * (4 << 20) + json.dumps(SMALL).encode())
        played = home.effectd("play", str(path))
        assert played.returncode == 65
        assert "a timeline has at most 4194304" in played.stderr
        client.publish("timelines/huge/load", path.read_bytes())
        wait_for(lambda: client.json("timelines/huge/state")[-1]["status"] == "refused", what="refused")
        (problem,) = client.json("timelines/huge/state")[-1]["problems"]
        assert "a timeline has at most 4194304" in problem["problem"]
        need("mosquitto_pub", "mosquitto-clients")
        path.write_bytes(b" " * (5 << 20))
        topic = "timelines/huge/load"
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.port), "-V", "311", "-q", "1", "-t", topic]
        refused = subprocess.run([*command, "-f", str(path)], capture_output=True, text=True, timeout=30, check=False)
        assert "connection was lost" in refused.stderr
        wait_for(lambda: "packet of 5242" in home.log("broker"), what="the broker says why")
        client.publish("effects/light", {"id": "after", "duration": 50})
        assert client.receipt("after")["status"] == "done"
