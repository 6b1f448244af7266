"""Directs timelines amid faults: an order, again and again until the state says that it was obeyed, then the next."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.chaos.connection import PLAIN, Connection, Way
from tests.chaos.log import Log
from tests.chaos.shows import Loaded, Ordered, Showed
from tests.system.home import wait_for

AGAIN_S = 0.5
PATIENCE_S = 20.0  # for an order that a hold of all may refuse
_TICK_S = 0.005
NAMES = ("ambience", "cue", "film", "large")
_WANTED = {
    "load": ("loaded", "playing", "paused", "ended"),
    "play": ("playing", "ended"),
    "pause": ("paused", "loaded", "ended"),
    "resume": ("playing", "ended", "loaded"),
    "seek": ("playing", "paused"),
    "stop": ("loaded",),
}
_POSSIBLE = {
    "loaded": ("play", "play", "play", "seek", "load"),
    "playing": ("pause", "pause", "seek", "seek", "stop", "load", "play"),
    "paused": ("resume", "resume", "resume", "seek", "stop", "play"),
    "ended": ("play", "play", "seek", "stop"),
}


class Director:
    """A thread; every choice comes from the seed. It logs each order before it is given, and each state.

    `seen`: whether a device does now what an effect does whose id begins so.
    """

    def __init__(  # noqa: PLR0917
        self, port: int, log: Log, seed: int, types: Sequence[str], seen: Callable[[str], bool], way: Way = PLAIN
    ) -> None:
        self._port, self._log, self._random, self._seen, self._way = port, log, random.Random(seed), seen, way
        self._documents = {name: _document(name, types, self._random) for name in NAMES}
        self._states: dict[str, tuple[float, dict[str, Any]]] = {}
        self._connection = self._connect(self._hear)
        self._running, self._resting = True, False
        self.orders = 0  # obeyed
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="director", daemon=True)
        self._thread.start()

    def rest(self, limit: float) -> None:
        """Play one until it is seen, stop them all, and see that what is stored says so. Raises AssertionError."""
        self._resting = True
        self._thread.join(limit)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), f"not within {limit:g} s: an ambience seen, and every timeline stopped"
        stored: dict[str, dict[str, Any]] = {}
        fresh = self._connect(lambda topic, said: stored.update({topic.split("/")[1]: _object(said)}))
        try:
            wait_for(lambda: {n for n, s in stored.items() if _is_stopped(s)} >= set(NAMES), 10, "the stored states")
        except AssertionError as error:
            raise AssertionError(f"{error}: {stored}") from None
        finally:
            fresh.close()

    def close(self) -> None:
        self._running = False
        self._thread.join(10)
        self._connection.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            for name in NAMES:
                self._give(name, "load", float("inf"))
            while self._running and not self._resting:
                obeyed = self._give(*self._choose(), PATIENCE_S)
                self.orders += obeyed
                self._pass(self._random.uniform(0.05, 0.6))
            self._give("ambience", "play", float("inf"))
            while self._running and not self._seen("ambience."):
                time.sleep(_TICK_S)
            for name in NAMES:
                if self._states[name][1]["status"] != "loaded":  # what changes nothing is not answered
                    self._give(name, "stop", float("inf"))
        except BaseException as error:  # noqa: BLE001 - told by `rest` and `close`, in the test's own thread
            self._failure = error

    def _choose(self) -> tuple[str, str]:
        name = self._random.choice(NAMES)
        return name, self._random.choice(_POSSIBLE[self._states[name][1]["status"]])

    def _give(self, name: str, word: str, patience_s: float) -> bool:
        """Whether it was obeyed."""
        payload = self._payload(name, word)
        began, again_at, ordered = time.monotonic(), 0.0, 0.0
        while self._running and time.monotonic() - began < patience_s:
            if self._connection.dead:
                self._connection.close()
                self._connection = self._connect(self._hear)
            heard, state = self._states.get(name, (0.0, {}))
            status = state.get("status", "")
            if ordered and heard > ordered and status in _WANTED[word]:
                return True
            if patience_s == PATIENCE_S and word not in _POSSIBLE[status] and status not in _WANTED[word]:
                return False  # a stop of everything, a hold, or its end came before
            if self._connection.up and time.monotonic() >= again_at:
                again_at = time.monotonic() + AGAIN_S
                if word == "load":
                    self._log.write(Loaded(timeline=name, durations=self._durations(name), source="harness"))
                self._log.write(Ordered(timeline=name, word=word, source="harness"))
                ordered = ordered or time.monotonic()
                self._connection.publish(f"timelines/{name}/{word}", payload)
            time.sleep(_TICK_S)
        return False

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._running and not self._resting and time.monotonic() < end:
            time.sleep(_TICK_S)

    def _payload(self, name: str, word: str) -> bytes:
        length = self._documents[name]["duration"]
        if word == "load":
            return json.dumps(self._documents[name]).encode()
        if word == "play":
            from_ms = self._random.choice((0, 0, self._random.randrange(length)))
            return json.dumps({"from_ms": from_ms, "loop": name == "ambience"}).encode()
        if word == "seek":
            at = self._states.get(name, (0.0, {}))[1].get("position_ms", 0)
            near = max(0, at + self._random.randint(-90, 90))
            begins = self._random.choice(self._documents[name]["effects"])["timestamp"]
            return json.dumps(
                {"position_ms": self._random.choice((near, begins, self._random.randrange(length)))}
            ).encode()
        return b""

    def _durations(self, name: str) -> list[int]:
        return [each["duration"] for each in self._documents[name]["effects"]]

    def _connect(self, hear: Callable[[str, bytes], None]) -> Connection:
        return Connection(self._port, ("timelines/+/state",), hear, self._way)

    def _hear(self, topic: str, payload: bytes) -> None:
        name, state = topic.split("/")[1], _object(payload)
        if not state:
            return
        self._states[name] = time.monotonic(), state
        self._log.write(
            Showed(
                timeline=name,
                status=state["status"],
                position_ms=state["position_ms"],
                length_ms=state["duration_ms"],
                loop=state["loop"],
                said_at=state["at"],
                source="harness",
            )
        )


def _document(name: str, types: Sequence[str], chance: random.Random) -> dict[str, Any]:
    """A looped ambience below a short cue of higher priority, a film of some seconds, and one long to load."""
    length, count, priority = {
        "ambience": (1500, 4, 3),
        "cue": (900, 6, 7),
        "film": (20_000, 120, 5),
        "large": (600_000, 6000, 5),
    }[name]
    starts = [0, *sorted(chance.randrange(length - 500) for _ in range(count - 1))]
    return {
        "title": name,
        "duration": length,
        "priority": priority,
        "effects": list(_effects(starts, types, chance)),
    }


def _effects(starts: list[int], types: Sequence[str], chance: random.Random) -> Iterator[dict[str, Any]]:
    for start in starts:
        yield {
            "effect_type": chance.choice(types),
            "timestamp": start,
            "duration": chance.choice((60, 120, 250, 450)),
            "intensity": chance.randint(1, 100),
        }


def _object(payload: bytes) -> dict[str, Any]:
    value = json.loads(payload) if payload else {}
    return value if isinstance(value, dict) else {}


def _is_stopped(state: dict[str, Any]) -> bool:
    return (state.get("status"), state.get("position_ms")) == ("loaded", 0)
