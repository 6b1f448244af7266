"""Load on a broker, from raw sockets in one process that does next to nothing a message: one sender, many receivers.

    python -m benchmarks.load throughput ADDRESS [--receivers 10] [--five 5] [--qos 1] [--seconds 2] [--pid BROKER]
    python -m benchmarks.load latency ADDRESS --rate 200 [--qos 1] [--seconds 3] [--pid BROKER]

ADDRESS is a port of 127.0.0.1 or the path of a UNIX socket. It prints one line of JSON; `cpu` is this process's own
share of a core, `broker_cpu` that of the process `--pid`. All messages of a run are of one size, so a receiver finds
them, and their packet ids, by strides through what it has read, without a loop in Python.
"""

import argparse
import json
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tests.broker import wire, wire5

CHUNK = 50_000  # messages made in advance; fewer than there are packet ids
WARM_S = 0.3
PATIENCE_S = 30.0  # without any progress
TICK = os.sysconf("SC_CLK_TCK")


def open_socket(address: str) -> socket.socket:
    """`[USER:PASSWORD@]PORT`, or the path of a socket."""
    address = address.rpartition("@")[2]
    if address.isdigit():
        sock = socket.create_connection(("127.0.0.1", int(address)), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        sock.connect(address)
    return sock


def read_packet(sock: socket.socket) -> bytes:
    """One whole packet of less than 128 bytes; ConnectionError where the broker closes instead."""
    data = b""
    while len(data) < 2 or len(data) < 2 + data[1]:
        more = sock.recv(2 if len(data) < 2 else 2 + data[1] - len(data))
        if not more:
            raise ConnectionError("closed by the broker")
        data += more
    return data


def enter(address: str, *, five: bool, topic: str = "", qos: int = 0, client_id: str = "") -> socket.socket:
    """A connection that has its CONNACK and, with a `topic`, its SUBACK."""
    speaks: Any = wire5 if five else wire
    sock = open_socket(address)
    name, _, password = address.rpartition("@")[0].partition(":")
    login = {"username": name, "password": password} if name else {}
    sock.sendall(speaks.connect(client_id, keepalive=60, **login))
    if (head := read_packet(sock))[0] != 0x20 or head[3]:
        raise ConnectionError(f"refused: {head!r}")
    if topic:
        sock.sendall(speaks.subscribe((topic, qos)))
        if read_packet(sock)[-1] != qos:
            raise ConnectionError("subscription refused")
    return sock


class Receiver:
    """Counts what arrives, and acknowledges it."""

    def __init__(self, address: str, topic: str, qos: int, *, five: bool, payload: int) -> None:
        self.sock = enter(address, five=five, topic=topic, qos=qos)
        self.sock.setblocking(False)
        self.count = 0
        self._qos, self._head, self._rest = qos, 0x30 | qos << 1, b""
        example = (wire5 if five else wire).publish(topic, b"x" * payload, qos)
        self.size = len(example)
        self._id_at = example.index(topic.encode()) + len(topic)
        self._acks = b"\x40\2\0\0" * CHUNK

    def read(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("a receiver was closed by the broker")
        data, size = self._rest + data, self.size
        count = len(data) // size
        whole = count * size
        if data[:whole:size].count(self._head) != count:
            raise ValueError("a message of another size or kind")
        self._rest = data[whole:]
        self.count += count
        if self._qos and count:
            acks = bytearray(self._acks[: 4 * count])
            acks[2::4], acks[3::4] = data[self._id_at : whole : size], data[self._id_at + 1 : whole : size]
            self._send(acks)

    def _send(self, data: bytearray) -> None:
        while data:
            try:
                del data[: self.sock.send(data)]
            except BlockingIOError:
                select.select([], [self.sock], [], 1)


class Sender:
    """Sends what the window allows; its PUBACKs are counted by their bytes."""

    def __init__(self, address: str, topic: str, qos: int, *, five: bool, payload: int) -> None:
        speaks: Any = wire5 if five else wire
        self.sock = enter(address, five=five)
        self.sock.setblocking(False)
        self.acknowledged, self.sent, self._qos = 0, 0, qos  # messages
        messages = [speaks.publish(topic, b"x" * payload, qos, packet_id=each + 1) for each in range(CHUNK)]
        self._size = len(messages[0])
        self._all, self._at = memoryview(b"".join(messages)), 0  # bytes

    def send(self, count: int) -> None:
        """Up to `count` messages more; what the kernel does not take now is for the next time."""
        end = min(self._at - self._at % self._size + count * self._size, len(self._all))
        if self._at < end:
            try:
                at = self._at + self.sock.send(self._all[self._at : end])
            except BlockingIOError:
                return
            self.sent += at // self._size - self._at // self._size
            self._at = at % len(self._all)

    @property
    def is_between(self) -> bool:
        """Whether no message is half sent."""
        return not self._at % self._size

    def read(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("the sender was closed by the broker")
        self.acknowledged += len(data) / 4


@dataclass(frozen=True)
class Wanted:
    """One measurement: `five` of the `receivers` speak MQTT 5; none may be more than `window` messages behind."""

    address: str
    receivers: int = 1
    five: int = 0
    version: int = 4  # of the sender; 4 is 3.1.1
    qos: int = 0
    window: int = 100
    rate: int = 200  # messages a second, where latencies are asked for
    payload: int = 128  # bytes
    seconds: float = 2.0
    pid: int = 0  # of the broker

    @property
    def topic(self) -> str:
        return f"load/{os.getpid():08}"


def throughput(wanted: Wanted) -> dict[str, float]:
    """Messages a second, as the slowest receiver counts them."""
    qos, seconds, pid = wanted.qos, wanted.seconds, wanted.pid
    ends = [
        Receiver(wanted.address, wanted.topic, qos, five=number < wanted.five, payload=wanted.payload)
        for number in range(wanted.receivers)
    ]
    sender = Sender(wanted.address, wanted.topic, qos, five=wanted.version == 5, payload=wanted.payload)
    poll = select.epoll()
    by_number: dict[int, Receiver | Sender] = {each.sock.fileno(): each for each in (*ends, sender)}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    begin: tuple[float, float, float, float] | None = None
    start = progress = time.monotonic()
    result: dict[str, float] = {}
    while True:
        behind = min(each.count for each in ends)
        if qos:
            behind = min(behind, int(sender.acknowledged))
        now = time.monotonic()
        if begin is None and now - start > WARM_S:
            begin = (now, behind, time.process_time(), cpu_of(pid))
        if begin and not result and now - begin[0] > seconds:
            spent = now - begin[0]
            result = {
                "rate": (behind - begin[1]) / spent,
                "cpu": (time.process_time() - begin[2]) / spent,
                "broker_cpu": (cpu_of(pid) - begin[3]) / spent,
            }
        if result and behind == sender.sent and sender.is_between:
            break
        if not result or not sender.is_between:
            sender.send(0 if result else behind + wanted.window - sender.sent)
        for number, _ in poll.poll(0.2):
            by_number[number].read()
            progress = now
        if now - progress > PATIENCE_S:
            raise TimeoutError(f"{sender.sent - behind} messages of {sender.sent} have not arrived")
    for each in by_number.values():
        each.sock.close()
    return result


def latency(wanted: Wanted) -> dict[str, float]:
    """One-way latencies, us, of `rate` messages a second to one receiver."""
    qos, rate, seconds, pid, topic = wanted.qos, wanted.rate, wanted.seconds, wanted.pid, wanted.topic
    receiver = enter(wanted.address, five=False, topic=topic, qos=qos)
    sender = enter(wanted.address, five=False)
    data, samples, sent = b"", list[float](), 0
    size = len(wire.publish(topic, b"x" * wanted.payload, qos))
    stamp_at = size - wanted.payload
    start, cpu, broker = time.monotonic(), time.process_time(), cpu_of(pid)
    count = int(rate * seconds)
    while len(samples) < count:
        now = time.monotonic()
        if sent < count and now >= start + sent / rate:
            payload = struct.pack("=Q", time.monotonic_ns()) + b"x" * (wanted.payload - 8)
            sender.sendall(wire.publish(topic, payload, qos, packet_id=sent % 60_000 + 1))
            sent += 1
            continue
        if now - start > seconds + PATIENCE_S:
            raise TimeoutError(f"{count - len(samples)} messages have not arrived")
        wait = max(start + sent / rate - now, 0) if sent < count else 1.0
        for sock in select.select([sender, receiver], [], [], wait)[0]:  # epoll would wait for whole milliseconds
            if sock is sender:
                sender.recv(4096)
                continue
            data += receiver.recv(1 << 16)
            arrived = time.monotonic_ns()
            while len(data) >= size:
                samples.append((arrived - struct.unpack_from("=Q", data, stamp_at)[0]) / 1e3)
                if qos:
                    receiver.sendall(b"\x40\2" + data[stamp_at - 2 : stamp_at])
                data = data[size:]
    spent = time.monotonic() - start
    samples.sort()
    for each in (receiver, sender):
        each.close()
    return {
        "p50": samples[len(samples) // 2],
        "p99": samples[int(len(samples) * 0.99)],
        "cpu": (time.process_time() - cpu) / spent,
        "broker_cpu": (cpu_of(pid) - broker) / spent,
    }


def cpu_of(pid: int) -> float:
    """Seconds of processor that `pid` has used; 0 of none."""
    if not pid:
        return 0.0
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / TICK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["throughput", "latency"])
    parser.add_argument("address")
    for field in fields(Wanted)[1:]:
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    it = vars(parser.parse_args())
    measure = {"throughput": throughput, "latency": latency}[it.pop("what")]
    print(json.dumps(measure(Wanted(**it))))


if __name__ == "__main__":
    main()
