"""Warns of effects published on a mistyped topic that no program subscribes to, and names the right topic."""

import logging

from dispatcher_proc.part import Handler, Message, Part
from effectd.base.once import Once
from effectd.config.reader import Config

SILENT_S = 3600.0  # until a topic is logged again

log = logging.getLogger(__name__)


class NearMisses(Part):
    """Only on the embedded broker: on another one those topics may be somebody else's, or forbidden."""

    def __init__(self, config: Config) -> None:
        self._topics, self._types = config.topics, list(config.effects)
        self._wanted = config.broker.embedded
        self._once = Once(SILENT_S)

    def topics(self) -> dict[str, Handler]:
        return dict.fromkeys(self._topics.near_misses(self._types), self._heard) if self._wanted else {}

    def _heard(self, message: Message) -> None:
        if message.retained or not message.payload or not self._once.first(message.topic):
            return
        last = next((each for each in reversed(message.topic.split("/")) if each in self._types), "<type>")
        log.warning("no program listens on %r: effects are published on %s", message.topic, self._topics.effect(last))
