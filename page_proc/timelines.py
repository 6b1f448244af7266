"""`POST /api/timelines/<name>/...`: publishes an order, answers with the resulting state or the reason of refusal."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from effectd.base.errors import BrokerLost
from effectd.messages.payload import fields_of
from effectd.messages.topics import Topics
from effectd.program.link import Link
from page_proc.replies import Refused

DOCUMENT_BYTES = 4 << 20
LOAD_S, ORDER_S = 15.0, 3.0  # a document of 4 MiB on a slow machine
# order -> the states that show that it is done
WANTED: dict[str, tuple[str, ...]] = {
    "play": ("playing", "ended"),
    "pause": ("paused",),
    "resume": ("playing", "ended"),
    "seek": ("loaded", "playing", "paused", "ended"),
    "stop": ("loaded",),
}
# the field with the start position: an earlier state may also be `playing`, and is published once a second
_TO = {"play": "from_ms", "seek": "position_ms"}
_FROM = {"pause": ("playing",), "resume": ("paused",)}  # the states in which there is something to do

State = dict[str, Any]


class Waiting:
    """One order that waits: for a state that `enough` takes, or a refusal on `topic`."""

    def __init__(self, name: str, topic: str, enough: Callable[[State], bool]) -> None:
        self.name, self.topic, self.enough = name, topic, enough
        self.done: asyncio.Future[State | str] = asyncio.get_running_loop().create_future()

    def end(self, result: State | str) -> None:
        if not self.done.done():
            self.done.set_result(result)


class Timelines:
    """`states`: the last state of each. Call `take` with what comes by MQTT."""

    def __init__(self, link: Callable[[], Link], topics: Topics, states: Callable[[], dict[str, State]]) -> None:
        self._link, self._topics, self._states = link, topics, states
        self._waiting: list[Waiting] = []

    async def load(self, name: str, document: bytes) -> State:
        """Raises Refused: 422 where the document is refused as a whole."""
        before = self._states().get(name, {})
        moves = before.get("status") in ("playing", "paused")

        def enough(state: State) -> bool:
            return not moves or "next" in state or state.get("problems") != before.get("problems")

        state = await self._order(name, "load", document, enough, LOAD_S)
        if state.get("status") == "refused" or (moves and "next" not in state):
            first: Any = next(iter(state.get("problems") or []), {})
            why = first.get("problem") if isinstance(first, dict) else None
            raise Refused(422, str(why or "the document is refused"), timeline=state)
        return state

    async def order(self, name: str, word: str, fields: dict[str, Any]) -> State:
        """Raises Refused: 404, 409 where there is nothing to do, or it is refused."""
        before = self._states().get(name)
        if before is None:
            known = ", ".join(self._states()) or "none"
            raise Refused(404, f"there is no timeline {name[:40]!r}; loaded are {known}")
        status, wanted = before.get("status"), WANTED[word]
        if word in _FROM and status not in _FROM[word]:
            if status in wanted:
                return before
            raise Refused(409, f"{name} is {status}: there is nothing to {word}", timeline=before)
        if word == "stop" and status == "loaded":
            return before
        to = (fields.get(_TO[word]) or 0) if word in _TO else None

        def enough(state: State) -> bool:
            return state.get("status") in wanted and (to is None or _is_at(state, to))

        return await self._order(name, word, msgspec.json.encode(fields) if fields else b"", enough, ORDER_S)

    def take(self, levels: list[str], payload: bytes, retained: bool) -> None:
        if not self._waiting or retained:
            return
        if levels[0] == "timelines" and levels[2:] == ["state"]:
            state = fields_of(payload)
            for waiting in self._waiting:
                if waiting.name == levels[1] and waiting.enough(state):
                    waiting.end(state)
        elif levels == ["dead-letters", "refused"]:
            letter = fields_of(payload)
            for waiting in self._waiting:
                if letter.get("topic") == waiting.topic and letter.get("id") is None:  # else it is about one effect
                    waiting.end(str(letter.get("detail")))

    async def _order(
        self, name: str, word: str, payload: bytes, enough: Callable[[State], bool], within_s: float
    ) -> State:
        waiting = Waiting(name, self._topics.timeline(name, word), enough)
        self._waiting.append(waiting)
        try:
            self._link().publish(waiting.topic, payload, qos=1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    result = await waiting.done
                    if isinstance(result, str):
                        raise Refused(409, result)
                    return result
        except BrokerLost as error:
            raise Refused(503, f"no broker: {error}") from None
        finally:
            self._waiting.remove(waiting)
        raise Refused(503, f"no answer within {within_s:g} s: the dispatcher is not running, or has much to read")


def _is_at(state: State, to_ms: float) -> bool:
    """Whether this is the state of a timeline that has just been moved there."""
    position, duration = state.get("position_ms"), state.get("duration_ms")
    if not isinstance(position, int | float) or not isinstance(duration, int | float):
        return True
    to_ms = min(to_ms, duration)
    return int(to_ms) <= position <= to_ms + ORDER_S * 1000
