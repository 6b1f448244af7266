"""The one effect that waits for its device, and the one timer that ends its waiting."""

from collections.abc import Callable

from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages.effect import Effect

_LOOK_AGAIN_S = 61.0  # ttl_ms ends at 60000; one without a deadline, or with one by the wall clock, is looked at again


class Waiting:
    """`left` says how many seconds an effect may still wait; `expired` is called with one that may no longer."""

    def __init__(self, loop: AnyLoop, left: Callable[[Effect], float], expired: Callable[[Effect], None]) -> None:
        self._loop, self._left, self._expired = loop, left, expired
        self._timer: Cancellable | None = None
        self.effect: Effect | None = None

    def put(self, effect: Effect) -> None:
        self.take()
        self.effect = effect

    def take(self) -> Effect | None:
        """Return what waits; afterwards nothing does."""
        effect, self.effect = self.effect, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return effect

    def due(self) -> Effect | None:
        """What waits; if its deadline is past, it expires here and there is none."""
        if self.effect is not None and self._left(self.effect) < 0:
            effect = self.effect
            self.take()
            self._expired(effect)
        return self.effect

    def look(self) -> None:
        """Expire what waits if its time is over; else look again at its deadline."""
        if (effect := self.due()) is not None and self._timer is None:
            wait = min(self._left(effect), _LOOK_AGAIN_S) + 0.001
            self._timer = self._loop.call_later(wait, self._again)

    def _again(self) -> None:
        self._timer = None
        self.look()
