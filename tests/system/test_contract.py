"""The examples of docs/contract.md on a running home: its effects are published, its answers come back."""

import json
import socket
from typing import Any

from tests.system.home import Client, Home, wait_for
from tests.unit.test_contract import EXAMPLES, Example

ANSWERS = {"receipt", "dead-letter", "state", "set", "ack"}
OF_THE_RUN = {"at", "since", "latency_ms", "received_at", "done_at", "seq", "expires_at", "deadline", "pid"} | {
    "generation",
    "broker_generation",
    "config",  # of a gate line, from the release on that knows it
}


def lasting(value: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run."""
    return {key: part for key, part in value.items() if key not in OF_THE_RUN}


def same(example: Example, heard: Any) -> bool:
    return isinstance(heard, dict) and list(heard) == list(example.value) and lasting(heard) == lasting(example.value)


def test_what_the_contract_shows_is_what_a_home_says(home: Home) -> None:
    client = Client(home.port)
    effects = [(example.place, example.text.encode()) for example in EXAMPLES if example.kind == "effect"]
    letters = [letter.value for letter in EXAMPLES if letter.kind == "dead-letter"]
    for topic, payload in [*effects, *((letter["topic"], letter["payload"].encode()) for letter in letters)]:
        client.publish(topic, payload)
    shown = [example for example in EXAMPLES if example.kind in ANSWERS]
    assert {example.kind for example in shown} == ANSWERS
    try:
        for example in shown:
            wait_for(
                lambda example=example: any(same(example, heard) for heard in client.json(example.place)),
                what=f"{example.kind} {example.name} as in docs/contract.md; heard {client.on(example.place)}",
            )
    finally:
        client.close()


def test_the_gate_line_in_the_contract_is_what_a_gate_says(home: Home) -> None:
    (example,) = (example for example in EXAMPLES if example.kind == "gate-line")
    with socket.socket(socket.AF_UNIX) as gate:
        gate.connect(str(home.path / example.place))
        heard = json.loads(gate.makefile().readline())
    assert same(example, heard), heard
