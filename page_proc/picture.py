"""The state of the room built from its messages, and what has changed since the last frame. No input or output."""

from collections.abc import Callable
from typing import Any

from effectd.config.reader import Config
from effectd.messages import answers, holds
from effectd.messages.payload import fields_of
from effectd.messages.topics import DEVICE_ID
from page_proc.device import Device
from page_proc.lately import DeadLetters, Effects

MOST_TIMELINES = 200


class Changes:
    """The contents of a frame: a device is one entry, no matter how often it has changed."""

    def __init__(self) -> None:
        self.devices: dict[str, None] = {}
        self.timelines: dict[str, None] = {}
        self.effects: dict[str, dict[str, Any]] = {}
        self.dead_letters: list[dict[str, Any]] = []
        self.stopped: list[str | None] = []
        self.broker = self.holds = self.programs = self.all = False

    def __bool__(self) -> bool:
        return any(vars(self).values())


class Picture:
    """`take` each message. `changed` is called at the first change after `changes` was taken."""

    def __init__(
        self, config: Config, changed: Callable[[], object], clock: Callable[[], int] = answers.unix_ms
    ) -> None:
        self._changed, self.clock = changed, clock
        self.effects, self.dead_letters = Effects(), DeadLetters(config.topics)
        self.devices: dict[str, Device] = {}
        self.timelines: dict[str, dict[str, Any]] = {}
        self.holds: list[holds.Hold] = []
        self.away = "connecting"  # why there is no broker; "" while there is
        self._changes = Changes()
        self.configure(config)

    def configure(self, config: Config) -> None:
        self.config = config
        for name, found in config.devices.items():
            if name in self.devices:
                self.devices[name].configure(found)
            else:
                self.devices[name] = Device(name, found)
        self.devices = {name: self.devices[name] for name in config.devices}
        self._note("all")

    def changes(self) -> Changes:
        """All changes since the last call."""
        taken, self._changes = self._changes, Changes()
        return taken

    def connected(self) -> None:
        self.away = ""
        self._note("broker")

    def lost(self, why: str) -> None:
        self.away = why
        for device in self.devices.values():
            device.forget()
        self.timelines.clear()
        self._note("all")

    def held(self, standing: list[holds.Hold]) -> None:
        self.holds = standing
        self._note("holds")

    def programs_changed(self) -> None:
        self._note("programs")

    def take(self, levels: list[str], payload: bytes, retained: bool) -> None:
        match levels:
            case ["devices", name, "stop"] if not retained and name in self.devices:
                self._changes.stopped.append(name)
                self._changed()
            case ["devices", name, "state" | "availability" | "set" as word] if name in self.devices:
                if self.devices[name].said(word, payload, fields_of(payload), self.clock()):
                    self._changes.devices[name] = None
                    self._changed()
            case ["stop-all"] if not retained:
                self._changes.stopped.append(None)
                self._changed()
            case ["receipts", _] if not retained:
                self._receipt(fields_of(payload))
            case ["dead-letters", kind] if not retained and (fields := fields_of(payload)):
                self._changes.dead_letters.append(self.dead_letters.letter(kind[:32], fields))
                self._changed()
            case ["timelines", name, "state"] if DEVICE_ID.fullmatch(name):
                self._timeline(name, fields_of(payload))

    def _receipt(self, fields: dict[str, Any]) -> None:
        receipt = self.effects.receipt(fields)
        if receipt is None:
            return
        self._changes.effects[receipt["id"]] = receipt
        devices, latency = receipt.get("devices"), receipt.get("latency_ms")
        if isinstance(devices, dict) and isinstance(latency, int | float):
            for name, word in devices.items():
                if word == "done" and name in self.devices and self.devices[name].done_in(latency):
                    self._changes.devices[name] = None
        self._changed()

    def _timeline(self, name: str, fields: dict[str, Any]) -> None:
        if fields and (name in self.timelines or len(self.timelines) < MOST_TIMELINES):
            self.timelines[name] = fields
        else:
            self.timelines.pop(name, None)
        self._changes.timelines[name] = None
        self._changed()

    def _note(self, what: str) -> None:
        setattr(self._changes, what, True)
        self._changed()
