"""`effectd watch` without a terminal: each message as a line."""

import json
import re
import subprocess
import sys
import time

from tests.system.home import Home, wait_for
from tests.system.running import Running


def test_watch_as_json_prints_every_message_as_a_line_and_ends_well_at_ctrl_c(shared_home: Home) -> None:
    client = shared_home.client()
    with Running(shared_home, "watch", "--json") as watch:
        watch.says("watching 127.0.0.1")
        shared_home.effectd("send", "light", "20", "--id", "watched")
        client.publish("other", b"\xff\x00")
        client.publish("words", "not { json")
        watch.says("not { json")
        assert watch.interrupt() == 0
        lines = [json.loads(line) for line in watch.out.splitlines()]
    by_topic = {line["topic"]: line for line in lines}
    assert all(abs(line["at"] / 1000 - time.time()) < 60 for line in lines)
    assert by_topic["effects/light"]["payload"] == {"id": "watched", "intensity": 20}
    assert by_topic["receipts/watched"]["payload"]["status"] == "done"
    assert by_topic["devices/wind/availability"]["payload"] == "online"
    assert by_topic["devices/light/state"]["payload"]["on"] is True
    assert by_topic["words"]["payload"] == "not { json"
    assert by_topic["other"] == {"at": by_topic["other"]["at"], "topic": "other", "payload_base64": "/wA="}


def test_watch_says_in_plain_lines_what_happens(shared_home: Home) -> None:
    client = shared_home.client()
    with Running(shared_home, "watch") as watch:
        watch.says("watching 127.0.0.1")
        shared_home.effectd("send", "light", "80", "--param", "color=#ff8800", "--id", "seen")
        client.publish("effects/wind", "{bad")
        client.publish("effects/wind", b'{"id": "esc", "intensity": "\x1b[31m"}')
        watch.says("dead letter")
        shared_home.effectd("stop", "scent")
        watch.says("stop        scent")
        out = watch.out
    assert "  light       on  light 80 % #ff8800\n" in out
    assert re.search(r"  receipt     done  light  in \d+\.\d ms  \(light: done\)  seen\n", out)
    assert '  effect      light  {"id": "seen", ' in out
    assert "  dead letter malformed  effects/wind  neither JSON nor a bare word" in out
    assert "  wind        online\n" in out
    assert "  dispatcher  ready\n" in out
    assert "\x1b" not in out
    assert "/set" not in out


def test_watch_says_that_the_broker_is_gone_and_comes_back_with_it(up_home: Home) -> None:
    with Running(up_home, "watch") as watch:
        watch.says("watching 127.0.0.1")
        up_home.kill("broker")
        wait_for(lambda: watch.err.count("watching 127.0.0.1") == 2, what="watching again")
        assert "waiting for the broker" in watch.err
        up_home.wait_ready()
        up_home.pids()
        assert up_home.effectd("send", "wind", "33").returncode == 0
        watch.says("wind 33 %")


def test_watch_waits_for_a_broker_that_is_not_there_yet(own_home: Home) -> None:
    with Running(own_home, "watch") as watch:
        watch.says("waiting for the broker")
        assert own_home.effectd("up").returncode == 0
        own_home.pids()
        watch.says("scent       online")


def test_watch_ends_quietly_when_nobody_reads_it_any_more(shared_home: Home) -> None:
    command = f"set -o pipefail; {sys.executable} -m effectd.cli watch --json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=shared_home.path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
