"""How many messages a second a broker passes on: `python -m benchmarks.load PORT-or-SOCKET [--qos 1] [--receivers 10]`.

One process of raw sockets sends and receives, so that the broker is what is measured. At most `--window` messages are
on their way at once, counted at the slowest receiver; at QoS 1 also by the broker's PUBACKs, and receivers acknowledge.
"""

import argparse
import os
import selectors
import socket
import statistics
import struct
import time

FIRST_S = 0.3  # not counted
TOPIC = b"load/one"


def string(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def packet(head: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        length.append(rest % 128 | (128 if rest > 127 else 0))
        rest //= 128
        if not rest:
            return bytes((head,)) + bytes(length) + body


class Connection:
    """One client, whose received packets all have the same size once it is subscribed."""

    def __init__(self, where: str, name: str, version: int) -> None:
        if where.isdecimal():
            self.socket = socket.create_connection(("127.0.0.1", int(where)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        properties = b"\0" if version == 5 else b""
        body = string(b"MQTT") + bytes((version, 2, 0, 60)) + properties + string(name.encode())
        self.socket.sendall(packet(0x10, body))
        self.read_packet()
        self.received = 0
        self._rest = 0
        self.socket.setblocking(True)

    def read_packet(self) -> bytes:
        head = self.socket.recv(2, socket.MSG_WAITALL)
        return head + self.socket.recv(head[1], socket.MSG_WAITALL)

    def subscribe(self, topic: bytes, qos: int, version: int) -> None:
        properties = b"\0" if version == 5 else b""
        self.socket.sendall(packet(0x82, b"\0\1" + properties + string(topic) + bytes((qos,))))
        self.read_packet()

    def count(self, size: int) -> int:
        """Whole packets of `size` bytes that have come."""
        self._rest += len(self.socket.recv(1 << 18))
        whole, self._rest = divmod(self._rest, size)
        self.received += whole
        return whole


def run(where: str, *, qos: int, receivers: int, window: int, seconds: float, payload: bytes,
        version: int = 4, fives: int = 0) -> float:  # fmt: skip
    """Messages a second, at the slowest of the receivers; the first `fives` of them speak MQTT 5."""
    name = f"load{time.monotonic_ns()}-"
    sender = Connection(where, name + "out", version)
    subscribers = []
    for number in range(receivers):
        of = 5 if number < fives else 4
        subscribers.append(Connection(where, name + str(number), of))
        subscribers[-1].subscribe(TOPIC, qos, of)
    body = string(TOPIC) + (b"\0\1" if qos else b"") + (b"\0" if version == 5 else b"") + payload
    message = packet(0x30 | qos << 1, body)
    sizes = {
        one: len(packet(0x30, string(TOPIC) + bytes((2 if qos else 0) + (number < fives)) + payload))
        for number, one in enumerate(subscribers)
    }
    poll = selectors.DefaultSelector()
    for one in subscribers:
        poll.register(one.socket, selectors.EVENT_READ, one)
    if qos:
        poll.register(sender.socket, selectors.EVENT_READ, sender)
    ids = dict.fromkeys(subscribers, 0)
    sent, acked, start, counted, begun = 0, 0, time.monotonic(), 0, 0.0
    while True:
        slowest = min(one.received for one in subscribers)
        if qos:
            slowest = min(slowest, acked)
        now = time.monotonic()
        if not begun and now - start > FIRST_S:
            begun, counted = now, slowest
        if begun and now - begun > seconds:
            break
        free = window - (sent - slowest)
        if free >= window // 4:
            sender.socket.sendall(message * free)
            sent += free
        for key, _ in poll.select(1.0):
            one = key.data
            if one is sender:
                acked += one.count(4)
            elif (came := one.count(sizes[one])) and qos:
                first = ids[one]
                ids[one] += came
                one.socket.sendall(
                    b"".join([b"\x40\2" + ((n % 65535) + 1).to_bytes(2, "big") for n in range(first, first + came)])
                )
    rate = (slowest - counted) / (now - begun)
    for one in (*subscribers, sender):
        one.socket.sendall(b"\xe0\0")
        one.socket.close()
    poll.close()
    return rate


def cpu_s(pid: int) -> float:
    """What a process has used so far (proc(5), utime and stime)."""
    if not pid:
        return 0.0
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", help="a port of 127.0.0.1, or the path of a UNIX socket")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0)
    parser.add_argument("--receivers", type=int, default=1)
    parser.add_argument("--fives", type=int, default=0, help="of the receivers, how many speak MQTT 5")
    parser.add_argument("--version", type=int, choices=(4, 5), default=4, help="of the sender: 4 is MQTT 3.1.1")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pid", type=int, default=0, help="of the broker: its CPU time is told, too")
    given = parser.parse_args()
    before, began = cpu_s(given.pid), time.monotonic()
    rates = [
        run(
            given.where,
            qos=given.qos,
            receivers=given.receivers,
            window=given.window,
            seconds=given.seconds,
            payload=b"x" * given.bytes,
            version=given.version,
            fives=given.fives,
        )
        for _ in range(given.rounds)
    ]
    line = f"{statistics.median(rates):.0f} messages/s ({min(rates):.0f}-{max(rates):.0f})"
    if given.pid:
        used = cpu_s(given.pid) - before
        messages = statistics.mean(rates) * (time.monotonic() - began)
        line += f", {1e6 * used / messages:.1f} us of the broker's CPU a message"
    print(line)


if __name__ == "__main__":
    main()
