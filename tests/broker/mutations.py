"""Mutated packets at a broker: none may hang a connection, leave a traceback, or disturb another client.

    python -m tests.broker.mutations PORT [--packets 1000000] [--seed 1]

Each connection says a good CONNECT of 3.1.1 or 5 (or a mutated one), then packets that were good until bytes of them
were flipped, cut, doubled, inserted or their length changed, a PINGREQ after each. It has to be answered or closed;
where a packet says another length than it has, the broker may wait for more, until this side is at its end. All the
while two bystanders exchange messages, which have to arrive, in order, and nothing else. It prints one line of JSON.
"""

import argparse
import json
import random
import selectors
import socket
import time
from contextlib import closing
from typing import Any

from . import wire, wire5

AT_ONCE = 80  # connections; fewer than may wait to be accepted, or the kernel lets one wait for a second
ANSWER_S = 0.02  # without an answer for so long, it waits for more of a packet that says it is longer
PATIENCE_S = 10.0  # with a connection that has no reason to wait: what was sent is whole, or this side is at its end
BYSTANDERS = b"bystanders"


def originals() -> dict[int, list[bytes]]:
    """Good packets of either version."""
    text = {"content_type": "text", "user_property": [("a", "b")], "response_topic": "r/t", "correlation_data": "1"}
    out: dict[int, list[bytes]] = {}
    for version, speaks in ((4, wire), (5, wire5)):
        it: Any = speaks
        out[version] = [
            it.subscribe(("fuzz/+/#", 1), ("fuzz/a", 2), packet_id=7),
            it.unsubscribe("fuzz/+/#", "fuzz/a", packet_id=8),
            it.publish("fuzz/a", "x" * 40),
            it.publish("fuzz/b", "x" * 300, 1, packet_id=3, retain=True),
            it.publish("fuzz/c/d", "x", 2, packet_id=4),
            wire.PINGREQ,
            *(wire.acknowledge(kind, 4) for kind in (wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP)),
        ]
    out[5] += [
        wire5.publish("fuzz/e", "x" * 20, 1, packet_id=5, message_expiry=9, payload_format=1, **text),
        wire5.publish("fuzz/f", "x", 0, topic_alias=1),
        wire5.subscribe(("fuzz/+", 1), no_local=True, as_published=True, subscription_identifier=300),
        wire5.subscribe(("$share/group/fuzz/#", 1)),
        wire5.disconnect(4, session_expiry=1),
        wire.packet(0xF0, b"\x18" + wire5.properties(reason_string="x")),
    ]
    return out


def openings() -> dict[int, list[bytes]]:
    will = {"will": ("fuzz/will", "gone"), "will_qos": 1}
    return {
        4: [wire.connect("", keepalive=30), wire.connect("", keepalive=30, username="u", **will)],  # type: ignore[arg-type]
        5: [
            wire5.connect("", keepalive=30),
            wire5.connect("", will_properties={"will_delay": 1}, receive_maximum=9, topic_alias_maximum=3, **will),  # type: ignore[arg-type]
        ],
    }


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(7):
            case 0 if out:
                out[at] = rng.randrange(256)
            case 1 if out:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 9)))
            case 3:
                del out[at : at + rng.choice((1, 2, 9))]
            case 4 if len(out) > 1:
                out[1] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, max(0, len(out) - 3) & 0x7F))
            case 5:
                out += out[at:]
            case _ if len(out) > 4:
                out[2:4] = rng.choice((b"\0\0", b"\xff\xff", b"\0\1", b"\0\7"))
    if BYSTANDERS in out or (out and 0xE0 <= out[0] <= 0xEF and rng.random() < 0.9):
        return mutated(data, rng)  # mostly not a DISCONNECT by chance, which ends the connection rightly
    return bytes(out)


def is_whole(data: bytes) -> bool:
    """Whether it is one packet of just the length that it says."""
    length = 0
    for at in range(1, min(5, len(data))):
        length |= (data[at] & 0x7F) << 7 * (at - 1)
        if not data[at] & 0x80:
            return at + 1 + length == len(data)
    return False


class Bystanders:
    """Two clients that go on exchanging messages: `worst` is the longest that one took, in seconds."""

    def __init__(self, port: int) -> None:
        self.topic = BYSTANDERS.decode()
        self._from, self._to = wire.connected(port, keepalive=0), wire.connected(port, keepalive=0)
        self._to.subscribe(self.topic, 1)
        self.count, self.worst = 0, 0.0

    def close(self) -> None:
        self._from.socket.close()
        self._to.socket.close()

    def look(self) -> None:
        start = time.monotonic()
        self._from.publish(self.topic, str(self.count), 1)
        message = self._to.message()
        assert (message.topic, message.payload) == (self.topic, str(self.count)), message
        self.count += 1
        self.worst = max(self.worst, time.monotonic() - start)


class Victim:
    """One connection and what it waits for."""

    def __init__(self, port: int, version: int, opening: bytes) -> None:
        self.version, self.sock = version, socket.socket()
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.until, self.ended, self.sent = 0.0, False, b""
        self.in_step = True  # both sides see the same packets
        self.send(opening)

    def send(self, data: bytes) -> None:
        self.sent = data
        self.in_step = self.in_step and is_whole(data)
        self.until = time.monotonic() + (PATIENCE_S if self.in_step else ANSWER_S)
        try:
            self.sock.send(data + wire.PINGREQ)
        except OSError:
            pass  # closed: the next read says so

    def end(self) -> None:
        self.ended, self.until = True, time.monotonic() + PATIENCE_S
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed: the next read says so


def run(port: int, packets: int, seed: int) -> dict[str, Any]:
    """Raises AssertionError for the first connection that hangs, with what was sent to it."""
    with selectors.DefaultSelector() as selector, closing(Bystanders(port)) as bystanders:
        try:
            return _run(port, packets, seed, selector, bystanders)
        finally:
            for key in list(selector.get_map().values()):
                key.data.sock.close()


def _run(
    port: int, packets: int, seed: int, selector: selectors.BaseSelector, bystanders: Bystanders
) -> dict[str, Any]:
    rng, good, begin = random.Random(seed), originals(), openings()
    counts = dict.fromkeys(("packets", "connections", "answered", "closed by the broker", "waited for more"), 0)
    alive, looked, start = dict[int, Victim](), 0.0, time.monotonic()

    def begin_one() -> None:
        version = rng.choice((4, 5))
        opening = rng.choice(begin[version])
        if rng.random() < 0.1:
            opening = mutated(opening, rng)
            counts["packets"] += 1
        victim = Victim(port, version, opening)
        counts["connections"] += 1
        alive[victim.sock.fileno()] = victim
        selector.register(victim.sock, selectors.EVENT_READ, victim)

    def drop(victim: Victim) -> None:
        selector.unregister(victim.sock)
        del alive[victim.sock.fileno()]
        victim.sock.close()

    while counts["packets"] < packets or alive:
        while len(alive) < AT_ONCE and counts["packets"] < packets:
            begin_one()
        for key, _ in selector.select(0.05):
            victim: Victim = key.data
            try:
                data = victim.sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                counts["closed by the broker"] += not victim.ended
                drop(victim)
            elif b"\xd0\0" in data and not victim.ended:  # PINGRESP
                counts["answered"] += 1
                if counts["packets"] < packets:
                    one = rng.choice(good[victim.version])
                    counts["packets"] += 1
                    victim.send(mutated(one, rng))
                else:
                    victim.end()
        now = time.monotonic()
        for victim in [each for each in alive.values() if each.until < now]:
            if victim.ended or victim.in_step:
                raise AssertionError(f"a connection hangs after {victim.sent!r} (seed {seed})")
            counts["waited for more"] += 1
            victim.end()
        if now - looked > 0.1:
            bystanders.look()
            looked = now
    bystanders.look()
    seconds = round(time.monotonic() - start, 1)
    return {**counts, "seconds": seconds, "bystanders' worst ms": round(bystanders.worst * 1000, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.port, arguments.packets, arguments.seed)))


if __name__ == "__main__":
    main()
