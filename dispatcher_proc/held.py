"""The last effect that a timeline has fired at a device, and until when it is on there."""

from msgspec import Struct

from dispatcher_proc.score import Command
from dispatcher_proc.show import Show

AGAIN_MS = 500  # how often to check whether one that starts late has started


class Held(Struct):
    """Until `until` (ms of the loop's clock) it is on, if it began in time; `id` of the effect."""

    show: Show
    command: Command
    until: float
    id: str
