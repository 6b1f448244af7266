"""The way to one device: what is open on it, in order, and whether its driver can have it."""

from dispatcher_proc.open_effect import Part
from effectd.base.loop import Cancellable
from effectd.config.schema import Device

WINDOW = 64  # effects that one driver has and has not answered for; the others wait here, where they delay no device
HELD = 1000  # effects open per device; 2 s of the peak load of a room
UNKNOWN = Device(kind="remote", effects=("?",))  # of a restored effect whose device is no longer configured


class Lane:
    """`generation` is that of the device's driver while it is ready; `lack` says why it is not."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.parts: dict[str, Part] = {}
        self.waiting: dict[str, Part] = {}  # of these, what has to be sent, or sent again
        self.asking: Cancellable | None = None
        self.generation: str | None = None
        self.lack = "not started yet"
        self.stopped_at = 0.0  # the last time, seconds of the loop's clock
        self.fences = 0  # stops heard that the driver has not yet answered with its fence
        self.fence_timer: Cancellable | None = None

    @property
    def has_room(self) -> bool:
        return len(self.parts) - len(self.waiting) < WINDOW

    @property
    def full(self) -> bool:
        return len(self.parts) >= HELD

    def cancel(self) -> None:
        """It is no longer there: none of its timers is due any more."""
        for timer in (self.asking, self.fence_timer):
            if timer is not None:
                timer.cancel()

    def ask_again(self, due: float) -> None:
        """What was sent before `due` and has no answer is to be sent again."""
        self.waiting |= {name: part for name, part in self.parts.items() if part.had and part.sent_at <= due}

    def unfence(self) -> None:
        self.fences = 0
        if self.fence_timer is not None:
            self.fence_timer.cancel()
            self.fence_timer = None
