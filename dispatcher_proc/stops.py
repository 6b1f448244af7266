"""Handles stops, by MQTT or through the gate, and the fences with which drivers answer them."""

import logging

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.part import Handler, Message, OnRequest, Part
from dispatcher_proc.sender import Sender
from dispatcher_proc.timelines import Timelines
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages.topics import Topics
from effectd.readiness.gate import Reply, Request

ALL = b"all-"  # prefix of the token of a fence raised by a stop of everything

log = logging.getLogger(__name__)


class Stops(Part):
    """Ends what this dispatcher has queued; the drivers get the same stop from the broker themselves."""

    def __init__(self, topics: Topics, delivery: Delivery, sender: Sender, timelines: Timelines) -> None:
        self._topics, self._delivery, self._sender, self._timelines = topics, delivery, sender, timelines
        self._devices: dict[str, Device] = {}
        self._unheard: set[str] = set()  # remote devices that have not confirmed the last stop

    def topics(self) -> dict[str, Handler]:
        topics = self._topics
        return {topics.stop_all: self._stop_all, topics.every_stop: self._stop_one, topics.every_fence: self._fence}

    def configure(self, config: Config) -> None:
        self._devices = config.devices

    def requests(self) -> dict[str, OnRequest]:
        return {"stop": self._asked}

    def _stop_all(self, message: Message) -> None:
        if not message.retained:  # a retained one would stop everything at each reconnect
            self._stop(None)

    def _stop_one(self, message: Message) -> None:
        if not message.retained:
            self._stop(message.words[0])

    def online(self, device: str) -> None:
        """A remote device is back: send it the stop that it has missed."""
        if device in self._unheard:
            self._sender.stop(device)

    def _asked(self, request: Request, reply: Reply) -> None:
        device = request.get("device")
        self._stop(device if isinstance(device, str) else None)
        reply({"done": "stop"})

    def _stop(self, device: str | None) -> None:
        log.info("stop of %s", device or "everything")
        self._delivery.stop(device)
        if device is None:
            self._timelines.stop_all()
        else:
            self._timelines.stopped(device)
        for name, found in self._devices.items():
            if device in (None, name):
                if not found.acks:  # it knows no stop, only `set`
                    self._sender.off(name, found.effects[0])
                elif found.remote:
                    self._unheard.add(name)

    def _fence(self, message: Message) -> None:
        """The driver went off at a stop; everything sent to it before our answer counts as before the stop."""
        if message.payload:
            self._unheard.discard(message.words[0])
            heard = self._delivery.fenced(message.words[0])
            if not heard and message.payload.startswith(ALL):
                self._timelines.stop_all()
            self._sender.resume(message.words[0], message.payload)
