"""Test what an external broker can do, over real connections: QoS 1, order, retained messages, the last will.

Two connections, one after the other and under one client id, so that it needs no right but that of any client to
`probe/<its client id>/#`: the first one is cut off without a DISCONNECT, so that its will has to be sent; the second
one receives what was retained, and the will. What does not come within 5 s is missing.

Without retained messages by wildcard a home works, but a program that starts later does not learn which holds are
active: that is reported, and waited for only briefly.
"""

from collections.abc import Callable

from effectd.base.loop import Loop
from effectd.config.reader import Config
from effectd.program.link import Link

LIMIT_S, PATIENT_S = 5.0, 20.0
CLEARED_S = 1.0
MESSAGES = 20  # in order
WILDCARD, WILDCARD_S = "retained messages by wildcard", 0.3


class Probe:
    """`done` is called once with what is missing ("" = nothing). `patient`: no program waits for the result."""

    def __init__(
        self, config: Config, loop: Loop, done: Callable[[str], None], *, client_id: str = "", patient: bool = False
    ) -> None:
        self._done, self._loop, self._config = done, loop, config
        self._limits_s = (PATIENT_S, CLEARED_S) if patient else (LIMIT_S, WILDCARD_S)
        self.trouble = "it does not answer"  # "" once there was a connection
        self.missing = {"QoS 1": True, "order": True, "retained messages": True, "last will": True}
        self.by_wildcard = False  # whether a subscription with a wildcard gets them, too
        self._heard: list[bytes] = []
        self._acked = 0
        self._client_id = client_id or config.client_id("probe")
        topics = config.topics
        self._kept, self._numbers, self._will, self._below, self._wild = (
            topics.probe(self._client_id, word) for word in ("kept", "n", "will", "all/kept", "all/+")
        )
        self._mortal = self._connect((self._numbers,), self._begin, will=(self._will, b"dead"))
        self._heir: Link | None = None
        self._timer = loop.call_later(LIMIT_S, self._end)

    def close(self) -> None:
        """Close every connection, and clear what was retained."""
        self._timer.cancel()
        self._mortal.close()
        if self._heir is None:
            return
        if not self._heir.up:
            self._heir.close()
            return
        # close only after the broker's answer: mosquitto does not read what a closed connection has left
        self._loop.call_later(CLEARED_S, self._heir.close)
        for topic in (self._kept, self._below):
            self._heir.publish(topic, b"", qos=1, retain=True)
        self._heir.publish(self._will, b"", qos=1, retain=True, acked=self._heir.close)

    def _connect(
        self, subscriptions: tuple[str, ...], on_up: Callable[[], None], will: tuple[str, bytes] | None = None
    ) -> Link:
        link = Link(
            self._loop,
            self._config.broker.address,
            self._client_id,
            subscriptions=subscriptions,
            on_message=self._message,
            on_up=on_up,
            on_down=lambda _why: None,
            will=will,
        )
        link.on_failure = self._failed
        link.open()
        return link

    def _failed(self, why: str) -> None:
        if self.trouble:
            self.trouble = why

    def _begin(self) -> None:
        self.trouble = ""
        if self._acked or self._heard:
            return  # the connection was lost meanwhile: what came before must not be counted twice
        self._timer.cancel()
        self._timer = self._loop.call_later(self._limits_s[0], self._end)
        for number in range(MESSAGES):
            self._mortal.publish(self._numbers, b"%d" % number, qos=1, acked=self._ack)
        for topic in (self._below, self._kept):
            self._mortal.publish(topic, b"kept", qos=1, retain=True, acked=self._ack)

    def _ack(self) -> None:
        self._acked += 1
        if self._acked == MESSAGES + 2:
            self._have("QoS 1")
            self._go_on()

    def _go_on(self) -> None:
        """The first connection has done its work: cut it off, and check with the second one what it left."""
        if self._heir is None and not self.missing["QoS 1"] and not self.missing["order"]:
            self._mortal.drop()
            self._heir = self._connect((self._kept, self._will, self._wild), lambda: None)

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic == self._numbers:
            self._heard.append(payload)
            if self._heard == [b"%d" % number for number in range(MESSAGES)]:
                self._have("order")
                self._go_on()
        elif topic == self._kept and retained and payload:
            self._have("retained messages")
        elif topic == self._below and retained and payload:
            self.by_wildcard = True
            self._have()
        elif topic == self._will and payload:
            self._have("last will")

    def _have(self, what: str = "") -> None:
        if what:
            self.missing[what] = False
        if not any(self.missing.values()):
            self._timer.cancel()
            if self.by_wildcard:
                self._end()
            else:
                self._timer = self._loop.call_later(self._limits_s[1], self._end)

    def _end(self) -> None:
        self._timer.cancel()
        self._done(", ".join(f"no {what}" for what, missing in self.missing.items() if missing))
