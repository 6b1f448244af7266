"""A driver that fails on request: the nemesis copies this file into the home that it torments.

Files in the home make it `slow-<device>` or `stuck-<device>`; SIGUSR1 blocks its loop for as long as it lives.
"""

import signal
import time
from pathlib import Path
from typing import Any

from drivers.mqtt import Mqtt
from effectd.base.errors import DeviceFailed
from effectd.config.schema import Address
from effectd.driver import Effect, Options

SLOW_S = 0.15


class Faulty(Mqtt):
    """As `mqtt`: each effect's id goes to the witness."""

    def __init__(self, device: str, options: Options, broker: Address) -> None:
        super().__init__(device, options, broker)  # type: ignore[arg-type]
        self._slow, self._stuck = Path(f"slow-{device}"), Path(f"stuck-{device}")
        signal.signal(signal.SIGUSR1, self._block)

    def apply(self, effect: Effect) -> None:
        if self._stuck.exists():
            while self._stuck.exists():
                time.sleep(0.01)
            raise DeviceFailed("it was stuck")
        if self._slow.exists():
            time.sleep(SLOW_S)
        super().apply(effect)

    def _block(self, *_: Any) -> None:
        """Run by Python on the main thread, which is the loop's."""
        while True:
            time.sleep(1)
