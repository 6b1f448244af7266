"""Every topic of the contract; no other file spells one."""

import re
from collections.abc import Iterable

DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# the first level of each topic of the contract
FIRST = ("effects", "receipts", "dead-letters", "devices", "system", "stop-all", "holds", "timelines", "probe")


class Topics:
    """The topics under one root ("" or `room1`, no slash at its ends)."""

    def __init__(self, root: str = "") -> None:
        self._root = f"{root}/" if root else ""
        self.effects = self._root + "effects/#"
        self.stop_all = self._root + "stop-all"
        self.every_ack = self._root + "devices/+/ack"
        self.every_fence = self._root + "devices/+/fence"
        self.every_availability = self._root + "devices/+/availability"
        self.every_stop = self._root + "devices/+/stop"
        self.every_hold = self._root + "holds/+"
        self.holds = self._root + "system/holds"  # retained: those that stand
        self.everything = self._root + "#"
        # what must never be stored by a broker: an effect or a command that fires again at the next subscriber
        self.unretained = (self.effects, self._root + "devices/+/set", self.every_stop, self.every_ack, self.stop_all)

    def effect(self, effect_type: str) -> str:
        return f"{self._root}effects/{effect_type}"

    def near_misses(self, types: Iterable[str]) -> tuple[str, ...]:
        """Where effects are published by mistake, `types` being those of the configuration; nobody listens there."""
        near = ("Effects/#", "EFFECTS/#", "effect/#", "Effect/#", "/effects/#")
        unrooted = ("effects/#",) if self._root else ()
        return (*(self._root + each for each in (*near, *types)), *unrooted)

    def receipt(self, effect_id: str) -> str:
        return f"{self._root}receipts/{effect_id}"

    def dead_letter(self, reason: str) -> str:
        return f"{self._root}dead-letters/{reason}"

    def set(self, device: str) -> str:
        return f"{self._root}devices/{device}/set"

    def ack(self, device: str) -> str:
        return f"{self._root}devices/{device}/ack"

    def stop(self, device: str) -> str:
        return f"{self._root}devices/{device}/stop"

    def hold(self, name: str) -> str:
        return f"{self._root}holds/{name}"

    def state(self, device: str) -> str:
        return f"{self._root}devices/{device}/state"

    def fence(self, device: str) -> str:
        """Retained while the device takes nothing after a stop: the driver's token; empty afterwards."""
        return f"{self._root}devices/{device}/fence"

    def resume(self, device: str) -> str:
        """The dispatcher's word, with that token, that it has ended what it held before the stop."""
        return f"{self._root}devices/{device}/resume"

    def availability(self, device: str) -> str:
        return f"{self._root}devices/{device}/availability"

    def config(self, device: str) -> str:
        return f"{self._root}devices/{device}/config"

    def system(self, program: str) -> str:
        return f"{self._root}system/{program}/state"

    def home(self, home_id: str) -> str:
        """Where a home announces itself to other homes on the same broker (retained; empty when it ends)."""
        return f"{self._root}system/homes/{home_id}"

    @property
    def homes(self) -> tuple[str, ...]:
        """Where to look for others: under the same root; without one of its own, under any of up to three levels."""
        roots = ("", "+/", "+/+/", "+/+/+/") if not self._root else (self._root,)
        return tuple(f"{root}system/homes/+" for root in roots)

    def probe(self, word: str) -> str:
        """Where the broker program tries out an external broker; nothing else subscribes to it."""
        return f"{self._root}system/broker/probe/{word}"

    def is_own(self, topic: str) -> bool:
        """Whether the contract has a meaning for this topic, or keeps it for one."""
        return next(iter(self.split(topic)), "") in FIRST

    def split(self, topic: str) -> list[str]:
        """The levels below the root; [] for a topic outside it."""
        return topic[len(self._root) :].split("/") if topic.startswith(self._root) else []
