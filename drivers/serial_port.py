"""A serial port: finds it by name or USB id, opens it, writes, and awaits replies."""

import os
import time
from typing import Annotated

import serial
from msgspec import Meta
from serial.tools import list_ports

from effectd.base.errors import DeviceFailed

Baud = Annotated[int, Meta(ge=50)]
BootMs = Annotated[int, Meta(ge=0, le=20_000)]  # opening the port resets an Arduino, whose bootloader takes a while
TimeoutMs = Annotated[int, Meta(ge=1, le=60_000)]
BOOT_MS, TIMEOUT_MS = 2000, 1000


class Port:
    """`write` waits for a reply that contains `expect`; b"" = for none. `shared`: other processes may write to it.

    `port`: a name, `usb:VID:PID` (hexadecimal, as lsusb shows them), or `auto`: the only USB serial port.
    """

    def __init__(
        self, port: str, baud: int, boot_ms: int, timeout_ms: int, expect: bytes, *, shared: bool = False
    ) -> None:
        if port.startswith("usb:"):
            usb_id(port)
        self._name, self._baud, self._boot_ms, self._timeout_ms = port, baud, boot_ms, timeout_ms
        self._expect, self._shared = expect, shared
        self._serial: serial.Serial | None = None

    @property
    def claim(self) -> str:
        """The port that no other device may open; links are followed to the real device file."""
        return f"port {os.path.realpath(self._name) if '/' in self._name else self._name}"

    def open(self) -> None:
        wait_s = self._timeout_ms / 1000
        self._serial = serial.Serial(
            find(self._name),
            self._baud,
            timeout=wait_s,
            write_timeout=wait_s,
            exclusive=None if self._shared else True,
        )
        time.sleep(self._boot_ms / 1000)

    @property
    def in_waiting(self) -> int:
        """How many received bytes are unread; a port that is gone raises."""
        return self._serial.in_waiting if self._serial is not None else 0

    def check(self) -> None:
        """Discard unsolicited input, so that it cannot pile up; a port that is gone raises."""
        if (unread := self.in_waiting) and not self._shared and self._serial is not None:
            self._serial.read(unread)

    def close(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def write(self, data: bytes) -> None:
        assert self._serial is not None
        if self._expect:
            self._serial.reset_input_buffer()
        self._serial.write(data)
        self._serial.flush()
        end, said = time.monotonic() + self._timeout_ms / 1000, b""
        while self._expect not in said:
            self._serial.timeout = left_s = max(0.0, end - time.monotonic())
            more = self._serial.read(max(1, self.in_waiting)) if left_s else b""
            if not more:
                reply = f"no {self._expect!r} within {self._timeout_ms} ms; it said {said[-200:]!r}"
                raise DeviceFailed(reply)
            said += more


def usb_id(port: str) -> tuple[int, int]:
    try:
        vendor, product = (int(part, 16) for part in port.removeprefix("usb:").split(":"))
    except ValueError:
        raise ValueError(f"port: {port}: usb:VID:PID, both hexadecimal, as lsusb shows them") from None
    return vendor, product


def find(port: str) -> str:
    """The name of the port; searched again at each opening, because a replugged cable may get another name."""
    if port != "auto" and not port.startswith("usb:"):
        return port
    there = [found for found in list_ports.comports() if found.vid is not None]
    wanted = [found for found in there if port == "auto" or (found.vid, found.pid) == usb_id(port)]
    if len(wanted) != 1:
        names = ", ".join(f"{found.device} (usb:{found.vid:04x}:{found.pid:04x})" for found in there) or "none"
        raise DeviceFailed(f"port: {port}: exactly one USB serial port must fit; there are: {names}")
    return str(wanted[0].device)
