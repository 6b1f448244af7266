"""Publishes `timelines/<name>/state` (retained): each change, and the position while a timeline plays."""

from typing import Any

from dispatcher_proc.conductor import Conductor
from dispatcher_proc.show import Show
from effectd.base.errors import BrokerLost
from effectd.base.loop import AnyLoop, Cancellable
from effectd.messages import answers
from effectd.messages.topics import Topics
from effectd.program.broker_session import BrokerSession

SAID_EVERY_S = 0.5
_SHOWN = 20  # problems in a state


class States:
    def __init__(self, loop: AnyLoop, broker: BrokerSession, topics: Topics, conductor: Conductor) -> None:
        self._loop, self._broker, self._topics, self._conductor = loop, broker, topics, conductor
        self._late: set[str] = set()  # what waits until the connection has room
        self._timer: Cancellable | None = None

    def all(self) -> None:
        """A new connection: what was published may have been lost."""
        for name in {*self._conductor.shows, *self._late}:
            self.say(name)

    def room(self) -> None:
        late, self._late = self._late, set()
        for name in late:
            self.say(name)

    def gone(self, name: str) -> None:
        """An earlier run published it, and it no longer exists: clear it."""
        self._late.add(name)

    def beat(self) -> None:
        """Publish the position of those that play, repeatedly while any does."""
        playing = any(show.status == "playing" for show in self._conductor.shows.values())
        if playing and self._timer is None:
            self._timer = self._loop.call_later(SAID_EVERY_S, self._beaten)

    def _beaten(self) -> None:
        self._timer = None
        for show in self._conductor.shows.values():
            if show.status == "playing":
                self.say(show.name)
        self.beat()

    def say(self, name: str) -> None:
        link = self._broker.link
        if link.up and not link.has_room():
            self._late.add(name)
            return
        show = self._conductor.shows.get(name)
        payload = answers.encode(_state(show, self._conductor.now())) if show is not None else b""
        try:
            link.publish(self._topics.timeline(name, "state"), payload, qos=1, retain=True)
        except BrokerLost:
            pass  # `all` publishes it again


def _state(show: Show, now: float) -> dict[str, Any]:
    found = show.score
    status = "refused" if show.status == "empty" and show.refused else show.status
    problems = (*show.refused, *(found.problems if found is not None else ()))
    state: dict[str, Any] = {
        "status": status,
        "position_ms": round(show.position(now)),
        "duration_ms": found.length if found is not None else 0,
        "title": found.timeline.title if found is not None else "",
        "loop": show.loop,
        "effects": len(found.timeline.effects) if found is not None else 0,
        "problems": problems[:_SHOWN],
        "at": answers.unix_ms(),
    }
    if show.next is not None:
        following = show.next
        state["next"] = {
            "title": following.timeline.title,
            "duration_ms": following.length,
            "effects": len(following.timeline.effects),
            "problems": following.problems[:_SHOWN],
        }
    return state
