"""Announces each device to Home Assistant while it is configured, and withdraws it when it no longer is.

Each announcement is noted before it is published, so that it is withdrawn even if this process was dead while a device
was removed, discovery was switched off, or the prefix was changed. If that note is lost, the retained messages on the
broker are used instead.
"""

from collections.abc import Callable, Iterable
from functools import partial

from dispatcher_proc import discovery
from dispatcher_proc.part import Handler, Message, Part
from effectd.base.errors import BrokerLost
from effectd.base.journal import Journal, Notes
from effectd.base.loop import AnyLoop, Cancellable
from effectd.config.reader import Config
from effectd.messages.topics import HomeAssistantTopics
from effectd.program.broker_session import BrokerSession
from effectd.program.process import Process

FILE = "home-assistant.journal"
_JOURNAL_BYTES = 64 << 10  # some 500 devices
_AGAIN_S = 1.0  # however often Home Assistant says that it is online


def parts(process: Process, loop: AnyLoop, broker: BrokerSession) -> Iterable[Part]:
    """The part, if there is something to announce or, perhaps, to withdraw."""
    if not process.config.home_assistant.discovery and not (process.run / FILE).exists():
        return ()
    notes = Journal(process.run / FILE, _JOURNAL_BYTES)
    notes.watch(loop, lambda trouble: broker.journal_trouble(trouble, "home_assistant"))
    return (HomeAssistant(loop, broker, process.config, notes),)


class HomeAssistant(Part):
    """`notes`: the journal, whose keys are the topics on which something may be announced."""

    def __init__(self, loop: AnyLoop, broker: BrokerSession, config: Config, notes: Notes) -> None:
        self._loop, self._broker, self._notes = loop, broker, notes
        self._own = config.client_id("")  # prefix of the unique ids of this home's devices
        found = config.home_assistant
        self._topics = HomeAssistantTopics(found.prefix) if found.discovery else None
        self._noted = set(notes.found)
        self._wanted: dict[str, bytes] = {}  # topic -> message
        self._late: dict[str, None] = {}  # topics that wait until the connection has room
        self._timer: Cancellable | None = None

    def topics(self) -> dict[str, Handler]:
        if self._topics is None:
            return {}
        return {**dict.fromkeys(self._topics.status, self._heard), self._topics.device("+"): self._found}

    def configure(self, config: Config) -> None:
        before, self._wanted = self._wanted, {}
        if self._topics is not None:
            for name, device in config.devices.items():
                node = config.client_id(name)
                self._wanted[self._topics.device(node)] = discovery.message(device, name, node, config.topics)
        self._say(topic for topic in {**before, **self._wanted} if before.get(topic) != self._wanted.get(topic))

    def connected(self) -> None:
        """A new connection: what was published may have been lost."""
        self._say([*self._noted.difference(self._wanted), *self._wanted])

    def room(self) -> None:
        self._say(())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _heard(self, message: Message) -> None:
        """Home Assistant has started, or did so while we were away."""
        if message.payload == b"online" and self._timer is None:
            self._timer = self._loop.call_later(_AGAIN_S, self._again)

    def _found(self, message: Message) -> None:
        """A retained announcement of a device that is no longer ours, whose note was lost: withdraw it."""
        gone = message.words[0].startswith(self._own) and message.topic not in self._wanted
        if gone and message.retained and message.payload:
            self._say([message.topic])

    def _again(self) -> None:
        self._timer = None
        self._say(self._wanted)

    def _say(self, topics: Iterable[str]) -> None:
        self._late |= dict.fromkeys(topics)
        link = self._broker.link
        while self._late and link.has_room():
            topic = next(iter(self._late))
            message = self._wanted.get(topic, b"")
            if message and topic not in self._noted:
                self._noted.add(topic)
                self._notes.put(topic, b"")
            acked: Callable[[], None] | None = None if message else partial(self._taken_back, topic)
            try:
                link.publish(topic, message, qos=1, retain=True, acked=acked)
            except BrokerLost:
                return  # `connected` publishes it again
            del self._late[topic]

    def _taken_back(self, topic: str) -> None:
        if topic not in self._wanted:
            self._noted.discard(topic)
            self._notes.forget(topic)
