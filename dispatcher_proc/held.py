"""The last effect that a timeline has fired at a device, and until when it is on there."""

from collections.abc import Mapping, Sequence

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

    @property
    def priority(self) -> int:
        return self.command.effect.priority

    def may_be_on(self, present: Sequence[str]) -> bool:
        """Whether the device still has an effect of that timeline, as far as anybody knows; `present` are ids."""
        return not present or any(each.startswith(f"{self.show.name}.") for each in present)


def by_type(devices: Mapping[str, Held]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The devices by the timeline and the effect type that are on there."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for device, held in devices.items():
        key = held.show.name, held.command.effect.effect_type
        found[key] = (*found.get(key, ()), device)
    return found
