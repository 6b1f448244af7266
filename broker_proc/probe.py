"""Try out what an external broker can do, over real connections: QoS 1, order, retained messages, the last will.

Three clients: the listener hears everything; the late one subscribes after a message was retained; the mortal one is
cut off without a DISCONNECT, so that its will has to be sent. What does not come within 5 s is missing.
"""

from collections.abc import Callable

from effectd.base.loop import Loop
from effectd.program.link import Link
from effectd.program.process import Process

LIMIT_S = 5.0
MESSAGES = 20  # in order


class Probe:
    """`done` is called once with what is missing ("" = nothing)."""

    def __init__(self, process: Process, loop: Loop, done: Callable[[str], None]) -> None:
        self._topics, self._done = process.config.topics, done
        self._missing = {"QoS 1": True, "order": True, "retained messages": True, "last will": True}
        self._heard: list[bytes] = []
        self._acked = 0
        topics = self._topics
        self._kept, self._numbers, self._will = topics.probe("kept"), topics.probe("number"), topics.probe("will")
        self._links: dict[str, Link] = {}

        def link(name: str, subscriptions: tuple[str, ...], on_up: Callable[[], None]) -> Link:
            self._links[name] = Link(
                loop,
                process.config.broker.address,
                process.config.client_id(f"probe-{name}"),
                subscriptions=subscriptions,
                on_message=self._message,
                on_up=on_up,
                on_down=lambda _why: None,
                will=(self._will, b"dead") if name == "mortal" else None,
            )
            return self._links[name]

        self._late = link("late", (self._kept,), lambda: None)
        self._mortal = link("mortal", (), lambda: loop.call_soon(self._mortal.drop))
        self._listener = link("listener", (self._numbers, self._will), self._begin)
        self._timer = loop.call_later(LIMIT_S, self._end)
        self._listener.open()

    def close(self) -> None:
        """Let every connection go, and take away what was retained."""
        self._timer.cancel()
        if self._listener.up:
            for topic in (self._kept, self._will):
                self._listener.publish(topic, b"", qos=1, retain=True)
        for link in self._links.values():
            link.close()

    def _begin(self) -> None:
        for number in range(MESSAGES):
            self._listener.publish(self._numbers, b"%d" % number, qos=1, acked=self._ack)
        self._listener.publish(self._kept, b"kept", qos=1, retain=True, acked=self._late.open)
        self._mortal.open()

    def _ack(self) -> None:
        self._acked += 1
        if self._acked == MESSAGES:
            self._have("QoS 1")

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic == self._numbers:
            self._heard.append(payload)
            if self._heard == [b"%d" % number for number in range(MESSAGES)]:
                self._have("order")
        elif topic == self._kept and retained and payload:
            self._have("retained messages")
        elif topic == self._will and payload:
            self._have("last will")

    def _have(self, what: str) -> None:
        self._missing[what] = False
        if not any(self._missing.values()):
            self._end()

    def _end(self) -> None:
        self._timer.cancel()
        self._done(", ".join(f"no {what}" for what, missing in self._missing.items() if missing))
