"""Every topic of the contract; no other file spells one."""

import re
from collections.abc import Iterable

DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# the first level of each topic of the contract
FIRST = ("effects", "receipts", "dead-letters", "devices", "system", "stop-all", "holds", "timelines", "probe")
ACTED = ("ack", "state", "availability", "fence", "config")  # what a driver says below devices/<device>/


class HomeAssistantTopics:
    """Those of Home Assistant's MQTT integration; they are below no topic_root."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # it says `online` there at each of its starts; where another prefix is set there, mostly at the old place
        self.status = tuple(dict.fromkeys((f"{prefix}/status", "homeassistant/status")))

    def device(self, node: str) -> str:
        """Where a device is announced (retained; empty when there is none any more)."""
        return f"{self._prefix}/device/{node}/config"


class Topics:
    """The topics under one root ("" or `room1`, no slash at its ends)."""

    def __init__(self, root: str = "") -> None:
        self._root = f"{root}/" if root else ""
        self.effects = self._root + "effects/#"
        self.stop_all = self._root + "stop-all"
        self.every_ack = self._root + "devices/+/ack"
        self.every_fence = self._root + "devices/+/fence"
        self.every_hold, self.any_hold = self._root + "holds/#", self._root + "holds/+"
        self.every_availability = self._root + "devices/+/availability"
        self.every_stop = self._root + "devices/+/stop"
        self.holds = self._root + "system/holds"  # retained: those that stand
        self.everything = self._root + "#"
        self.stop_timelines = self._root + "timelines/stop"
        # what must never be stored by a broker: an effect or a command that fires again at the next subscriber
        self.unretained = (self.effects, self._root + "devices/+/set", self.every_stop, self.every_ack, self.stop_all)
        # what only our own programs publish, and whoever acts for a device
        self.protected = (
            *(self.set("+"), self.resume("+"), *self.acted("+")),
            *(self._root + rest for rest in ("receipts/#", "dead-letters/#", "system/#", "timelines/+/state")),
        )

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

    def kept_of_device(self, device: str) -> tuple[str, ...]:
        """What a broker keeps of a device: to be cleared when there is none of that name any more."""
        return self.state(device), self.availability(device), self.config(device), self.fence(device)

    def kept_of_dispatcher(self) -> tuple[str, ...]:
        """What a broker keeps of the dispatcher, beside its line: to be cleared where there is none any more."""
        return (self.holds,)

    def home(self, home_id: str) -> str:
        """Where a home announces itself to other homes on the same broker (retained; empty when it ends)."""
        return f"{self._root}system/homes/{home_id}"

    def timeline(self, name: str, word: str) -> str:
        """`load`, `play`, `pause`, `resume`, `seek` and `stop` are for anybody; `state` (retained) tells."""
        return f"{self._root}timelines/{name}/{word}"

    @property
    def homes(self) -> tuple[str, ...]:
        """Where to look for others: under the same root; without one of its own, under any of up to three levels."""
        roots = ("", "+/", "+/+/", "+/+/+/") if not self._root else (self._root,)
        return tuple(f"{root}system/homes/+" for root in roots)

    def probe(self, client_id: str, word: str) -> str:
        """What one client may use as it likes; a broker program tries out an external broker there."""
        return f"{self._root}probe/{client_id}/{word}"

    def ask_clock(self, client_id: str) -> str:
        """Where a program on another machine asks for the time of the dispatcher's; `answer_clock` brings it."""
        return self.probe(client_id, "clock")

    def answer_clock(self, client_id: str) -> str:
        return self.probe(client_id, "clock/is")

    def acted(self, device: str) -> tuple[str, ...]:
        """What the driver of a device publishes."""
        return tuple(f"{self._root}devices/{device}/{word}" for word in ACTED)

    def heard(self, device: str) -> tuple[str, ...]:
        """What the driver of a device listens to."""
        return (self.set(device), self.stop(device), self.resume(device), self.stop_all, self.every_hold)

    @property
    def of_a_user(self) -> tuple[list[str], list[str]]:
        """What somebody who is to play in this room publishes, and hears."""
        heard = ("receipts/#", "dead-letters/#", "devices/#", "system/#", "timelines/#")
        return [self.effects, self._root + "timelines/#"], [self._root + one for one in heard]

    def below(self, first: str) -> str:
        """The filter of all that is below one of the contract's first levels."""
        return f"{self._root}{first}/#"

    def of_device(self, device: str) -> str:
        """The filter of all that concerns one device alone."""
        return f"{self._root}devices/{device}/+"

    def dispatched(self) -> tuple[str, ...]:
        """What the dispatcher alone publishes."""
        return tuple(one for one in self.protected if one not in self.acted("+"))

    @property
    def listened(self) -> tuple[str, ...]:
        """All that the contract has a meaning for, and nothing else that goes over a shared broker."""
        return tuple(self.below(first) for first in FIRST if first != "probe")

    def stays(self, topic: str) -> bool:
        """Whether what is published there is retained: it is what stands now, and not what happens."""
        match self.split(topic):
            case ["devices", _, "state" | "availability" | "config" | "fence"] | ["timelines", _, "state"]:
                return True
            case ["system" | "holds", *_]:
                return True
        return False

    def is_own(self, topic: str) -> bool:
        """Whether the contract has a meaning for this topic, or keeps it for one."""
        return next(iter(self.split(topic)), "") in FIRST

    def split(self, topic: str) -> list[str]:
        """The levels below the root; [] for a topic outside it."""
        return topic[len(self._root) :].split("/") if topic.startswith(self._root) else []
