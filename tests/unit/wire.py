"""What stands where the broker's connection stands: it keeps what is published, and confirms when told."""

from collections.abc import Callable

from effectd.base.errors import BrokerLost


class Wire:
    """Stands where the broker's connection stands: takes what is published while it is up, and confirms when told."""

    def __init__(self) -> None:
        self.up = self.room = True
        self.published: list[tuple[str, bytes, int, bool]] = []
        self.unconfirmed: list[Callable[[], None]] = []

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, acked: Callable[[], None] | None = None
    ) -> None:
        if not self.up:
            raise BrokerLost("no connection")
        self.published.append((topic, payload, qos, retain))
        if acked:
            self.unconfirmed.append(acked)

    def confirm(self, count: int | None = None) -> None:
        confirmed = self.unconfirmed[:count]
        del self.unconfirmed[: len(confirmed)]
        for acked in confirmed:
            acked()

    def lose(self) -> None:
        """The connection is gone, and what was in flight with it."""
        self.up = False
        self.unconfirmed.clear()

    def has_room(self) -> bool:
        return self.up and self.room

    def open(self) -> None: ...

    def close(self) -> None:
        self.up = False

    drop = lose

    def payloads(self) -> list[bytes]:
        return [payload for _, payload, _, _ in self.published]
