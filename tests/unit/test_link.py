"""A connection beside a hostile or slow broker: the loop goes on, turns are short, what waits to leave is bounded."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effectd.config.address import Address, NodeAddress, Tls
from effectd.program import link as link_module
from effectd.program.link import ROOM_BYTES, ROOM_MESSAGES, Link
from effectd.program.stream import Stream, length
from tests.unit.real_loop import RealLoop

CONNACK, SUBACK = b"\x20\x02\0\0", b"\x90\x03\0\x01\x01"


class Peer:
    """A broker of one connection, that says only what a test wants."""

    def __init__(self, loop: RealLoop) -> None:
        self.loop = loop
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self.server.getsockname()[1])
        self.sock: socket.socket | None = None
        self.told: list[str] = []
        self.heard: list[bytes] = []
        self.link = self.make(self.address)

    def make(self, address: Address) -> Link:
        link = Link(
            self.loop,
            address,
            "me",
            subscriptions=("#",),
            on_message=lambda _topic, payload, _retained: self.heard.append(payload),
            on_up=lambda: self.told.append("up"),
            on_down=self.told.append,
        )
        link.on_failure = self.told.append
        return link

    def greet(self) -> socket.socket:
        """Take the connection, its CONNECT and its SUBSCRIBE."""
        self.link.open()
        self.server.setblocking(False)
        self.loop.until(self._accepted)
        assert self.sock is not None
        self.sock.sendall(CONNACK + SUBACK)
        self.loop.until(lambda: self.link.up)
        return self.sock

    def _accepted(self) -> bool:
        try:
            self.sock = self.server.accept()[0]
        except BlockingIOError:
            return False
        return True

    def longest_gap(self, seconds: float) -> float:
        """Of a timer that is due each 5 ms, while the loop turns."""
        last, longest, going = self.loop.time(), 0.0, True

        def tick() -> None:
            nonlocal last, longest
            longest, last = max(longest, self.loop.time() - last), self.loop.time()
            if going:
                self.loop.call_later(0.005, tick)

        tick()
        self.loop.spend(seconds)
        going = False
        return longest

    def close(self) -> None:
        self.link.drop()
        self.server.close()
        if self.sock is not None:
            self.sock.close()


@pytest.fixture
def peer(loop: RealLoop) -> Iterator[Peer]:
    peer = Peer(loop)
    yield peer
    peer.close()


def publish(payload: bytes, topic: bytes = b"t") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + payload
    return b"\x30" + length(len(body)) + body


def dialling() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "dial"}


@pytest.mark.parametrize(("kind", "quality"), [(Address, 1), (NodeAddress, 0)])
def test_it_asks_to_be_heard_at_the_quality_of_the_address(peer, loop, kind, quality):
    peer.link = peer.make(kind("127.0.0.1", peer.address.port))
    sock, got = peer.greet(), b""
    while not got.endswith(b"\0\1#" + bytes([quality])):
        chunk = sock.recv(4096)
        assert chunk, got
        got += chunk


def test_a_name_lookup_that_hangs_holds_up_no_loop_and_keeps_one_thread_however_often_it_is_tried(
    peer, loop, monkeypatch
):
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        over.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(link_module, "_GRANT_S", 0.05)
    before = dialling()
    link = peer.make(Address("broker.local"))
    link.open()
    assert peer.longest_gap(0.6) < 0.2
    assert len(peer.told) > 1
    assert peer.told[0] == "broker.local:1883 did not answer within 0.05 s: cannot resolve broker.local"
    assert len(dialling() - before) == 1  # threads of earlier tests may end meanwhile
    over.set()
    loop.until(lambda: "Temporary failure in name resolution" in peer.told[-1])
    link.drop()
    loop.until(lambda: dialling() <= before)


def test_a_handshake_that_is_not_answered_holds_up_no_loop(peer, loop):
    link = peer.make(Address("127.0.0.1", peer.address.port, tls=Tls()))
    link.open()
    assert peer.longest_gap(0.5) < 0.2
    loop.until(lambda: peer.told)
    assert "no TLS: " in peer.told[0]
    link.drop()


def test_a_refused_connection_says_so(peer, loop):
    peer.server.close()
    peer.link.open()
    loop.until(lambda: peer.told)
    where = f"127.0.0.1:{peer.address.port}"
    assert peer.told[0] == f"cannot connect to {where}: no answer: Connection refused"


def test_a_flood_is_handled_in_short_turns_even_with_thousands_unacknowledged(peer, loop):
    def slow(_topic: str, _payload: bytes, _retained: bool) -> None:
        end = time.monotonic() + 0.0005
        peer.heard.append(b"")
        peer.link.publish("receipts/x", b"never acknowledged", qos=1)
        while time.monotonic() < end:
            pass

    peer.link._on_message = slow
    sock = peer.greet()
    flood = publish(b"x" * 100) * 4000
    threading.Thread(target=sock.sendall, args=(flood,), daemon=True).start()
    assert peer.longest_gap(1.5) < 0.25
    loop.until(lambda: len(peer.heard) == 4000, 30)


def test_a_broker_that_takes_nothing_is_given_up_before_more_than_some_megabytes_wait(peer, loop):
    peer.greet()
    sent = 0
    while peer.link.up and sent < 100:
        peer.link.publish("t", b"x" * (1 << 20))
        loop.turn(wait=False)
        sent += 1
    assert 8 <= sent < 40
    assert "takes nothing any more" in peer.told[-1]


def test_there_is_no_room_while_much_is_unacknowledged_and_it_is_told_when_there_is(peer, loop):
    sock = peer.greet()
    told = []
    peer.link.on_room = lambda: told.append(True)
    acked = []
    for _ in range(ROOM_MESSAGES):
        assert peer.link.has_room()
        peer.link.publish("t", b"", qos=1, acked=lambda: acked.append(True))
    assert not peer.link.has_room()
    loop.spend(0.05)
    assert told == []
    first = 101
    sock.sendall(b"".join(b"\x40\x02" + (first + number).to_bytes(2, "big") for number in range(10)))
    loop.until(lambda: told)
    assert peer.link.has_room()
    loop.until(lambda: len(acked) == 10)
    peer.link.publish("t", b"x" * ROOM_BYTES, qos=1)
    assert not peer.link.has_room()


def test_what_waits_is_sent_before_the_goodbye(peer, loop):
    sock = peer.greet()
    peer.link.publish("t", b"last words")
    peer.link.close()
    sock.settimeout(5)
    data = b""
    while piece := sock.recv(65536):
        data += piece
    assert data.endswith(publish(b"last words") + b"\xe0\0")


def test_a_connection_that_ends_is_told_after_what_it_brought(peer, loop):
    sock = peer.greet()
    sock.sendall(publish(b"1") + publish(b"2"))
    sock.close()
    loop.until(lambda: len(peer.told) > 1)
    assert peer.heard == [b"1", b"2"]
    assert " lost: " in peer.told[1]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.lists(st.floats(0, 1), max_size=6))
def test_packets_come_out_whole_however_they_are_cut(payloads, shares):
    loop = RealLoop()
    ours, theirs = socket.socketpair()
    taken: list[bytes] = []
    stream = Stream(
        loop,
        ours,
        take=lambda packet, at: taken.append(bytes(packet[at:])),
        sent=lambda: None,
        broken=lambda why: taken.append(why.encode()),
    )
    whole = b"".join(publish(payload) for payload in payloads)
    cuts = sorted(round(share * len(whole)) for share in shares)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        theirs.sendall(whole[start:end])
        loop.spend(0)
    theirs.close()
    loop.until(lambda: taken and taken[-1] == b"closed by the other side")
    assert taken[:-1] == [b"\0\x01t" + payload for payload in payloads]
    stream.close()
    loop.close()


def test_a_large_message_comes_whole_and_those_after_it_in_their_order(peer, loop):
    sock = peer.greet()
    large = bytes(range(256)) * 12_000
    sender = threading.Thread(target=sock.sendall, args=(publish(b"before") + publish(large) + publish(b"after"),))
    sender.start()
    loop.until(lambda: len(peer.heard) == 3)
    sender.join()
    assert peer.heard == [b"before", large, b"after"]


def test_a_large_message_at_which_the_link_is_dropped_harms_nothing(peer, loop):
    sock = peer.greet()
    peer.link._on_message = lambda *_: peer.link.drop()
    sender = threading.Thread(target=sock.sendall, args=(publish(b"x" * 200_000),))
    sender.start()
    loop.until(lambda: not peer.link.up)
    sender.join()


def test_what_is_no_mqtt_ends_the_connection(peer, loop):
    sock = peer.greet()
    sock.sendall(b"\x30\xff\xff\xff\xff\xff\xff")
    loop.until(lambda: len(peer.told) > 1)
    assert "not MQTT" in peer.told[1]
