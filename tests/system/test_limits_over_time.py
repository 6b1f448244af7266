"""On-time and flashes of real processes, as somebody else's broker sees them."""

import itertools
import json
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from drivers.reporter import JOURNAL_BYTES
from effectd.base.journal import Journal
from tests.system.home import Home, wait_for
from tests.system.test_external import broker


class Witness:
    """Hears each level of each device at its moment."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, float, float]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _d, message: self.seen.append(
            (message.topic, time.monotonic(), float(message.payload))
        )
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_for(self._client.is_connected, what="the witness")

    def levels(self, device: str) -> list[tuple[float, float]]:
        return [(at, level) for topic, at, level in list(self.seen) if topic == device]

    def on_spans(self, device: str) -> list[tuple[float, float]]:
        spans, since = [], None
        for at, level in [*self.levels(device), (time.monotonic(), 0.0)]:
            if level and since is None:
                since = at
            elif not level and since is not None:
                spans.append((since, at))
                since = None
        return spans

    def rises(self, *devices: str) -> list[float]:
        found = []
        for device in devices:
            before = 0.0
            for at, level in self.levels(device):
                if level - before >= 10:
                    found.append(at)
                before = level
        return sorted(found)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def seen(port: int, name: str, effect: str, limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A device of which the witness sees every level."""
    options = {"topic": name, "broker": {"host": "127.0.0.1", "port": port}}
    limits = {"max_rate_hz": 1000} | limits
    return {"kind": "mqtt", "effects": [effect], "limits": limits, "options": options, **more}


def used(spans: list[tuple[float, float]], window_s: float, at: float) -> float:
    return sum(max(0.0, min(end, at) - max(start, at - window_s)) for start, end in spans)


HEARD_SECOND_S = 0.8  # a second between two flashes of which the first was heard late
TOGETHER_S = 0.06  # what rises within 0.02 s is one flash; so is what is heard that much later
LATE_S = 0.1  # what comes between the driver's decision and the witness


def test_a_stream_of_effects_and_kills_stays_within_the_budget_and_is_told() -> None:
    limits = {"max_on_ms": 1000, "budget": {"on_ms": 1000, "window_ms": 6000}}
    with broker() as seen_at, Home({"scent": seen(seen_at.port, "scent", "scent", limits)}) as home:
        witness = Witness(seen_at.port)
        home.start()
        home.wait_ready()
        client = home.client()
        killed = 0
        for number in range(60):
            client.publish("effects/scent", {"id": f"s{number}", "duration": 400, "intensity": 50})
            assert client.receipt(f"s{number}")["status"] in {"done", "failed", "expired"}
            if number in {10, 25, 40}:
                home.kill("scent")
                killed += 1
                home.wait_ready()
            time.sleep(0.15)  # the load, not a condition
        wait_for(lambda: not client.state("scent")["on"], what="off")
        receipts = [client.receipt(f"s{number}") for number in range(60)]
        failed = [receipt for receipt in receipts if receipt["status"] == "failed"]
        assert any(receipt["reason"].startswith("scent: budget: free again in ") for receipt in failed)
        assert any(state.get("reason", "").startswith("budget: free") for state in client.json("devices/scent/state"))
        spans = witness.on_spans("scent")
        assert sum(end - start for start, end in spans) > 1.5  # the budget is free again, and used again
        worst = max(used(spans, 6.0, end) for _, end in spans)
        assert worst <= 1.0 + LATE_S, (worst, spans)
        witness.close()


def test_a_reboot_refills_no_budget_also_of_what_was_on_when_the_power_went() -> None:
    limits = {"max_on_ms": 1000, "budget": {"on_ms": 1000, "window_ms": 60_000}}
    device = {"kind": "virtual", "effects": ["scent"], "limits": limits}
    with Home({"scent": device, "lavender": device, "rose": device}) as home:
        home.start()
        home.wait_ready()
        client = home.client()
        client.publish("effects/scent", {"id": "spent", "duration": 1000, "target": "scent"})
        assert client.receipt("spent")["status"] == "done"
        wait_for(lambda: client.state("scent").get("reason", "").startswith("budget"), what="cut by the budget")
        home.down()
        # as the boot before left them: by a clock that means nothing now, one spent, one on, one never used
        for name, spans, on in (("scent", [[5, 1005]], None), ("lavender", [], 7), ("rose", [], None)):
            journal = Journal(home.path / "run" / f"{name}.seen", JOURNAL_BYTES)
            assert journal.put("on-time", json.dumps({"boot": "another", "spans": spans, "on": on}).encode())
            journal.close()
        home.start()
        home.wait_ready()
        client = home.client()
        for name in ("scent", "lavender"):
            client.publish("effects/scent", {"id": name, "duration": 100, "target": name})
            found = client.receipt(name)
            assert (found["status"], found["reason"].partition("free again in ")[0]) == ("failed", f"{name}: budget: ")
        client.publish("effects/scent", {"id": "rose", "duration": 100, "target": "rose"})
        assert client.receipt("rose")["status"] == "done"


def test_two_lamps_of_a_zone_that_alternate_stay_within_three_flashes_a_second_together() -> None:
    with broker() as seen_at:
        lamps = {name: seen(seen_at.port, name, "light", {}, zones=["stage"]) for name in ("left", "right")}
        with Home(lamps | {"light": None}) as home:
            witness = Witness(seen_at.port)
            home.start()
            home.wait_ready()
            client = home.client("receipts/#")
            for number, name in zip(range(120), itertools.cycle(("left", "right")), strict=False):
                client.publish("effects/light", {"id": f"l{number}", "target": name, "duration": 12})
                time.sleep(0.025)  # the strobe: 20 Hz of each lamp
            receipts = [client.receipt(f"l{number}") for number in range(120)]
            assert {receipt["status"] for receipt in receipts} == {"done"}
            limited = [r for r in receipts if r["reason"].partition(": ")[2] == "flash limit"]
            rises = witness.rises("left", "right")
            assert len(limited) == 120 - len(rises)
            assert len(rises) >= 4
            most = max(sum(at <= other < at + 1 for other in rises) for at in rises)
            assert most <= 3, [json.dumps([round(at - rises[0], 3) for at in rises])]
            witness.close()


def test_more_lamps_than_a_zone_has_flashes_go_on_together_and_flash_no_oftener_in_turn_also_when_killed() -> None:
    names = ["one", "two", "three", "four", "five"]
    with broker() as seen_at:
        lamps = {name: seen(seen_at.port, name, "light", {}, zones=["stage"]) for name in names}
        with Home(lamps | {"light": None}) as home:
            witness = Witness(seen_at.port)
            home.start()
            home.wait_ready()
            client = home.client("receipts/#")
            client.publish("effects/light", {"id": "all", "target": "stage", "duration": 0})
            assert client.receipt("all")["reason"] == ""
            wait_for(lambda: len(witness.rises(*names)) == 5, what="all five lamps")
            began = len(witness.rises(*names))
            client.publish("effects/light", {"id": "dark", "target": "stage", "intensity": 0})
            client.receipt("dark")
            for number, name in zip(range(40), itertools.cycle(names), strict=False):
                client.publish("effects/light", {"id": f"l{number}", "target": name, "duration": 50, "ttl_ms": 9000})
                if number in {11, 22}:
                    home.kill(names[number % 4])
                time.sleep(0.1)  # the chase: 10 Hz
            receipts = [client.receipt(f"l{number}") for number in range(40)]
            assert any(r["reason"].endswith("flash limit") for r in receipts)
            in_turn = witness.rises(*names)[began:]
            assert len(in_turn) >= 4
            flashes = [at for before, at in itertools.pairwise([0.0, *in_turn]) if at - before > TOGETHER_S]
            most = max(sum(at <= other < at + HEARD_SECOND_S for other in flashes) for at in flashes)
            assert most <= 3, [json.dumps([round(at - in_turn[0], 3) for at in in_turn])]
            witness.close()
