"""`/api/events`: first the retained messages, then each new one, as a line of `effectd watch --json`."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from effectd.base.loop import Cancellable
from effectd.messages import lines
from effectd.messages.topics import Topics
from page_proc.stream import Stream

FRAMES_HZ = 25
STREAMS = 50
KEPT_BYTES, KEPT = 16 << 20, 10_000  # as the broker's own bounds

Sees = Callable[[str], bool]


class Events:
    """`take` each message. Of a state that changes faster than a frame only the last one is sent."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._loop = asyncio.get_running_loop()
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        self._streams: dict[Stream, Sees | None] = {}
        self._next: OrderedDict[object, tuple[str, bytes]] = OrderedDict()  # messages of this frame
        self._timer: Cancellable | None = None

    @property
    def full(self) -> bool:
        self._sweep()
        return len(self._streams) >= STREAMS

    def begin(self, sees: Sees | None) -> Stream:
        stream = Stream()
        stream.write(b"retry: 1000\n\n")
        for topic, payload in self._kept.items():
            if sees is None or sees(topic):
                stream.write(_line(topic, payload))
        self._streams[stream] = sees
        return stream

    def take(self, topic: str, payload: bytes) -> None:
        stays = self._topics.stays(topic)
        if stays:
            self._keep(topic, payload)
        if not self._streams:
            return
        key: object = topic if stays else object()
        self._next.pop(key, None)
        self._next[key] = topic, payload
        if self._timer is None:
            self._timer = self._loop.call_later(1 / FRAMES_HZ, self._frame)

    def lost(self) -> None:
        """The broker may come back empty."""
        self._kept.clear()
        self._kept_bytes = 0

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _keep(self, topic: str, payload: bytes) -> None:
        self._kept_bytes += len(payload) - len(self._kept.pop(topic, b""))
        if payload and len(self._kept) < KEPT and self._kept_bytes <= KEPT_BYTES:
            self._kept[topic] = payload
        else:
            self._kept_bytes -= len(payload)

    def _frame(self) -> None:
        self._timer = None
        said, self._next = list(self._next.values()), OrderedDict()
        self._sweep()
        if not self._streams:
            return
        encoded = [(topic, _line(topic, payload)) for topic, payload in said]
        whole = b"".join(line for _, line in encoded)
        for stream, sees in self._streams.items():
            stream.write(whole if sees is None else b"".join(line for topic, line in encoded if sees(topic)))

    def _sweep(self) -> None:
        for stream in [stream for stream in self._streams if stream.closed]:
            del self._streams[stream]


def _line(topic: str, payload: bytes) -> bytes:
    return b"data: " + lines.as_line(topic, payload).encode() + b"\n\n"
