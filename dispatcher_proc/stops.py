"""Handles stops, by MQTT or through the gate, and the fences with which drivers answer them.

A device that has not answered a stop with its fence may have missed it: it was disconnected, or its driver was dead.
That is noted in the journal, for a successor of this dispatcher; when the device is back, the stop is sent to it again,
before anything else.
"""

import logging
import secrets
from collections.abc import Callable

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.lane import FENCE_S
from dispatcher_proc.ledger import Found, Ledger
from dispatcher_proc.part import Handler, Message, OnRequest, Part
from dispatcher_proc.sender import Sender
from dispatcher_proc.timelines import Timelines
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.reader import Config
from effectd.config.schema import Device
from effectd.messages.topics import Topics
from effectd.readiness.gate import Reply, Request

ALL = b"all-"  # prefix of the token of a fence raised by a stop of everything
SPEAKS_S = 0.1  # a driver publishes its fence at each connection; its gate may be faster

log = logging.getLogger(__name__)


class Stops(Part):
    """Ends what this dispatcher has queued; the drivers get the same stop from the broker themselves."""

    def __init__(  # noqa: PLR0917
        self,
        loop: AnyLoop,
        topics: Topics,
        delivery: Delivery,
        sender: Sender,
        timelines: Timelines,
        ledger: Ledger,
    ) -> None:
        self._loop, self._topics, self._delivery, self._sender = loop, topics, delivery, sender
        self._timelines, self._ledger = timelines, ledger
        self._devices: dict[str, Device] = {}
        self._unheard: dict[str, bool] = {}  # device -> whether this dispatcher received the stop, or a predecessor
        self._told: dict[str, Cancellable] = {}  # of them: devices whose answer is awaited before anything is sent
        self._said: set[str] = set()  # of those: devices to which it was sent
        self._silent: set[str] = set()  # of them: devices that have not answered
        self._fencing: set[str] = set()  # devices known to publish a fence; a simple controller has none
        self._own = b"again " + secrets.token_hex(8).encode()  # payload of our own stops, which the broker echoes
        self.on_heard: Callable[[str], None] = lambda _device: None  # from now on effects may be sent to the device

    def restore(self, found: Found) -> None:
        """Take up what a predecessor noted."""
        for device in found.unheard:
            self._unheard[device] = False
            if device not in self._devices:
                self._forget(device)

    def connected(self) -> None:
        """Stops during the outage are not known here."""
        self._unheard = dict.fromkeys(self._unheard, False)

    def topics(self) -> dict[str, Handler]:
        topics = self._topics
        return {topics.stop_all: self._stop_all, topics.every_stop: self._stop_one, topics.every_fence: self._fence}

    def configure(self, config: Config) -> None:
        self._devices = config.devices
        for device in [name for name in self._unheard if name not in config.devices]:
            self.gone(device)
            self._forget(device)

    def requests(self) -> dict[str, OnRequest]:
        return {"stop": self._asked}

    def _stop_all(self, message: Message) -> None:
        if not message.retained:  # a retained one would stop everything at each reconnect
            self._stop(None)

    def _stop_one(self, message: Message) -> None:
        if not message.retained and message.payload != self._own:
            self._stop(message.words[0])

    # --- stops that a device may have missed -------------------------------------------------------------------

    def may_be_sent(self, device: str) -> bool:
        """Whether effects may be sent to a device that is ready; if not, `on_heard` is called once they may."""
        if device not in self._unheard or device in self._silent:
            return True
        if device not in self._told:
            self._told[device] = self._loop.call_later(SPEAKS_S, self._tell, device)
        return False

    def gone(self, device: str) -> None:
        """It is not ready any more: start again once it is."""
        self._silent.discard(device)
        self._said.discard(device)
        if (timer := self._told.pop(device, None)) is not None:
            timer.cancel()

    def _tell(self, device: str) -> None:
        self.gone(device)
        log.info("%s may have missed a stop, which is sent again", device)
        self._sender.stop(device, self._own)
        self._said.add(device)
        self._told[device] = self._loop.call_later(FENCE_S, self._no_answer, device)

    def _no_answer(self, device: str) -> None:
        self.gone(device)
        if device in self._fencing:
            self._silent.add(device)
        else:
            self._forget(device)
        self.on_heard(device)

    def _forget(self, device: str) -> None:
        del self._unheard[device]
        self._ledger.stop_heard(device)

    # -----------------------------------------------------------------------------------------------------------

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
                else:
                    self._unheard[name] = True
                    self._ledger.stop_unheard(name)

    def _fence(self, message: Message) -> None:
        """The driver went off at a stop; everything sent to it before our answer counts as before the stop."""
        device = message.words[0]
        self._fencing.add(device)
        if not message.payload:
            if device in self._told and device not in self._said:  # it has received neither that stop nor another
                self._unheard[device] = True
                self._tell(device)
            return
        answered = device in self._told and self._unheard[device]  # what was before that stop is ended already
        heard = self._delivery.fenced(device, expected=answered)
        if not heard and message.payload.startswith(ALL):
            self._timelines.stop_all()
        self._sender.resume(device, message.payload)
        if device in self._unheard:
            self.gone(device)
            self._forget(device)
            self.on_heard(device)
