"""A day with the page open, in fast motion: what a room does in 24 hours goes through it in minutes.

.venv/bin/python -m benchmarks.page_memory [--effects 8640] [--json FILE]
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.room import pss
from tests.system.chromium import Tab, chromium
from tests.system.home import Client, Home, wait_for

LOOKS = 8  # times that memory is looked at
TYPES = ("light", "wind", "vibration", "scent")
AT_ONCE = 40  # effects that are on their way


def effect(number: int) -> dict[str, Any]:
    """Each another one; every tenth is refused, as people are people."""
    fields: dict[str, Any] = {"id": f"day-{number}", "intensity": 5 + number % 95, "duration": 20 + number % 80}
    if number % 4 == 0:
        fields["parameters"] = {"color": f"#{number * 7919 % 0xFFFFFF:06x}"}
    if number % 4 == 3:
        fields["parameters"] = {"scent": f"scent {number % 500}"}
    return fields | ({"intensity": 160} if number % 10 == 9 else {})


def renderer(profile: str) -> psutil.Process:
    """The process that draws the page: the largest of its kind."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"--user-data-dir={profile}" in (line := process.info["cmdline"] or []) or profile in " ".join(line)
    ]
    drawing = [process for process in found if "--type=renderer" in process.info["cmdline"]]
    return max(drawing, key=lambda process: process.memory_info().rss)


def looked(home: Home, tab: Tab, profile: str) -> dict[str, float]:
    """Memory now, after everything that can be forgotten is."""
    tab.cdp("HeapProfiler.collectGarbage")
    told = {each["name"]: each["value"] for each in tab.cdp("Performance.getMetrics")["metrics"]}
    return {
        "page program, PSS MB": round(pss(home.pid("page")), 1),
        "browser, PSS MB": round(pss(renderer(profile).pid), 1),
        "JavaScript, MB": round(told["JSHeapUsedSize"] / 1e6, 2),
        "elements": told["Nodes"],
        "listeners": told["JSEventListeners"],
    }


def day(effects: int) -> list[dict[str, float]]:
    rows = []
    with Home(page=True) as home, tempfile.TemporaryDirectory() as profile:
        home.start_ready()
        client = Client(home.port, "receipts/#", window=0)
        home.clients.append(client)
        with chromium(Path(profile)) as driver:
            tab = Tab(driver, f"http://127.0.0.1:{home.config['page']['port']}").open().live()
            tab.cdp("Performance.enable")
            gusts = [{"effect_type": "wind", "timestamp": at, "duration": 100} for at in range(0, 9000, 300)]
            client.publish("timelines/film/load", {"effects": gusts})
            client.publish("timelines/film/play", {"loop": True})
            answered = 0
            for number in range(effects):
                tab_of = ("effects", "device", "timelines", "programs")[number // 200 % 4]
                if number % 200 == 0:
                    tab.find(f"#tab-{tab_of}").click()
                    tab.find(f'#devices [data-key="{TYPES[number // 200 % 4]}"] button').click()
                client.publish(f"effects/{TYPES[number % 4]}", effect(number))
                wait_for(lambda number=number: len(client.heard) > number - AT_ONCE, 30, "receipts")
                if (number + 1) % max(1, effects // LOOKS) == 0:
                    rows.append({"effects": number + 1} | looked(home, tab, profile))
                    print(json.dumps(rows[-1]), flush=True)
                    answered = len(client.heard)
            assert answered >= effects * 0.9
            assert tab.complaints() == []
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effects", type=int, default=8640, help="one each ten seconds is a day")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = day(given.effects)
    first, last = rows[len(rows) // 4], rows[-1]
    for key in first:
        print(f"{key}: {first[key]} -> {last[key]}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
