"""A device that is itself an MQTT client: Tasmota, ESPHome, zigbee2mqtt, WLED; on the home's broker or on another.

An effect is done when the device's broker has the message (PUBACK). The off message is the connection's last will as
well, so that the device goes off even when this process is killed.
"""

import threading
from typing import Annotated, Any

import paho.mqtt.client as paho
from msgspec import Meta
from paho.mqtt.enums import CallbackAPIVersion

from drivers.template import CONSTANT, Scale, Template, values
from effectd.base.errors import DeviceFailed
from effectd.config.schema import Address, HomeAddress
from effectd.driver import Driver, Effect, Options
from effectd.program.dialer import connect_to
from effectd.program.stream import no_delay


class MqttOptions(Options):
    topic: Annotated[str, Meta(min_length=1)]
    payload: str = "$level"
    off_payload: str = "0"
    off_topic: str | None = None  # None: as `topic`
    scale: Scale = (0, 100)  # the device's numbers for 0 and 100 %
    qos: Annotated[int, Meta(ge=0, le=1)] = 1
    retain: bool = False
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    broker: Address | None = None  # None: the home's own


class _Client(paho.Client):
    """paho's own client of an address; the home's broker it reaches by its socket."""

    def __init__(self, address: Address, device: str) -> None:
        # behind a dot: the host has a connection under the device's own name already
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
        self._client: paho.Client | None = None

    def open(self) -> None:
        address = self.options.broker or self.broker
        connected, refused = threading.Event(), list[str]()
        client = _Client(address, self.device)
        client.connect_timeout = self.options.timeout_ms / 1000

        def answered(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refused.append(str(reason))
            connected.set()

        client.on_connect = answered
        client.on_socket_open = lambda _client, _data, sock: no_delay(sock)
        if address.username is not None:
            client.username_pw_set(address.username, address.password())
        if address.tls is not None:
            client.tls_set(address.tls.cafile, address.tls.certfile, address.tls.keyfile)
        client.will_set(*self._off, qos=self.options.qos, retain=self.options.retain)
        self._client = client
        client.connect(address.host, address.port, keepalive=10)
        client.loop_start()
        if not connected.wait(self.options.timeout_ms / 1000) or refused:
            raise DeviceFailed(f"{address} {refused[0] if refused else 'does not answer'}")

    def apply(self, effect: Effect) -> None:
        filled = values(effect, self.device, self.options.scale)
        self._send(self._topic.fill(filled), self._payload.fill(filled))

    def off(self) -> None:
        self._send(*self._off)

    def check(self) -> None:
        if self._client is None or not self._client.is_connected():
            raise DeviceFailed("the connection to the device's broker is lost")

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _send(self, topic: str, payload: str) -> None:
        self.out(f"{topic} {payload}", lambda: self._publish(topic, payload))

    def _publish(self, topic: str, payload: str) -> None:
        self.check()
        assert self._client is not None
        info = self._client.publish(topic, payload, self.options.qos, self.options.retain)
        info.wait_for_publish(self.options.timeout_ms / 1000)
        if not info.is_published():
            raise DeviceFailed(f"the device's broker did not take {topic} within {self.options.timeout_ms} ms")
