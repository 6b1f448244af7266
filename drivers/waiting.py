"""Holds the one effect that waits for its device, and the timer that expires it."""

from collections.abc import Callable

from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages.effect import Effect

_LOOK_AGAIN_S = 61.0  # ttl_ms is at most 60000; effects without a deadline, or with a wall-clock one, are checked again


class Waiting:
    """`left` returns how many seconds an effect may still wait; `expired` is called with one that may not."""

    def __init__(self, loop: AnyLoop, left: Callable[[Effect], float], expired: Callable[[Effect], None]) -> None:
        self._loop, self._left, self._expired = loop, left, expired
        self._timer: Cancellable | None = None
        self.effect: Effect | None = None

    def put(self, effect: Effect) -> None:
        self.take()
        self.effect = effect

    def take(self) -> Effect | None:
        """Remove and return the waiting effect."""
        effect, self.effect = self.effect, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return effect

    def due(self) -> Effect | None:
        """The waiting effect; if its deadline has passed, it expires here and there is none."""
        if self.effect is not None and self._left(self.effect) < 0:
            effect = self.effect
            self.take()
            self._expired(effect)
        return self.effect

    def look(self) -> None:
        """Expire the waiting effect if its deadline has passed; otherwise check again then."""
        if (effect := self.due()) is not None and self._timer is None:
            wait = min(self._left(effect), _LOOK_AGAIN_S) + 0.001
            self._timer = self._loop.call_later(wait, self._again)

    def _again(self) -> None:
        self._timer = None
        self.look()
