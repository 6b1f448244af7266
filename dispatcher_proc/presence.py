"""Watches which drivers are ready, by gates and by remote devices' availability, and informs delivery and MQTT."""

import logging
import time

import msgspec

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.part import Handler, Message, Part
from dispatcher_proc.stops import Stops
from effectd import CONTRACT
from effectd.base.errors import BrokerLost
from effectd.config.reader import Config
from effectd.messages import answers
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession
from effectd.readiness.gate_watcher import GateView, GateWatcher

log = logging.getLogger(__name__)


class Presence(Part):
    """A driver counts as ready only under the run of the broker to which the dispatcher itself is connected."""

    def __init__(
        self, watcher: GateWatcher, broker: BrokerSession, delivery: Delivery, stops: Stops, topics: Topics
    ) -> None:
        self._watcher, self._broker, self._delivery, self._topics = watcher, broker, delivery, topics
        self._stops = stops
        stops.on_heard = self._look_again
        self.watches: dict[str, GateView] = {}
        self._drives: dict[str, list[str]] = {}  # program -> its devices
        self._remote: dict[str, bool] = {}  # device -> whether it acks
        self._online: dict[str, int] = {}  # remote device -> how often it has come online; absent: it is not
        self._comings = 0
        self._late: set[str] = set()  # programs whose line waits until the connection has room

    def topics(self) -> dict[str, Handler]:
        return {self._topics.every_availability: self._availability}

    def by_name(self, config: Config) -> tuple[str, ...]:
        """The same topics for each remote device: some brokers send retained messages only to exact subscriptions."""
        return tuple(self._topics.availability(name) for name, device in config.devices.items() if device.remote)

    def configure(self, config: Config) -> None:
        """Watch the gates of exactly the programs of this configuration."""
        for name in set(self.watches) - set(config.programs):
            self._watcher.unwatch(name)
            del self.watches[name]
        self._remote = {name: device.acks for name, device in config.devices.items() if device.remote}
        self._drives = {name: config.devices_of(name) for name in config.programs}
        for name in config.programs:
            if name not in self.watches:
                self.watches[name] = self._watcher.watch(name, self._changed)

    def connection_changed(self) -> None:
        """The link or the broker's run has changed: forget what was learned by MQTT."""
        if not self._broker.link.up:
            self._online.clear()
        for watch in self.watches.values():
            self._look_at(watch)
        for device in self._remote:
            self._look_at_remote(device)

    def connected(self) -> None:
        """A new connection: the retained states may have been lost, so publish them again."""
        for watch in self.watches.values():
            self._announce(watch.name, watch)

    def room(self) -> None:
        """The connection has room again: publish the current lines of the programs that were held back."""
        late, self._late = self._late, set()
        for name in late & set(self.watches):
            self._announce(name, self.watches[name])

    def stop(self) -> None:
        self._publish("dispatcher", {"name": "dispatcher", "state": "gone"})

    def _availability(self, message: Message) -> None:
        """`devices/<device>/availability`; it counts for remote devices only."""
        device, payload = message.words[0], message.payload
        if device not in self._remote:
            return
        if payload == b"online":
            if device not in self._online:
                self._comings += 1
                self._online[device] = self._comings
        else:
            self._online.pop(device, None)
        self._look_at_remote(device)

    def _changed(self, watch: GateView) -> None:
        self._announce(watch.name, watch)
        self._look_at(watch)

    def _look_at(self, watch: GateView) -> None:
        for device in self._drives.get(watch.name, ()):
            self._look_at_device(device, watch)

    def _look_at_device(self, device: str, watch: GateView) -> None:
        if not self._broker.link.up:
            self._not_ready(device, watch.blocker or "the dispatcher has no connection to the broker")
        elif not watch.ready or watch.line is None:
            self._not_ready(device, watch.blocker)
        elif watch.line.broker_generation != self._broker.generation:
            self._not_ready(device, f"{watch.name} is not connected to the broker's new run yet")
        else:
            self._ready(device, watch.line.generation)

    def _look_at_remote(self, device: str) -> None:
        if not self._broker.link.up:
            self._not_ready(device, "the dispatcher has no connection to the broker")
        elif not self._remote[device]:
            self._delivery.ready(device, f"unconfirmed-{self._broker.generation}")
        elif device in self._online:
            self._ready(device, f"remote-{self._online[device]}")
        else:
            self._not_ready(device, f"{device} (remote) is not online")

    def _ready(self, device: str, generation: str) -> None:
        if self._delivery.is_ready(device, generation):
            return
        if self._stops.may_be_sent(device):
            self._delivery.ready(device, generation)
        else:
            self._delivery.not_ready(device, f"{device} is asked whether it heard the last stop")

    def _not_ready(self, device: str, blocker: str) -> None:
        self._stops.gone(device)
        self._delivery.not_ready(device, blocker)

    def _look_again(self, device: str) -> None:
        if device in self._remote:
            self._look_at_remote(device)
        for program, devices in self._drives.items():
            if device in devices:
                self._look_at(self.watches[program])

    def _announce(self, program: str, watch: GateView) -> None:
        if self._broker.link.up and not self._broker.link.has_room():
            self._late.add(program)
        elif watch.line is None:
            self._publish(program, {"name": program, "state": "gone", "at": time.time_ns() // 1_000_000})
        else:
            self._publish(program, msgspec.to_builtins(watch.line))

    def _publish(self, program: str, line: dict[str, object]) -> None:
        payload = answers.encode(line | {"contract": CONTRACT})
        try:
            self._broker.link.publish(self._topics.system(program), payload, qos=1, retain=True)
        except BrokerLost:
            pass  # `connected` announces it again
