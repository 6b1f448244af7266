"""The least that could be a chain: trivial paho programs that exchange the very messages of effectd, no more.

python -m benchmarks.stub dispatcher PORT
python -m benchmarks.stub driver PORT WITNESS DEVICE...
"""

import json
import socket
import sys
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from effectd.program.stream import no_delay


def connect(port: int, *topics: str) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(0)
    client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
    client.on_connect = lambda c, *_: c.subscribe([(topic, 1) for topic in topics])
    client.connect("127.0.0.1", port)
    return client


def dispatcher(port: int) -> None:
    """effects/<type> -> devices/<type>/set; an ack -> a receipt."""
    client = connect(port, "effects/#", "devices/+/ack")

    def message(_client: Any, _data: Any, m: Any) -> None:
        fields = json.loads(m.payload)
        if m.topic.startswith("effects/"):
            device = m.topic.split("/")[1]
            command = {**fields, "effect_type": device, "seq": 1, "parameters": {}, "priority": 5, "expires_at": 0}
            client.publish(f"devices/{device}/set", json.dumps(command), 1)
        else:
            receipt = {"id": fields["id"], "status": fields["status"], "devices": {}, "reason": "", "latency_ms": 0}
            client.publish(f"receipts/{fields['id']}", json.dumps(receipt), 1)

    client.on_message = message
    client.loop_forever()


def driver(port: int, witness: str, device: str) -> None:
    """A set -> the witness, an ack and, at most 20 times a second, a state."""
    client = connect(port, f"devices/{device}/set", f"devices/{device}/stop", "stop-all")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.connect(witness)
    told = [0.0]

    def message(_client: Any, _data: Any, m: Any) -> None:
        fields = json.loads(m.payload)
        sock.send(f"{time.monotonic_ns()} {fields['id']}".encode())
        ack = {"id": fields["id"], "status": "done", "reason": "", "received_at": 0, "done_at": 0}
        client.publish(f"devices/{device}/ack", json.dumps(ack), 1)
        if time.monotonic() - told[0] > 0.05:
            told[0] = time.monotonic()
            client.publish(f"devices/{device}/state", json.dumps({"on": True, "effect_id": fields["id"]}), 1, True)

    client.on_message = message
    client.loop_forever()


if __name__ == "__main__":
    if sys.argv[1] == "dispatcher":
        dispatcher(int(sys.argv[2]))
    else:
        driver(int(sys.argv[2]), sys.argv[3], sys.argv[4])
