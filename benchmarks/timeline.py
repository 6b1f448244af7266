"""A timeline of 50 effects a second beside live ones: how punctually they are fired, and driven.

Beside it runs a control, a bare Python process that wakes up at the same 50 moments a second and notes how late: what
the machine itself adds while other programs use its cores.

.venv/bin/python -m benchmarks.timeline [--seconds 600] [--live 20]
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading

from benchmarks import figures
from effectd.messages.effect import DEFAULT_TTL_MS
from tests.system.home import Home, wait_for

HZ = 50
CONTROL = """
import sys, time
hertz, count = int(sys.argv[1]), int(sys.argv[2])
began, late = time.monotonic(), []
for number in range(1, count + 1):
    time.sleep(max(0.0, began + number / hertz - time.monotonic()))
    late.append(1000 * (time.monotonic() - began - number / hertz))
print(late)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--live", type=int, default=20, help="live effects a second beside it")
    asked = parser.parse_args()
    count = asked.seconds * HZ
    effects = [
        {"effect_type": "wind", "timestamp": n * 1000 // HZ, "duration": 15, "intensity": 1 + n % 99}
        for n in range(count)
    ]
    with Home({"wind": {"kind": "virtual", "effects": ["wind"], "limits": {"max_rate_hz": 1000}}}) as home:
        home.start()
        home.wait_ready()
        client = home.client("devices/wind/set", "devices/wind/ack", "timelines/bench/state")
        client.publish("timelines/bench/load", {"effects": effects})
        wait_for(lambda: client.json("timelines/bench/state"), 60, "loaded")
        over = threading.Event()
        live = threading.Thread(target=disturb, args=(home, asked.live, over))
        live.start()
        control = subprocess.Popen(
            [sys.executable, "-c", CONTROL, str(HZ), str(count)], stdout=subprocess.PIPE, text=True
        )
        client.publish("timelines/bench/play", "")
        wait_for(
            lambda: client.json("timelines/bench/state")[-1]["status"] == "ended", asked.seconds + 60, "it has ended"
        )
        over.set()
        live.join()
        late = json.loads(control.communicate()[0])
        due = {f"{n}": effect["timestamp"] for n, effect in enumerate(effects)}
        fired = [
            each["deadline"]["ms"] - DEFAULT_TTL_MS - due[each["id"].rpartition(".")[2]]
            for each in client.json("devices/wind/set")
        ]
        driven = [
            each["done_at"] - due[each["id"].rpartition(".")[2]]
            for each in client.json("devices/wind/ack")
            if each["status"] == "done"
        ]
    rows = {
        f"{len(fired)} of {count} fired by the dispatcher, from the first": figures.spread(
            [each - min(fired) for each in fired]
        ),
        f"{len(driven)} driven, from the median": figures.spread(
            [abs(each - statistics.median(driven)) for each in driven]
        ),
        "the control, a bare process, wakes up late by": figures.spread(late),
    }
    figures.show("Punctuality of a timeline (ms, whole ms by the clocks in the messages)", rows)


def disturb(home: Home, hertz: int, over: threading.Event) -> None:
    client = home.client("receipts/#")
    number = 0
    while hertz and not over.wait(1 / hertz):
        number += 1
        client.publish("effects/light", json.dumps({"id": f"live{number}", "intensity": number % 100, "duration": 20}))


if __name__ == "__main__":
    main()
