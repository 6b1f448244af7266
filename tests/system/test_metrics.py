"""`GET /metrics` of a real home: what happened is told, in a format that Prometheus takes, to whoever may see it."""

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from effectd.access import passwords
from page_proc.figures import FIGURES
from tests.needs import need
from tests.system.browser import Browser
from tests.system.home import REPOSITORY, Home, wait_for
from tests.system.test_readme import commands

PAGE = REPOSITORY / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def room() -> Iterator[Home]:
    with Home(page=True) as home:
        home.config["broker"]["sys_interval_s"] = 0.5
        home.write()
        home.start_ready()
        yield home


def browser(room: Home) -> Browser:
    return Browser(room.config["page"]["port"])


def text(room: Home) -> str:
    status, said = browser(room).get("/metrics")
    assert status == 200, said
    return str(said)


def value(room: Home, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text(room)):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def test_what_happens_in_a_room_is_told(room: Home) -> None:
    asked = browser(room)
    status, said = asked.post("/api/effects/wind", {"intensity": 40, "duration": 100, "ttl_ms": 60000})
    assert status in (200, 202), said
    asked.post("/api/effects/nonsense", 5)
    client = room.client("dead-letters/#")
    client.publish("effects/wind", "{")
    client.publish("holds/door", "open", retain=True)
    done = {"type": "wind", "status": "done"}
    wait_for(lambda: value(room, "effectd_effects_total", **done) == 1, what="the effect")
    wait_for(lambda: value(room, "effectd_effects_total", type="other", status="refused") == 1, what="an unknown type")
    wait_for(lambda: value(room, "effectd_dead_letters_total", reason="malformed") == 1, what="the letter")
    wait_for(lambda: value(room, "effectd_holds", scope="all") == 1, what="the hold")
    assert value(room, "effectd_effect_latency_seconds_count", type="wind") == 1
    for stage in ("deliver", "drive", "answer"):
        assert value(room, "effectd_effect_stage_seconds_count", stage=stage) == 1
    client.publish("holds/door", "", retain=True)
    wait_for(lambda: value(room, "effectd_holds", scope="all") == 0, what="the release")


def test_all_of_it_is_there_and_promtool_finds_nothing_to_complain_of(room: Home) -> None:
    need("promtool", "prometheus")
    wait_for(lambda: value(room, "effectd_broker_publish_received_total"), what="the broker's own figures")
    wait_for(lambda: value(room, "effectd_program_memory_bytes", program="wind"), what="what the programs weigh")
    wait_for(lambda: value(room, "effectd_queue_length", queue="open") == 0, what="what waits")
    found = text(room)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=found, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    told = set(re.findall(r"^# TYPE (\w+)", found, re.M))
    assert told | {"effectd_device_kept_off_total"} == set(FIGURES)


def test_a_killed_program_is_told_as_restarted_and_a_dead_broker_as_away(room: Home) -> None:
    before = value(room, "effectd_program_restarts_total", program="wind") or 0
    room.kill("wind", signal.SIGKILL)
    wait_for(lambda: (value(room, "effectd_program_restarts_total", program="wind") or 0) > before, what="a restart")
    room.wait_ready()
    wait_for(lambda: value(room, "effectd_ready") == 1, what="all ready")
    room.order("stop", "broker")
    wait_for(lambda: value(room, "effectd_broker_connected") == 0, what="no broker")
    assert value(room, "effectd_device_online", device="light") is None
    assert value(room, "effectd_ready") == 0
    room.order("start", "broker")
    wait_for(lambda: value(room, "effectd_broker_connected") == 1, what="the broker again")


def test_the_command_of_the_page_about_metrics_works_as_it_stands(room: Home) -> None:
    need("curl", "curl")
    (command,) = commands(PAGE)
    done = subprocess.run(
        ["bash", "-c", command.replace("8090", str(room.config["page"]["port"]))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert "effectd_build_info" in done.stdout


def test_with_users_a_scrape_needs_one_who_may_hear_what_it_tells(room: Home) -> None:
    users = {"prometheus": {"subscribe": ["receipts/#", "devices/#", "system/#"]}, "bert": {"subscribe": ["devices/#"]}}
    passwords.write(room.path, {name: passwords.hashed(b"secret") for name in users})
    room.config["broker"]["users"] = users
    room.write()
    port = room.config["page"]["port"]
    wait_for(lambda: Browser(port).get("/metrics")[0] == 401, what="a login is asked for")
    wait_for(lambda: Browser(port, ("prometheus", "secret")).get("/metrics")[0] == 200, what="it may see")
    status, said = Browser(port, ("bert", "secret")).get("/metrics")
    assert (status, said["status"]) == (403, "refused")
