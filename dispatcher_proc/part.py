"""The base class of the dispatcher's parts: their topics, start, stop, and the events that they react to."""

from collections.abc import Callable
from typing import NamedTuple

from effectd.config.reader import Config
from effectd.readiness.gate import Reply, Request


class Message(NamedTuple):
    """`words`: the levels of the topic where the subscription has `+`."""

    topic: str
    words: tuple[str, ...]
    payload: bytes
    retained: bool


Handler = Callable[[Message], None]
OnRequest = Callable[[Request, Reply], None]


class Part:
    """The constructor assigns, `start` works, `stop` undoes. A part overrides only what it needs."""

    def topics(self) -> dict[str, Handler]:
        """Its own subscriptions, each with the handler of their messages."""
        return {}

    def requests(self) -> dict[str, OnRequest]:
        """The requests at the gate that this part answers: the word in `do`, and its handler."""
        return {}

    def configure(self, config: Config) -> None:
        """Use this configuration from now on; called before `start`, and at each reload."""

    def start(self) -> None: ...

    def connected(self) -> None:
        """There is a new connection to the broker: unconfirmed messages may be lost."""

    def connection_changed(self) -> None:
        """The connection or the broker's run has changed, or is gone."""

    def room(self) -> None:
        """The connection has room again."""

    def stop(self) -> None: ...
