"""Tests a broker as an MQTT 5 client: the limits in its CONNACK, and whether it supports `$share` and QoS 2."""

import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from effectd.config.address import Address
from effectd.program.session import introduce

WAIT_S = 5.0
MESSAGES = 5


class Mqtt5:
    """`works`: the client was accepted and its message came back; `said`: the limits that the broker announced."""

    def __init__(self, address: Address, client_id: str, topic: str) -> None:
        self._address, self._topic = address, topic
        self.works = self.share = self.qos2 = False
        self.said = ""
        self._heard: list[tuple[str, int]] = []
        self._granted: list[bool] = []
        self._connected = False
        client = self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = self._greeted
        client.on_subscribe = lambda _c, _d, _mid, reasons, _p: self._granted.append(not reasons[0].is_failure)
        client.on_message = lambda _c, _d, message: self._heard.append((message.topic, message.qos))
        introduce(client, address)

    def run(self) -> None:
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=10)
        except (OSError, ValueError) as error:
            self.said = str(error)
            return
        if not self._until(lambda: self._connected or bool(self.said)) or not self._connected:
            self.said = self.said or "not served"
            return
        self.works = self._comes_back(self._topic, self._topic, 1) == MESSAGES
        self.qos2 = self.works and self._comes_back(f"{self._topic}/two", f"{self._topic}/two", 2) == MESSAGES
        if self.works:
            self.share = self._comes_back(f"$share/effectd/{self._topic}/share", f"{self._topic}/share", 1) == MESSAGES
        self._client.disconnect()
        self._until(lambda: not self._client.is_connected(), 1.0)

    def _comes_back(self, wanted: str, topic: str, qos: int) -> int:
        """How many of some messages came by that subscription, at that quality."""
        self._heard.clear()
        self._granted.clear()
        self._client.subscribe(wanted, qos)
        if not self._until(lambda: bool(self._granted)) or not self._granted[0]:
            return 0
        for number in range(MESSAGES):
            self._client.publish(topic, b"%d" % number, qos)
        self._until(lambda: len(self._heard) >= MESSAGES)
        return sum(heard == (topic, qos) for heard in self._heard)

    def _until(self, condition: Callable[[], bool], seconds: float = WAIT_S) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self._client.loop(0.05) not in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_AGAIN):
                return condition()
        return True

    def _greeted(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.said = f"refused: {reason}"
            return
        self._connected = True
        bounds = {
            "packets of at most {} bytes": getattr(properties, "MaximumPacketSize", None),
            "QoS {} at most": getattr(properties, "MaximumQoS", None),
            "{} messages on their way": getattr(properties, "ReceiveMaximum", None),
        }
        self.said = ", ".join(text.format(value) for text, value in bounds.items() if value is not None)
