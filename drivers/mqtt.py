"""Devices that are MQTT clients: Tasmota, ESPHome, zigbee2mqtt, WLED, Shelly; on the home's broker or another one.

An effect is done when the device's broker has the message (PUBACK), or, if the device reports its state
(`state_topic`), when it has reported it. Its presence is taken from `availability_topic`. The off message is also the
connection's last will, so that the device goes off even when this process is killed.
"""

import json
import re
import threading
from typing import Annotated, Any

import paho.mqtt.client as paho
from msgspec import Meta
from paho.mqtt.enums import CallbackAPIVersion

from drivers.template import CONSTANT, Scale, Template, values
from effectd.base.errors import DeviceFailed, in_words
from effectd.config.address import Address, HomeAddress
from effectd.driver import Driver, Effect, Options
from effectd.program.dialer import connect_to
from effectd.program.session import introduce


class MqttOptions(Options):
    topic: Annotated[str, Meta(min_length=1)]
    payload: str = "$level"
    off_payload: str = "0"
    off_topic: str | None = None  # None: as `topic`
    scale: Scale = (0, 100)  # the device's numbers for 0 and 100 %
    qos: Annotated[int, Meta(ge=0, le=1)] = 1
    retain: bool = False
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    availability_topic: str | None = None  # where the device, or its last will, reports whether it is online
    availability_online: str = "online"  # its payload when online, in any case; also as {"state": "online"}
    state_topic: str | None = None  # where the device reports its state: an effect is done when it has
    broker: Address | None = None  # None: the home's own


class _Client(paho.Client):
    """A paho client for an address; the home's own broker is reached by its socket."""

    def __init__(self, address: Address, device: str) -> None:
        # with a dot: the host has a connection under the device's own name already
        client_id = f"{address.own}mqtt.{device}" if isinstance(address, HomeAddress) else ""
        super().__init__(CallbackAPIVersion.VERSION2, client_id, clean_session=True)
        self._address = address

    def _create_socket(self) -> Any:
        """paho's own UNIX transport (its pull request 829) has no time limit, and hangs where the backlog is full."""
        return connect_to(self._address.path) if isinstance(self._address, HomeAddress) else super()._create_socket()


class Mqtt(Driver):
    uses_out = True
    options: MqttOptions

    def __init__(self, device: str, options: MqttOptions, broker: Address) -> None:
        super().__init__(device, options, broker)
        self._topic, self._payload = Template(options.topic, names=CONSTANT), Template(options.payload)
        known = {"device": device}
        self._off = (
            Template(options.off_topic or options.topic, names=CONSTANT).fill(known),
            Template(options.off_payload, names=CONSTANT).fill(known),
        )
        self._presence, self._state = (
            Template(topic or "", names=CONSTANT).fill(known)
            for topic in (options.availability_topic, options.state_topic)
        )
        for option in ("topic", "off_topic", "availability_topic", "state_topic"):
            check_topic(option, getattr(options, option))
        self._client: paho.Client | None = None
        self._changed = threading.Condition()  # guards the fields below, which paho's thread sets
        self._greeted = self._subscribed = False
        self._refused = ""
        self._said: str | None = None  # the last payload on availability_topic
        self._states = 0  # messages on state_topic, not counting retained ones
        self._confirmed: tuple[str, str] | None = None  # the last confirmed command, if still in effect

    def understands(self) -> set[str]:
        return self._payload.parameters

    def publishes(self) -> dict[str, str]:
        if self.options.broker is not None and not self.options.broker.is_at(self.broker):
            return {}
        topics = {"topic": self._topic.fill({"device": self.device}), "off_topic": self._off[0]}
        return topics if self.options.off_topic else {"topic": topics["topic"]}

    def open(self) -> None:
        address = self.options.broker or self.broker
        client = _Client(address, self.device)
        client.connect_timeout = self.options.timeout_ms / 1000
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._granted, self._received
        introduce(client, address)
        client.will_set(*self._off, qos=self.options.qos, retain=self.options.retain)
        self._client, self._greeted, self._refused, self._said, self._confirmed = client, False, "", None, None
        self._subscribed = not (self._presence or self._state)
        try:
            client.connect(address.host, address.port, keepalive=10)
        except OSError as error:
            raise DeviceFailed(f"no broker answers at {address}: {in_words(error)}") from error
        client.loop_start()
        if not self._until(lambda: (self._greeted and self._subscribed) or self._refused) or self._refused:
            raise DeviceFailed(f"{address} {self._refused or 'does not answer'}")
        self._until(lambda: not self._presence or self._said is not None)  # it is retained, so it arrives at once
        self._believe()

    def apply(self, effect: Effect) -> None:
        self._believe()
        filled = values(effect, self.device, self.options.scale)
        self._send(self._topic.fill(filled), self._payload.fill(filled))

    def off(self) -> None:
        self._send(*self._off)

    def check(self) -> None:
        if self._client is None or not self._client.is_connected():
            raise DeviceFailed(self._refused or "the connection to the device's broker is lost")
        self._believe()

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _believe(self) -> None:
        """Raises DeviceFailed if the device itself, or its last will, reports that it is offline."""
        if self._presence and self.instead is None and not is_online(self._said, self.options.availability_online):
            said = "nothing" if self._said is None else repr(self._said[:40])
            raise DeviceFailed(f"the device is offline: {self._presence} says {said}")

    def _send(self, topic: str, payload: str) -> None:
        self.out(f"{topic} {payload}", lambda: self._publish(topic, payload))

    def _publish(self, topic: str, payload: str) -> None:
        self.check()
        assert self._client is not None
        before, command = self._states, (topic, payload)
        info = self._client.publish(topic, payload, self.options.qos, self.options.retain)
        info.wait_for_publish(self.options.timeout_ms / 1000)
        if not info.is_published():
            why = self._refused or f"the device's broker did not take {topic} within {self.options.timeout_ms} ms"
            raise DeviceFailed(why)
        # a device that is off already, or does this already, may not report anything
        quiet = command == self._confirmed or (command == self._off and self._confirmed is None)
        self._confirmed = None
        if self._state and not quiet and not self._until(lambda: self._states > before):
            raise DeviceFailed(f"the device said nothing on {self._state} within {self.options.timeout_ms} ms")
        self._confirmed = None if command == self._off else command

    # --- on paho's thread ----------------------------------------------------------------------------------------

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        topics = [(topic, 1) for topic in (self._presence, self._state) if topic]
        if topics and not reason.is_failure:
            client.subscribe(topics)
        self._note(_greeted=True, _refused=f"refused the connection: {reason}" if reason.is_failure else "")

    def _granted(self, _client: Any, _data: Any, _mid: Any, reasons: Any, _properties: Any) -> None:
        refused = any(reason.is_failure for reason in reasons)
        names = " or ".join(topic for topic in (self._presence, self._state) if topic)
        self._note(_subscribed=True, _refused=f"does not let us subscribe to {names}" if refused else "")

    def _disconnected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if client is self._client and reason.is_failure:
            self._note(_refused=self._refused or f"closed the connection: {reason}")

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        if message.topic == self._state and not message.retain:
            self._note(_states=self._states + 1)
        if message.topic == self._presence:
            was_there = is_online(self._said, self.options.availability_online)
            self._note(_said=message.payload.decode(errors="replace"))
            if not was_there and is_online(self._said, self.options.availability_online):
                self.back()

    def _note(self, **heard: Any) -> None:
        with self._changed:
            for name, value in heard.items():
                setattr(self, name, value)
            self._changed.notify_all()

    def _until(self, condition: Any) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(condition, self.options.timeout_ms / 1000))


def is_online(said: str | None, online: str) -> bool:
    """Whether this is the payload of a device that is online: the bare word, or zigbee2mqtt's {"state": "online"}."""
    text = (said or "").strip()
    if text.startswith("{"):
        try:
            text = str(json.loads(text).get("state"))
        except ValueError:
            return False
    return text.strip('"').lower() == online.lower()


def check_topic(option: str, topic: str | None) -> None:
    """Raises ValueError if it is not a topic to which one can publish."""
    if topic is None:
        return
    if wrong := re.search(r"[+#\0]", topic):
        shown = {"\0": "NUL"}.get(wrong.group(), wrong.group())
        raise ValueError(f"{option}: {topic!r}: {shown} stands in filters only; this is one device's own topic")
    if not topic or len(topic.encode()) > 65_535:
        raise ValueError(f"{option}: a topic has 1 to 65535 bytes")
