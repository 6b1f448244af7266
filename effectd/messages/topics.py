"""Every topic of the contract; no other file spells one out."""

import re
from collections.abc import Iterable

DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# the first level of each topic of the contract
FIRST = ("effects", "receipts", "dead-letters", "devices", "system", "stop-all", "holds", "timelines", "probe")
ACTED = ("ack", "state", "availability", "fence", "config")  # what a driver publishes below devices/<device>/


class HomeAssistantTopics:
    """The topics of Home Assistant's MQTT integration; they are not below topic_root."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Home Assistant publishes `online` there at each start, usually even with a different discovery prefix
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
        self.holds = self._root + "system/holds"  # retained: the active holds
        self.everything = self._root + "#"
        self.stop_timelines = self._root + "timelines/stop"
        # what a broker must never store: effects and commands, which would fire again at the next subscriber
        self.unretained = (self.effects, self._root + "devices/+/set", self.every_stop, self.every_ack, self.stop_all)
        # published only by our own programs and by clients that act for a device
        self.protected = (
            *(self.set("+"), self.resume("+"), *self.acted("+")),
            *(self._root + rest for rest in ("receipts/#", "dead-letters/#", "system/#", "timelines/+/state")),
        )

    def effect(self, effect_type: str) -> str:
        return f"{self._root}effects/{effect_type}"

    def near_misses(self, types: Iterable[str]) -> tuple[str, ...]:
        """Topics on which effects are published by mistake, `types` being those of the configuration."""
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
        """The dispatcher returns the token here once it has ended what it had queued before the stop."""
        return f"{self._root}devices/{device}/resume"

    def availability(self, device: str) -> str:
        return f"{self._root}devices/{device}/availability"

    def config(self, device: str) -> str:
        return f"{self._root}devices/{device}/config"

    def system(self, program: str) -> str:
        return f"{self._root}system/{program}/state"

    def kept_of_device(self, device: str) -> tuple[str, ...]:
        """The retained topics of a device: to be cleared when it is removed."""
        return self.state(device), self.availability(device), self.config(device), self.fence(device)

    def kept_of_dispatcher(self) -> tuple[str, ...]:
        """The retained topics of the dispatcher, beside its line: to be cleared when it is removed."""
        return (self.holds,)

    def home(self, home_id: str) -> str:
        """Where a home announces itself to other homes on the same broker (retained; empty when it ends)."""
        return f"{self._root}system/homes/{home_id}"

    def timeline(self, name: str, word: str) -> str:
        """`load`, `play`, `pause`, `resume`, `seek` and `stop` are commands; `state` (retained) reports."""
        return f"{self._root}timelines/{name}/{word}"

    @property
    def homes(self) -> tuple[str, ...]:
        """Where to look for other homes: under the same root; without one, under roots of up to three levels."""
        roots = ("", "+/", "+/+/", "+/+/+/") if not self._root else (self._root,)
        return tuple(f"{root}system/homes/+" for root in roots)

    def probe(self, client_id: str, word: str) -> str:
        """Free for the use of one client; a broker program tests an external broker there."""
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
        """What the driver of a device subscribes to."""
        return (self.set(device), self.stop(device), self.resume(device), self.stop_all, self.every_hold)

    @property
    def of_a_user(self) -> tuple[list[str], list[str]]:
        """What a user who may play in this room publishes, and subscribes to."""
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
        """All topics of the contract, and nothing else on a shared broker."""
        return tuple(self.below(first) for first in FIRST if first != "probe")

    def stays(self, topic: str) -> bool:
        """Whether messages there are retained: they are states, not events."""
        match self.split(topic):
            case ["devices", _, "state" | "availability" | "config" | "fence"] | ["timelines", _, "state"]:
                return True
            case ["system" | "holds", *_]:
                return True
        return False

    def is_own(self, topic: str) -> bool:
        """Whether the contract defines or reserves this topic."""
        return next(iter(self.split(topic)), "") in FIRST

    def split(self, topic: str) -> list[str]:
        """The levels below the root; [] for a topic outside it."""
        return topic[len(self._root) :].split("/") if topic.startswith(self._root) else []
