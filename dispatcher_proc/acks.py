"""Receives the drivers' acks (`devices/<device>/ack`) and passes them to delivery."""

import logging

import msgspec

from dispatcher_proc.delivery import Delivery
from dispatcher_proc.part import Handler, Message, Part
from effectd.messages.answers import Ack
from effectd.messages.topics import Topics

log = logging.getLogger(__name__)


class Acks(Part):
    def __init__(self, topics: Topics, delivery: Delivery) -> None:
        self._topics, self._delivery = topics, delivery

    def topics(self) -> dict[str, Handler]:
        return {self._topics.every_ack: self._ack}

    def _ack(self, message: Message) -> None:
        (device,) = message.words
        if not message.payload:
            return
        try:
            self._delivery.acked(device, msgspec.json.decode(message.payload, type=Ack))
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("an ack of %s cannot be read: %s", device, error)
