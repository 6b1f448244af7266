"""Publishes to devices: effects, `off` for a device that knows no stop, and the end of a fence."""

from collections.abc import Callable

from effectd.base.errors import BrokerLost
from effectd.messages import effect
from effectd.messages.effect import Effect
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession


class Sender:
    """Queues nothing: what cannot be sent now has to be sent again by the caller."""

    def __init__(self, broker: BrokerSession, topics: Topics) -> None:
        self._broker, self._topics = broker, topics

    def send(self, device: str, wanted: Effect, taken: Callable[[], None] | None) -> bool:
        """Returns whether it was sent; `taken` is called when the broker has it."""
        return self._broker.link.has_room() and self._set(device, wanted, taken)

    def off(self, device: str, effect_type: str) -> None:
        """Never held back: a stop does not wait for room."""
        self._set(device, Effect(id=effect.new_id(), effect_type=effect_type, intensity=0, duration=0), None)

    def stop(self, device: str, payload: bytes = b"held") -> None:
        """To a driver that may have missed it, or one that may know no hold."""
        try:
            self._broker.link.publish(self._topics.stop(device), payload, qos=1)
        except BrokerLost:
            pass  # nothing else is sent to it either, and after the next connection this is repeated

    def resume(self, device: str, token: bytes) -> None:
        """Confirm the driver's fence."""
        try:
            self._broker.link.publish(self._topics.resume(device), token, qos=1)
        except BrokerLost:
            pass  # the driver publishes its fence again when it is reconnected

    def _set(self, device: str, wanted: Effect, taken: Callable[[], None] | None) -> bool:
        try:
            self._broker.link.publish(self._topics.set(device), effect.to_set(wanted), qos=1, acked=taken)
        except BrokerLost:
            return False
        return True
