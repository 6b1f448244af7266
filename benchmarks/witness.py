"""A driver for benchmarks: tells the moment of each actuation by a datagram, and does nothing else."""

import socket
import time

from effectd.driver import Driver, Effect, Options


class WitnessOptions(Options):
    path: str  # of a UNIX datagram socket


class Witness(Driver):
    options: WitnessOptions

    def open(self) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.connect(self.options.path)

    def apply(self, effect: Effect) -> None:
        self._sock.send(f"{time.monotonic_ns()} {effect.id}".encode())

    def off(self) -> None:
        """There is nothing to switch off."""

    def close(self) -> None:
        self._sock.close()
