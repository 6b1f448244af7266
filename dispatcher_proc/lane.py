"""The way to one device: what is open on it, in order, and whether its driver can have it."""

from dispatcher_proc.openeffect import Part
from effectd.loop import Cancellable
from effectd.schema import Device


class Lane:
    """`generation` is that of the device's driver while it is ready; `lack` says why it is not."""

    def __init__(self, device: Device, seq: int) -> None:
        self.device = device
        self.parts: dict[str, Part] = {}
        self.waiting: dict[str, Part] = {}  # of these, what has to be sent, or sent again
        self.asking: Cancellable | None = None
        self.generation: str | None = None
        self.lack = "not started yet"
        self.seq = seq
        self.stopped_at = 0.0  # the last time, seconds of the loop's clock
        self.fences = 0  # stops heard that the driver has not yet answered with its fence
        self.fence_timer: Cancellable | None = None
