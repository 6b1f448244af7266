"""A fake broker connection: stores what is published, and confirms it when the test says so."""

from collections.abc import Callable
from typing import Any

from effectd.base.errors import BrokerLost


def _nothing(*_: Any) -> None:
    """Stand in for a callback that was not given."""


class FakeLink:
    """Has the methods of effectd.program.link.Link, and replaces its class, too.

    `published`: topic, payload, QoS and retain flag of each message. `unconfirmed`: the callbacks for its PUBACK.
    """

    def __init__(
        self,
        *_: Any,
        up: bool = True,
        on_message: Callable[[str, bytes, bool], None] = _nothing,
        on_up: Callable[[], None] = _nothing,
        on_down: Callable[[str], None] = _nothing,
        **_unused: Any,
    ) -> None:
        self.up, self.room = up, True
        self.published: list[tuple[str, bytes, int, bool]] = []
        self.unconfirmed: list[Callable[[], None]] = []
        self.take = on_message  # a message from the broker arrives
        self.on_room: Callable[[], None] | None = None
        self._on_up, self._on_down = on_up, on_down

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None:
        if not self.up:
            raise BrokerLost("no connection")
        self.published.append((topic, payload, qos, retain))
        if acked:
            self.unconfirmed.append(acked)

    def payloads(self, topic: str = "") -> list[bytes]:
        """What was published: on one topic, or everything."""
        return [payload for published, payload, _, _ in self.published if topic in ("", published)]

    def confirm(self, count: int | None = None) -> None:
        """The broker acknowledges the first `count` messages that it has not acknowledged yet, or all."""
        confirmed = self.unconfirmed[:count]
        del self.unconfirmed[: len(confirmed)]
        for acked in confirmed:
            acked()

    def has_room(self) -> bool:
        return self.up and self.room

    def make_room(self) -> None:
        """The connection has room again."""
        self.room = True
        if self.on_room is not None:
            self.on_room()

    def open(self, _address: Any = None) -> None:
        """Connected, at once."""
        self.up = True
        self._on_up()

    def lose(self) -> None:
        """The connection is lost, and what was in flight with it."""
        self.up = False
        self.unconfirmed.clear()
        self._on_down("lost")

    drop = lose

    def close(self) -> None:
        self.up = False
