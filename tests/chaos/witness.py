"""Somebody else's broker, never struck, to which every device publishes what it does; and who listens there."""

from collections import Counter

import msgspec

from effectd.messages.history import Actuated
from tests.chaos.connection import Connection
from tests.chaos.log import Log
from tests.system.home import wait_for

OFF = "off"


def device(
    effects: list[str], port: int, name: str, bus: str | None, limits: dict[str, object], *, host: str = "127.0.0.1"
) -> dict[str, object]:
    """The configuration of a device, perhaps on a bus, that the witness sees, with the id and level of each effect."""
    return {
        **({"bus": bus} if bus else {"kind": "faulty"}),
        "effects": effects,
        "limits": {"max_rate_hz": 1000, "max_on_ms": MAX_ON_MS, "max_apply_ms": 500, "max_flash_hz": 0} | limits,
        "options": {
            "topic": f"seen/{name}",
            "payload": "$id $intensity",
            "off_payload": OFF,
            "broker": {"host": host, "port": port},
        },
    }


MAX_ON_MS = 2000


class Witness:
    """`last`: the last word of each device; `driven`: how often each was switched on."""

    def __init__(self, port: int, log: Log) -> None:
        self._log = log
        self.last: dict[str, str] = {}
        self.count = 0
        self.driven: Counter[str] = Counter()
        self._connection = Connection(port, ("seen/#",), self._hear)
        wait_for(lambda: self._connection.up, what="the witness")

    @property
    def alive(self) -> bool:
        return self._connection.up

    def sees(self, prefix: str) -> bool:
        """Whether some device does what an effect does whose id begins so."""
        return any(said.startswith(prefix) for said in list(self.last.values()))

    def close(self) -> None:
        self._connection.close()

    def _hear(self, topic: str, payload: bytes) -> None:
        name, said = topic.rpartition("/")[2], payload.decode()
        on = said != OFF
        id_, _, level = said.partition(" ")
        seen = Actuated(device=name, on=on, id=id_, intensity=float(level)) if on else Actuated(device=name, on=False)
        self._log.write(msgspec.structs.replace(seen, source="witness"))
        self.last[name] = said
        self.count += on
        self.driven[name] += on
