"""The page: start, memory, how long a stop and an effect take by HTTP, and a room in which everything moves.

.venv/bin/python -m benchmarks.page [--json FILE]
"""

import argparse
import json
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import figures
from benchmarks.room import pss
from effectd.messages import answers
from tests.system.browser import Browser
from tests.system.home import Client, Home, wait_for

DEVICES, HZ, SECONDS, PAGES = 60, 20, 10.0, 3
RUNS = 5  # one killed oftener within a minute is braked
PAUSE_S = 0.03  # a device of 60 Hz is free again


def starts(home: Home, runs: int) -> tuple[list[float], list[float]]:
    """s from exec to ready, and s of CPU: killed, and brought back by supervisord."""
    walls, cpus = [], []
    for _ in range(runs):
        before = home.kill("page")
        line = wait_for(lambda before=before: (line := home.line("page")) and line["pid"] != before and line)
        line = wait_for(lambda: (line := home.line("page")) and line["state"] == "ready" and line)
        process = psutil.Process(line["pid"])
        walls.append(line["at"] / 1000 - process.create_time())
        cpus.append(sum(process.cpu_times()[:2]))
    return walls, cpus


def answered(ask: Any, runs: int) -> list[float]:
    """ms of each answer; each has to be a 200."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        status, said = ask()
        found.append((time.perf_counter() - began) * 1000)
        assert status == 200, said
        time.sleep(PAUSE_S)
    return found


def small() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    with Home(page=True) as home:
        home.start_ready()
        browser = Browser(home.config["page"]["port"])
        ready, cpu = starts(home, RUNS)
        time.sleep(2)
        figures_ = {
            "exec -> ready, s (median)": round(figures.percentile(ready, 0.5), 2),
            f"exec -> ready, s (worst of {RUNS})": round(max(ready), 2),
            "CPU until ready, s (least)": round(min(cpu), 2),
            "PSS, nobody looks, MB": round(pss(home.pid("page")), 1),
        }
        rows = {"an effect, until its receipt": figures.spread(answered(_effect(browser), 200))}
        rows["stop"] = figures.spread(answered(lambda: browser.post("/api/stop"), 100))
        for program in ("dispatcher", "broker"):
            home.order("stop", program)
        rows["stop, dispatcher and broker dead"] = figures.spread(answered(lambda: browser.post("/api/stop"), 100))
    return figures_, rows


def _effect(browser: Browser) -> Any:
    return lambda: browser.post("/api/effects/wind", {"duration": 5})


def lively() -> dict[str, Any]:
    """60 devices that change 20 times a second each, and three pages that look; none of the drivers is here."""
    moving = {f"lamp-{n}": {"kind": "remote", "effects": ["light"]} for n in range(DEVICES)}
    with Home(moving | dict.fromkeys(("light", "wind", "vibration", "scent")), page=True) as home:
        home.start_ready()
        browser = Browser(home.config["page"]["port"])
        late: list[float] = []
        frames = [0] * PAGES
        ending = threading.Event()

        def look(page: int) -> None:
            with browser.stream("/api/live") as listening:
                for name, said in listening.events():
                    if ending.is_set():
                        return
                    if name == "devices":
                        frames[page] += 1
                        if page == 0:
                            now = answers.unix_ms()
                            late.extend(now - one["since"] for one in said["devices"].values() if one["since"])

        pages = [threading.Thread(target=look, args=(page,), daemon=True) for page in range(PAGES)]
        for each in pages:
            each.start()
        process = psutil.Process(home.pid("page"))
        client = Client(home.port, "nothing", window=0)
        began, used, due = time.monotonic(), sum(process.cpu_times()[:2]), time.monotonic()
        level = 0
        while time.monotonic() < began + SECONDS:
            level = (level + 7) % 101
            for name in moving:
                state = {"on": True, "effect_type": "light", "intensity": level, "since": answers.unix_ms()}
                client.publish(f"devices/{name}/state", json.dumps(state), retain=True)
            due += 1 / HZ
            time.sleep(max(0.0, due - time.monotonic()))
        used = sum(process.cpu_times()[:2]) - used
        weight = pss(process.pid)
        ending.set()
        client.close()
    return {
        "frames a second of a page": round(frames[0] / SECONDS, 1),
        "change -> page, ms (median)": round(figures.percentile(late, 0.5), 1),
        "change -> page, ms (p99)": round(figures.percentile(late, 0.99), 1),
        "CPU of the page, % of a core": round(used / SECONDS * 100, 1),
        "PSS, MB": round(weight, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    alone, times = small()
    busy = lively()
    figures.show("The page", {name: {"": value} for name, value in alone.items()})
    figures.show("By HTTP, ms", times)
    figures.show(
        f"{DEVICES} devices, {HZ} changes a second each, {PAGES} pages open",
        {name: {"": v} for name, v in busy.items()},
    )
    figures.save(arguments.json and str(arguments.json), {"page": alone, "http": times, "busy": busy})


if __name__ == "__main__":
    main()
