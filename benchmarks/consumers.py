"""Why our programs hear at QoS 0 where a broker has several nodes: `python -m benchmarks.consumers [--replicas N]`.

Three nodes of NATS; one is killed, and a client of another one asks for thirty subscriptions in one packet, at QoS 0
and at QoS 1, in turn, for three minutes: how many are refused (0x80), and after how long.
"""

import argparse
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import figures
from benchmarks.nodes import NatsNode, started, there

WANTED, PATIENT_S, PAUSE_S = 30, 150.0, 5.0


def asked(port: int, qos: int, number: int) -> tuple[int | str, float]:
    """How many were refused, and seconds until it was said."""
    said = threading.Event()
    refused: list[int] = []

    def told(_client: Any, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        refused.append(sum(reason.is_failure for reason in reasons))
        said.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, f"asks-{qos}-{number}", reconnect_on_failure=False)
    topics = [(f"asked/{qos}/{number}/{each}", qos) for each in range(WANTED)]
    client.on_connect = lambda client, *_: client.subscribe(topics)
    client.on_subscribe = told
    client.on_disconnect = lambda *_: said.set()
    began = time.monotonic()
    client.connect("127.0.0.1", port)
    client.loop_start()
    said.wait(PATIENT_S)
    took = time.monotonic() - began
    client.disconnect()
    client.loop_stop()
    return (refused[0] if refused else "no answer", took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=0, help="consumer_replicas of the nodes' configuration")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--json")
    given = parser.parse_args()
    if not there(NatsNode):
        print("nats-server is not installed")
        return
    found: dict[str, dict[str, Any]] = {}
    NatsNode.consumer_replicas = given.replicas
    with started(NatsNode, 3) as nodes:
        time.sleep(PAUSE_S)
        nodes[0].kill()
        killed, number = time.monotonic(), 0
        while time.monotonic() - killed < given.seconds:
            for qos in (0, 1):
                since = time.monotonic() - killed
                refused, took = asked(nodes[1].port, qos, number)
                found[f"{since:.0f} s after, QoS {qos}"] = {"refused": refused, "told after": f"{took:.1f} s"}
                print(f"{since:.0f} s after the death, QoS {qos}: {refused} of {WANTED} refused, after {took:.1f} s")
                number += 1
            time.sleep(PAUSE_S)
    figures.show(f"{WANTED} subscriptions at a node of NATS whose neighbour is dead", found)
    figures.save(given.json, found)


if __name__ == "__main__":
    main()
