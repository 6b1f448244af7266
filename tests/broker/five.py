"""A small client of MQTT 5 on a socket; its packets are written and read by another hand (`mqtt5`)."""

import socket
import time
from typing import Any, Self, TypeVar

import mqtt5

PacketT = TypeVar("PacketT", bound=Any)


class Five:
    """One connection; a context manager, whose end is an abrupt close. `connack` is the broker's answer."""

    def __init__(self, port: int, client_id: str = "", **options: Any) -> None:
        """Options are those of `mqtt5.ConnectPacket`; the session is a new one unless they say otherwise."""
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unparsed = b""
        self.send(mqtt5.ConnectPacket(client_id, **{"clean_start": True, "keep_alive": 60} | options))
        self.connack = self.expect(mqtt5.ConnAckPacket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, packet: Any) -> None:
        self.socket.sendall(packet if isinstance(packet, bytes) else packet.write())

    def receive(self, limit: float = 10.0) -> Any:
        """The next packet, None at the end of the connection; TimeoutError after `limit` seconds of neither."""
        until = time.monotonic() + limit
        while True:
            if len(self._unparsed) >= 2:
                try:
                    packet, size = mqtt5.read(memoryview(self._unparsed))
                except IndexError:
                    pass
                else:
                    self._unparsed = self._unparsed[size:]
                    return packet
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionError:
                return None
            if not data:
                assert not self._unparsed, self._unparsed
                return None
            self._unparsed += data

    def expect(self, kind: type[PacketT], limit: float = 10.0) -> PacketT:
        found = self.receive(limit)
        assert isinstance(found, kind), found
        return found

    def message(self, limit: float = 10.0) -> mqtt5.PublishPacket:
        """The next packet, which is a message; acknowledged if it is of QoS 1."""
        found = self.expect(mqtt5.PublishPacket, limit)
        if found.qos == 1:
            assert found.packet_id
            self.send(mqtt5.PubAckPacket(found.packet_id))
        return found

    def subscribe(self, *filters: str | mqtt5.TopicFilter, identifier: int | None = None, qos: int = 2) -> list[int]:
        """Subscribe; the reason codes. Nothing may be retained for these filters."""
        self.send_subscribe(*filters, identifier=identifier, qos=qos)
        return [int(code) for code in self.expect(mqtt5.SubAckPacket).reason_codes]

    def send_subscribe(self, *filters: str | mqtt5.TopicFilter, identifier: int | None = None, qos: int = 2) -> None:
        wanted = [
            one
            if isinstance(one, mqtt5.TopicFilter)
            else mqtt5.TopicFilter(one, max_qos=mqtt5.QoS(qos), retain_as_published=False)
            for one in filters
        ]
        self.send(mqtt5.SubscribePacket(1, wanted, subscription_id=identifier))

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 0, **options: Any) -> int:
        """Publish, and return the broker's reason code once it has the message."""
        packet_id = 7 if qos else None
        self.send(mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS(qos), packet_id=packet_id, **options))
        if qos == 1:
            return int(self.expect(mqtt5.PubAckPacket).reason_code)
        if qos == 2:
            code = int(self.expect(mqtt5.PubRecPacket).reason_code)
            if code < 0x80:
                self.send(mqtt5.PubRelPacket(7))
                self.expect(mqtt5.PubCompPacket)
            return code
        self.ping()
        return 0

    def ping(self) -> None:
        """There is nothing else to receive."""
        self.send(mqtt5.PingReqPacket())
        self.expect(mqtt5.PingRespPacket)

    def farewell(self, limit: float = 10.0) -> int:
        """The reason code of the broker's DISCONNECT, the last packet before it closes the connection."""
        code = int(self.expect(mqtt5.DisconnectPacket, limit).reason_code)
        assert self.receive(limit) is None
        return code
