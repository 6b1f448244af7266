"""The two processes beside a flood: one that pours effects out of raw sockets, one that hears what is said of them."""

import json
import select
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from effectd.messages.answers import FINAL
from tests.broker import wire

TYPES = ("wind", "light", "vibration")


def publish(topic: str, payload: bytes) -> bytes:
    return wire.packet(0x30, wire.string(topic) + payload)


def valid(name: str, number: int) -> str:
    return f'{{"id":"{name}","intensity":{number % 100},"duration":20}}'


class Flood(NamedTuple):
    """`kind`: valid, refused, malformed, mixed; `rate`: effects a second of all clients; `tag` begins every id."""

    kind: str
    clients: int
    rate: float
    seconds: float
    tag: str

    @classmethod
    def of(cls, kind: str, clients: int, rate: float, seconds: float) -> "Flood":
        return cls(kind, clients, rate, seconds, f"{kind[:3]}{clients}-{time.monotonic_ns():x}")


def pour(port: int, flood: Flood) -> int:
    """Publish for so long; how many were sent. A client that the broker does not read waits, the others go on."""
    kind, clients, rate, seconds, tag = flood
    socks = []
    for number in range(clients):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(wire.connect(f"flood-{tag}-{number}", keepalive=0))
        sock.recv(4)
        sock.setblocking(False)
        socks.append([sock, b""])
    sent, start = 0, time.monotonic()
    while (spent := time.monotonic() - start) < seconds:
        for entry in socks:
            if not entry[1]:
                pieces = []
                while sent < rate * spent and len(pieces) < 50:
                    name = f"{tag}-{sent}"
                    text = {
                        "valid": valid(name, sent),
                        "refused": f'{{"id":"{name}","intensity":101}}',
                        "malformed": f'{{"id":"{name}","intensity":',
                    }[kind if kind != "mixed" else ("valid", "refused", "malformed")[sent % 3]]
                    pieces.append(publish(f"effects/{TYPES[sent % 7 % 3]}", text.encode()))
                    sent += 1
                entry[1] = b"".join(pieces)
            try:
                entry[1] = entry[1][entry[0].send(entry[1]) :] if entry[1] else b""
            except BlockingIOError:
                continue
        waiting = [entry[0] for entry in socks if entry[1]]
        if waiting:
            select.select([], waiting, [], 0.005)
        else:
            time.sleep(max(0.0, min(0.005, sent / rate - (time.monotonic() - start))))
    for entry in socks:
        entry[0].close()
    return sent


def hear(port: int, tag: str, out: Path) -> None:
    """Until stdin ends: count what is said; write that down, and the ids that were accepted and never ended."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(wire.connect(f"ear-{tag}", keepalive=0) + wire.subscribe(("receipts/#", 1), ("dead-letters/#", 1)))
    statuses: Counter[str] = Counter()
    accepted: set[str] = set()
    ended: Counter[str] = Counter()
    data = bytearray()
    while True:
        readable, _, _ = select.select([sock, sys.stdin], [], [])
        if sock in readable:
            got = sock.recv(1 << 18)
            if not got:
                break
            data += got
            for topic, payload in packets(data, sock):
                if topic.startswith("dead-letters/"):
                    statuses[topic] += 1
                    continue
                said = json.loads(payload)
                name, status = said["id"], said["status"]
                if status == "accepted":
                    accepted.add(name)
                elif status in FINAL - {"refused"}:
                    ended[name] += 1
                statuses[status + (" overload" if said["reason"].startswith("overload") else "")] += 1
        elif sys.stdin in readable:
            break
    out.write_text(json.dumps({"said": statuses, "unheard": sorted(accepted - set(ended))}))


def packets(data: bytearray, sock: socket.socket) -> list[tuple[str, bytes]]:
    """The whole PUBLISH packets at the head of `data`, which are taken away and acknowledged."""
    found, at, acks = [], 0, bytearray()
    while len(data) >= at + 2:
        length, shift, pos = 0, 0, at + 1
        while pos < len(data):
            length |= (data[pos] & 127) << shift
            shift += 7
            pos += 1
            if data[pos - 1] < 128:
                break
        else:
            break
        if pos + length > len(data):
            break
        if data[at] & 0xF0 == 0x30:
            body = bytes(data[pos : pos + length])
            end = 2 + int.from_bytes(body[:2], "big")
            topic = body[2:end].decode()
            if data[at] & 6:
                acks += b"\x40\x02" + body[end : end + 2]
                end += 2
            found.append((topic, body[end:]))
        at = pos + length
    del data[:at]
    if acks:
        sock.sendall(acks)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "pour":
        print(pour(int(sys.argv[2]), Flood(**json.loads(sys.argv[3]))))
    else:
        hear(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
