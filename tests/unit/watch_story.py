"""A room for tests: a configuration, a clock that moves when it is told, and messages in a line each."""

import json
from pathlib import Path
from typing import Any

from effectd.cli.watch.room import Room
from effectd.config.reader import Config
from effectd.config.schema import Broker, Device

DEVICES = {
    "light": Device("virtual", ("light",), "left"),
    "wind": Device("virtual", ("wind",)),
    "vibration": Device("virtual", ("vibration",), "right:top"),
    "scent": Device("virtual", ("scent",), "center"),
}


class Story:
    """Messages told to a real Room at moments of a clock of its own. `at`: seconds since the start."""

    def __init__(self, devices: dict[str, Device] | None = None, root: str = "") -> None:
        self.at = 0.0
        config = Config(Path("/srv/room"), root, Broker(), DEVICES if devices is None else devices, {}, ())
        self.room = Room(config, clock=lambda: 1000.0 + self.at, wall=lambda: 1_700_000_000_000 + int(self.at * 1000))
        self.room.connected()

    def say(self, topic: str, payload: Any, *, retained: bool = False) -> None:
        self.room.take(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), retained)

    def ready(self) -> "Story":
        """Every device online and off, every program ready since 5 s."""
        for program in self.room.programs:
            self.say(f"system/{program}/state", {"state": "ready", "at": self.room.wall() - 5000}, retained=True)
        for device in self.room.devices:
            self.say(f"devices/{device}/availability", b"online", retained=True)
            self.say(f"devices/{device}/state", {"on": False, "since": 1}, retained=True)
        return self

    def on(self, device: str, intensity: float = 60, duration: int = 2000, **parameters: Any) -> None:
        """An effect reaches a device, as the dispatcher and the driver tell it."""
        effect_id = f"{device}-{self.at:g}"
        effect_type = self.room.devices[device].effects[0]
        self.say(f"effects/{effect_type}", intensity)
        self.say(f"devices/{device}/set", {"id": effect_id, "effect_type": effect_type, "duration": duration})
        state = {"on": True, "effect_type": effect_type, "intensity": intensity, "effect_id": effect_id}
        self.say(f"devices/{device}/state", state | {"parameters": parameters})
        receipt = {"status": "done", "effect_type": effect_type, "devices": {device: "done"}, "latency_ms": 2.5}
        self.say(f"receipts/{effect_id}", receipt)
