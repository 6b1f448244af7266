"""`/api/live`: sends each page the whole picture at once, then its changes, a frame at a time."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from effectd.base.loop import Cancellable
from effectd.messages.topics import Topics
from page_proc.picture import Changes, Picture
from page_proc.programs import Programs
from page_proc.stream import Stream, event

FRAMES_HZ = 25
BEAT_S = 1.0  # scripts get no SSE comments: without these events a hung page would look like a quiet room
STREAMS = 50
_BEGIN = b"retry: 1000\n\n"

Sees = Callable[[str], bool]  # whether a visitor may see a topic


class View:
    """The part of the picture that one visitor may see: `sees` checks a topic, None = all of them."""

    def __init__(
        self, picture: Picture, programs: Programs, topics: Topics, sees: Sees | None, me: Callable[[], dict[str, Any]]
    ) -> None:
        self._picture, self._programs, self._topics, self._sees, self._me = picture, programs, topics, sees, me

    def room(self) -> dict[str, Any]:
        """Everything."""
        picture, topics, config = self._picture, self._topics, self._picture.config
        zones: dict[str, list[str]] = {}
        devices = {name: one for name, one in picture.devices.items() if self._may(topics.state(name))}
        for name in devices:
            for zone in config.devices[name].zones:
                zones.setdefault(zone, []).append(name)
        effects = [one for one in picture.effects.shown if self._may(topics.receipt(one["id"]))]
        dead = [one for one in picture.dead_letters.shown if self._may(topics.dead_letter(one["kind"]))]
        return {
            "at": picture.clock(),
            "home": str(config.home),
            "name": config.home.name,
            **self.broker(),
            "devices": {name: one.shown() for name, one in devices.items()},
            **self.programs(),
            **self.holds(),
            "timelines": {name: state for name, state in picture.timelines.items() if self._timeline(name)},
            "effects": effects,
            "dead_letters": dead,
            "latency": picture.effects.latency,
            "effect_types": {
                name: {"labels": found.labels, "duration_ms": found.duration_ms}
                for name, found in config.effects.items()
            },
            "zones": zones,
            "me": self._me(),
        }

    def broker(self) -> dict[str, Any]:
        return {"broker": {"connected": not self._picture.away, "reason": self._picture.away}}

    def programs(self) -> dict[str, Any]:
        shown = self._programs.shown()
        ready = all(one["ready"] for one in shown.values())
        seen = {name: one for name, one in shown.items() if self._may(self._topics.system(name))}
        return {"ready": ready, "supervised": self._programs.supervised, "programs": seen}

    def holds(self) -> dict[str, Any]:
        return {"holds": [one for one in self._picture.holds if self._may(self._topics.hold(one.name))]}

    def frame(self, changes: Changes) -> bytes:
        """The events of one frame; b"" if there is nothing to see in it."""
        picture, topics = self._picture, self._topics
        said: dict[str, dict[str, Any]] = {}
        if changes.all:
            return self.whole()
        if changes.broker:
            said["broker"] = self.broker()
        if changes.programs:
            said["programs"] = self.programs()
        if changes.holds:
            said["holds"] = self.holds()
        devices = {name: picture.devices[name].now for name in changes.devices if self._may(topics.state(name))}
        timelines = {name: picture.timelines.get(name) for name in changes.timelines if self._timeline(name)}
        effects = [one for one in changes.effects.values() if self._may(topics.receipt(one["id"]))]
        dead = [one for one in reversed(changes.dead_letters) if self._may(topics.dead_letter(one["kind"]))]
        for name, found in (("devices", devices), ("timelines", timelines), ("dead_letters", dead)):
            if found:
                said[name] = {name: found}
        if effects:
            said["effects"] = {"effects": effects[::-1], "latency": picture.effects.latency}
        at = picture.clock()
        events = [(name, {"at": at} | fields) for name, fields in said.items()]
        events += [("stopped", {"at": at, "device": device}) for device in changes.stopped]
        return b"".join(event(name, msgspec.json.encode(fields)) for name, fields in events)

    def beat(self) -> bytes:
        return event("beat", msgspec.json.encode({"at": self._picture.clock()}))

    def whole(self) -> bytes:
        return event("room", msgspec.json.encode(self.room()))

    def _may(self, topic: str) -> bool:
        return self._sees is None or self._sees(topic)

    def _timeline(self, name: str) -> bool:
        return self._may(self._topics.timeline(name, "state"))


class Live:
    """All connected pages; a frame is encoded only if there is one, and once for all that see the same."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._streams: dict[Stream, View] = {}
        self._timer: Cancellable | None = None
        self._last = 0.0
        self.changes: Callable[[], Changes] = Changes

    @property
    def watched(self) -> bool:
        self._sweep()
        return bool(self._streams)

    @property
    def full(self) -> bool:
        return self.watched and len(self._streams) >= STREAMS

    def begin(self, view: View) -> Stream:
        stream = Stream(BEAT_S, view.beat)
        stream.write(_BEGIN + view.whole())
        self._streams[stream] = view
        return stream

    def changed(self) -> None:
        """Something has changed: send it with the next frame."""
        if self._timer is None:
            self._timer = self._loop.call_later(max(0.0, self._last + 1 / FRAMES_HZ - self._loop.time()), self._frame)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _frame(self) -> None:
        self._timer, self._last = None, self._loop.time()
        changes = self.changes()
        if not self.watched:
            return
        frames: dict[int, bytes] = {}
        for stream, view in self._streams.items():
            if id(view) not in frames:
                frames[id(view)] = view.frame(changes)
            if data := frames[id(view)]:
                stream.write(data)

    def _sweep(self) -> None:
        for stream in [stream for stream in self._streams if stream.closed]:
            del self._streams[stream]
