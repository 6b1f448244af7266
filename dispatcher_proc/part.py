"""What the parts of the dispatcher have in common: topics of their own, a start, a stop, and what they may hear of."""

from collections.abc import Callable
from typing import NamedTuple

from effectd.config.reader import Config
from effectd.readiness.gate import Reply, Request


class Message(NamedTuple):
    """`words`: what stands where the subscription has `+`."""

    topic: str
    words: tuple[str, ...]
    payload: bytes
    retained: bool


Handler = Callable[[Message], None]
OnRequest = Callable[[Request, Reply], None]


class Part:
    """The constructor assigns, `start` works, `stop` undoes. What a part does not need it leaves as it is here."""

    def topics(self) -> dict[str, Handler]:
        """The subscriptions that are its own, and what is to be done with a message on them."""
        return {}

    def requests(self) -> dict[str, OnRequest]:
        """What is its own of what may be asked at the gate: the word in `do`, and what is to be done then."""
        return {}

    def configure(self, config: Config) -> None:
        """The configuration is this one from now on; called before `start`, and at each reload."""

    def start(self) -> None: ...

    def connected(self) -> None:
        """There is a new connection to the broker: what was published and not confirmed may be lost."""

    def connection_changed(self) -> None:
        """The connection, or the broker's run, is another one or gone."""

    def room(self) -> None:
        """The connection takes more again."""

    def stop(self) -> None: ...
