"""What `GET /metrics` tells of what was heard: counted once, within bounds, and in a format that Prometheus takes."""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from effectd.config import reader
from effectd.messages import answers
from effectd.messages.answers import Ack, KeptOff, Receipt, State
from page_proc.figures import BROKER, FIGURES
from page_proc.histogram import Histogram
from page_proc.metrics import REMEMBERED, Metrics
from tests.needs import need

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOUSE: dict[str, Any] = {
    "effects": {"wind": None, "light": None},
    "devices": {
        "fan": {"kind": "virtual", "effects": ["wind"]},
        "lamp": {"kind": "virtual", "effects": ["light"]},
        "far": {"kind": "remote", "effects": ["wind"]},
    },
}
PROGRAM = {"state": "ready", "ready": True, "restarts": 2, "stale": ["x"], "memory_bytes": 5_000_000, "pid": 7}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def metrics(root: str = "") -> Metrics:
    return Metrics(reader.load(Path("/tmp"), yaml.safe_dump(HOUSE | {"topic_root": root}).encode()))


def told(found: Metrics, programs: dict[str, Any] | None = None) -> Samples:
    text = found.text(programs or {}, dict.fromkeys(programs or {}, 1.5), {"open": 3}, connected=True).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Metrics, name: str, **labels: str) -> float | None:
    return told(found).get((name, frozenset(labels.items())))


def receipt(found: Metrics, effect_id: str, status: str, effect_type: str = "wind", **more: Any) -> None:
    message = Receipt(id=effect_id, effect_type=effect_type, status=status, **{"at": 1000, **more})
    found.hear(f"receipts/{effect_id}", answers.encode(message))


def everything() -> Metrics:
    """One that has heard something of each kind."""
    found = metrics()
    found.hear("devices/fan/ack", answers.encode(Ack(id="a", status="done", received_at=995, done_at=997)))
    receipt(found, "a", "accepted", at=996)
    receipt(found, "a", "done", latency_ms=7.5)
    found.hear("dead-letters/refused", b"{}")
    found.hear("devices/fan/availability", b"online")
    found.hear("devices/fan/state", answers.encode(State(on=True, effect_type="wind", intensity=40)))
    found.hear("devices/lamp/state", answers.encode(KeptOff(on=False, reason="held by anna")))
    found.hear("timelines/film/state", b'{"status":"playing"}')
    for name in BROKER:
        found.hear(f"$SYS/broker/{name}", b"5 seconds")
    found.hear("$SYS/broker/limits/rights", b"3")
    return found


def test_an_effect_is_counted_once_by_its_type_and_end_however_often_its_receipt_comes():
    found = metrics()
    receipt(found, "a", "accepted")
    for _ in range(3):
        receipt(found, "a", "done", latency_ms=1.5, devices={"fan": "done"})
    receipt(found, "b", "refused")
    receipt(found, "b", "refused", at=2000)  # the same id, sent again and refused again
    assert value(found, "effectd_effects_total", type="wind", status="done") == 1
    assert value(found, "effectd_effects_total", type="wind", status="refused") == 2
    assert value(found, "effectd_effects_accepted_total", type="wind") == 1
    assert value(found, "effectd_effect_latency_seconds_count", type="wind") == 1
    assert value(found, "effectd_effect_latency_seconds_bucket", type="wind", le="0.002") == 1
    assert value(found, "effectd_effect_latency_seconds_bucket", type="wind", le="0.001") == 0


def test_the_stages_of_an_effect_are_what_its_acks_and_its_receipt_say():
    found = metrics()
    for device, received, done in (("fan", 102, 110), ("far", 5000, 5300)):
        ack = Ack(id="a", status="done", received_at=received, done_at=done)
        for _ in range(2):  # it may be repeated
            found.hear(f"devices/{device}/ack", answers.encode(ack))
    receipt(found, "a", "done", at=115, latency_ms=15)
    for stage, count, total in (("deliver", 1, 0.002), ("drive", 2, 0.308), ("answer", 1, 0.005)):
        assert value(found, "effectd_effect_stage_seconds_count", stage=stage) == count
        assert value(found, "effectd_effect_stage_seconds_sum", stage=stage) == pytest.approx(total)


def test_what_has_not_happened_yet_is_told_as_0():
    found = metrics()
    assert value(found, "effectd_effects_total", type="light", status="failed") == 0
    assert value(found, "effectd_dead_letters_total", reason="expired") == 0
    assert value(found, "effectd_overload_refused_total") == 0


def test_a_letter_about_overload_counts_those_for_which_it_stands():
    found = metrics()
    detail = "overload: 1250 effects wait (17 refused since the last letter about it; this is one of them)"
    for text in (detail, detail.replace("17", "1") + " (first 4096 of 5000 bytes shown)", "something else"):
        found.hear("dead-letters/overload", json.dumps({"detail": text}).encode())
    assert value(found, "effectd_dead_letters_total", reason="overload") == 3
    assert value(found, "effectd_overload_refused_total") == 19


def test_holds_and_limits_that_keep_a_device_off_are_told_apart():
    found = metrics()
    for reason in ("held by anna: cleaning", "held by anna: cleaning", "budget: 10000 ms of 60000 ms are used up"):
        found.hear("devices/fan/state", answers.encode(KeptOff(on=False, reason=reason)))
    assert value(found, "effectd_device_kept_off", device="fan") == 1
    assert value(found, "effectd_device_kept_off_total", device="fan", cause="hold") == 1
    assert value(found, "effectd_device_kept_off_total", device="fan", cause="limit") == 1
    found.hear("system/holds", b'[{"name":"anna","target":null},{"name":"door","target":["fan"]}]')
    assert value(found, "effectd_holds", scope="all") == value(found, "effectd_holds", scope="some") == 1


def test_without_a_connection_nothing_is_said_of_what_stood_on_the_broker():
    found = everything()
    found.lost()
    names = {name for name, _ in told(found)}
    assert not {name for name in names if name.startswith(("effectd_device_on", "effectd_broker_retained"))}
    assert value(found, "effectd_effects_total", type="wind", status="done") == 1


def test_below_a_topic_root_the_same_is_heard_and_nothing_above_it():
    found = metrics("room1")
    found.hear("receipts/a", answers.encode(Receipt(id="a", effect_type="wind", status="done", at=1)))
    assert value(found, "effectd_effects_total", type="wind", status="done") == 0
    found.hear("room1/receipts/a", answers.encode(Receipt(id="a", effect_type="wind", status="done", at=1)))
    assert value(found, "effectd_effects_total", type="wind", status="done") == 1


WORD = st.text(max_size=8)


@given(st.lists(st.tuples(WORD, WORD, WORD, st.binary(max_size=20) | WORD.map(str.encode)), max_size=20))
def test_strangers_make_no_labels(messages):
    found = metrics()
    known = set(told(found))
    for one, two, effect_type, payload in messages:
        receipt(found, one, "done", effect_type)
        for topic in (f"dead-letters/{one}", f"devices/{one}/state", f"devices/fan/{two}", f"$SYS/broker/{two}"):
            found.hear(topic, payload)
        found.hear("devices/fan/state", payload)
        found.hear("devices/fan/ack", payload)
    fresh = {labels for name, labels in set(told(found)) - known if name.startswith(("effectd_eff", "effectd_dead"))}
    words = {word for labels in fresh for key, word in labels if key != "le"}
    assert words <= {"other", "done", "wind", "light"}


def test_what_is_remembered_has_an_end():
    found = metrics()
    for number in range(REMEMBERED + 10):
        found.hear("devices/fan/ack", answers.encode(Ack(id=str(number), status="done")))
        receipt(found, str(number), "accepted")
    assert {len(found._acks), len(found._said), len(found._said_in_order)} == {REMEMBERED}


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_each_value_in_every_bucket_that_it_is_not_above(values):
    bounds = (0.1, 1.0, 10.0)
    found = Histogram(bounds)
    for each in values:
        found.observe(each)
    counted = dict(found.buckets())
    assert counted == {
        **{str(bound): sum(each <= bound for each in values) for bound in bounds},
        "+Inf": len(values),
    }


def test_promtool_finds_nothing_to_complain_of():
    need("promtool", "prometheus")
    text = everything().text({"wind": PROGRAM}, {"wind": 1.5}, {"open": 3}, connected=True)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_figure_is_told_and_stands_in_the_page_about_them_as_it_is():
    names = {re.sub("_(bucket|sum|count|created)$", "", name) for name, _ in told(everything(), {"wind": PROGRAM})}
    assert names == set(FIGURES)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", (DOCS / "metrics.md").read_text(), re.M)
    assert rows == [
        (name, kind, ", ".join(f"`{label}`" for label in labels), meaning)
        for name, (kind, labels, meaning) in FIGURES.items()
    ]


def queries() -> dict[str, str]:
    """Those of the dashboard, and of the alerts that the page shows; by where they stand."""

    def below(of: Any, where: str) -> Iterable[tuple[str, str]]:
        for key, found in of.items() if isinstance(of, dict) else enumerate(of) if isinstance(of, list) else ():
            if key in ("expr", "definition"):
                yield f"{where}/{key}", found
            else:
                yield from below(found, f"{where}/{key}")

    dashboard = json.loads((DOCS / "grafana-effectd.json").read_text())
    return dict([*below(dashboard, "grafana"), *below(yaml.safe_load(blocks()[1]), "alerts")])


def blocks() -> list[str]:
    """The configuration of Prometheus, and the rules, that the page shows."""
    return re.findall(r"^```yaml\n(.*?)^```", (DOCS / "metrics.md").read_text(), re.M | re.S)


def test_every_query_of_the_dashboard_and_of_the_alerts_uses_names_and_labels_that_exist():
    assert len(queries()) > 30
    used = set[str]()
    for where, query in queries().items():
        names = set(re.findall(r"\beffectd_\w+", query))
        assert names, where
        labels = {"le", "instance"}
        for name in names:
            base = name if name in FIGURES else re.sub("_(bucket|sum|count)$", "", name)
            kind, own, _ = FIGURES[base]
            assert (kind == "histogram") == (base != name), where
            assert kind != "counter" or re.search(rf"(rate|increase)\({name}\b", query), where
            used.add(base)
            labels |= set(own)
        grouped = [word.strip() for group in re.findall(r"by \(([^)]*)\)", query) for word in group.split(",")]
        filtered = re.findall(r"[{,]\s*(\w+)\s*[=!]", query)
        assert {*grouped, *filtered} <= labels, where
    assert len(used) > len(FIGURES) * 2 / 3


def test_promtool_can_read_every_query_and_the_configuration_that_the_page_shows(tmp_path):
    need("promtool", "prometheus")
    scrape, alerts = blocks()
    found = {
        where: query.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$instance", ".*")
        for where, query in queries().items()
        if not query.startswith("label_values")
    }
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found.values())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    (tmp_path / "alerts.yml").write_text(alerts)
    (tmp_path / "prometheus.yml").write_text(scrape + "rule_files: [alerts.yml, rules.yml]\n")
    done = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
