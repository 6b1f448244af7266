"""A publisher of one large message in a process of its own: `benchmarks.bulk PORT`, then a line `TOPIC FILE` for each.

Written with bare sockets: a client library copies what is left of a large message at each write, on somebody's core.
"""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from effectd.program.stream import no_delay


class Bulk:
    """That process, seen from the benchmark."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, topic: str, path: Path) -> None:
        """It begins to send, and this returns at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{topic} {path}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def publisher(port: int) -> Iterator[Bulk]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bulk", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # it is connected
    try:
        yield Bulk(process)
    finally:
        process.communicate()


def packet(first: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes([first]) + bytes(length) + body


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        no_delay(sock)
        sock.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text("bulk")))
        sock.recv(4)
        print("connected", flush=True)
        for line in sys.stdin:
            topic, _, path = line.strip().partition(" ")
            sock.sendall(packet(0x32, text(topic) + b"\x00\x01" + Path(path).read_bytes()))
            sock.recv(4)


if __name__ == "__main__":
    main()
