"""The least that could be a chain: trivial paho programs that exchange the very messages of effectd, no more.

python -m benchmarks.stub dispatcher WHERE
python -m benchmarks.stub driver WHERE WITNESS DEVICE...

WHERE is the port of a broker, or the folder of a home: its broker knows the stubs as that home's own programs.
"""

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from effectd.config.reader import home_id
from effectd.program.stream import no_delay


def connect(where: str, name: str, *topics: str) -> paho.Client:
    home = None if where.isdigit() else Path(where)
    client_id = f"effectd-{home_id(home)}-{name}" if home else ""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, transport="unix" if home else "tcp")
    client.max_inflight_messages_set(0)
    client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
    client.on_connect = lambda c, *_: c.subscribe([(topic, 1) for topic in topics])
    if home:
        client.connect(str(home / "run" / "broker.sock"))
    else:
        client.connect("127.0.0.1", int(where))
    return client


def dispatcher(where: str) -> None:
    """effects/<type> -> devices/<type>/set; an ack -> a receipt."""
    client = connect(where, "dispatcher", "effects/#", "devices/+/ack")

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


def driver(where: str, witness: str, device: str) -> None:
    """A set -> the witness, an ack and, at most 20 times a second, a state."""
    client = connect(where, device, f"devices/{device}/set", f"devices/{device}/stop", "stop-all")
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
        dispatcher(sys.argv[2])
    else:
        driver(sys.argv[2], sys.argv[3], sys.argv[4])
